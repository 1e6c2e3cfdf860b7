//! The partners' users: `/v1/users` (contract 3). The partner chooses `user_id`; the same
//! `user_id` in two orgs is two users.

pub mod bulk;
mod by_worker;
mod input;
mod insert_one;
pub mod inserts;
pub mod lookups;
mod new_user;
mod store;
pub(crate) mod user;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::input::{CreateUser, UpdateUser, UserPath};
use self::insert_one::InsertOne;

use self::new_user::InsertOutcome;
pub use self::store::UserKey;
use self::user::{User, UserEntry};
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Page};
use crate::idempotency::{self, Once, Reply};
use crate::identity::key_scopes::KeyScope;
use crate::identity::members::Member;
use crate::identity::{Caller, Partner};
use crate::ids::OrgId;
use crate::request_id::TraceContext;
use crate::state::App;

/// `/v1/users`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_user, list_users))
}

/// `/v1/users/{user_id}`, for that user as well.
#[must_use]
pub fn of_one_user() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_user, update_user, delete_user))
}

/// The id of a user that was created.
#[derive(Serialize, ToSchema)]
pub struct CreatedUser {
    /// As the partner chose it.
    #[schema(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    user_id: Uuid,
}

/// Create a user.
///
/// The `user_id` is yours to choose and identifies the user from then on.
#[utoipa::path(
    post, path = "/v1/users", tag = "Users", request_body = CreateUser,
    extensions(("x-required-scope" = json!(KeyScope::UsersWrite))),
    responses(
        (status = 201, description = "Created.", body = Data<CreatedUser>),
        (status = 409, description = "`user_already_exists`"),
    ),
)]
async fn create_user(
    State(app): State<App>,
    partner: Partner,
    trace: Option<TraceContext>,
    Once { input, claim }: Once<CreateUser>,
) -> Result<Response, ApiError> {
    let (org_id, user_id) = (partner.org_id, input.user_id);
    let user = input.into_new_user(org_id, trace);
    let reply = move |outcome| match outcome {
        InsertOutcome::Created => Reply::new(StatusCode::CREATED, &Data { data: CreatedUser { user_id } }),
        InsertOutcome::Exists => Err(Code::UserAlreadyExists.into()),
        InsertOutcome::NoOrg => Err(Code::Forbidden.into()),
        InsertOutcome::Unavailable => Err(Code::ServiceUnavailable.into()),
    };
    let response = match claim {
        // Together with the other users of this moment.
        None => reply(app.new_users.ask(user).await?)?.into_response(),
        claim => {
            let is_distributed = app.db.is_distributed().await?;
            let insert = InsertOne { user, is_distributed, clock: app.clock.clone() };
            idempotency::execute(&app, claim, insert, reply).await?
        }
    };
    app.outbox.wake(org_id, Stream::Users);
    Ok(response)
}

/// List users.
///
/// Ordered by creation, oldest first.
#[utoipa::path(
    get, path = "/v1/users", tag = "Users", params(Page),
    extensions(("x-required-scope" = json!(KeyScope::UsersRead))),
    responses((status = 200, description = "A page of users.", body = List<UserEntry>)),
)]
async fn list_users(
    State(app): State<App>,
    partner: Partner,
    Valid(page): Valid<Page>,
) -> Result<Json<List<UserEntry>>, ApiError> {
    let (users, counted) = store::list_users(&app.db.pool, partner.org_id, page).await?;
    let total = total(&app, partner.org_id, counted).await?;
    Ok(Json(page.of(users, total)))
}

/// The number of the org's users, where they were `counted` to just above the limit for exact
/// totals.
pub async fn total(app: &App, org_id: OrgId, counted: i64) -> Result<i64, ApiError> {
    let count_all = async || store::count_users(&app.db.pool, org_id).await;
    Ok(app.totals.total("users", org_id, counted, count_all).await?)
}

/// Show a user.
///
/// Also to that user's own app, with a member token.
#[utoipa::path(
    get, path = "/v1/users/{user_id}", tag = "Users", params(UserPath),
    extensions(("x-required-scope" = json!(KeyScope::UsersRead))),
    responses(
        (status = 200, description = "The user.", body = Data<User>),
        (status = 404, description = "`not_found`: this org has no such user."),
    ),
)]
async fn get_user(
    State(app): State<App>,
    caller: Caller,
    Valid(UserPath { user_id }): Valid<UserPath>,
) -> Result<Json<Data<User>>, ApiError> {
    let wanted = wanted(&app, caller, user_id).await?;
    let user = app.users.ask(wanted).await?;
    user.map(|data| Json(Data { data })).ok_or_else(|| missing(caller))
}

/// Change a user's profile.
///
/// Fields that are absent stay as they are; `null` clears.
#[utoipa::path(
    patch, path = "/v1/users/{user_id}", tag = "Users", params(UserPath), request_body = UpdateUser,
    extensions(("x-required-scope" = json!(KeyScope::UsersWrite))),
    responses(
        (status = 204, description = "Changed."),
        (status = 404, description = "`not_found`: this org has no such user."),
    ),
)]
async fn update_user(
    State(app): State<App>,
    caller: Caller,
    trace: Option<TraceContext>,
    Valid((UserPath { user_id }, changes)): Valid<(UserPath, UpdateUser)>,
) -> Result<StatusCode, ApiError> {
    let wanted = wanted(&app, caller, user_id).await?;
    let (db, now) = (&app.db, app.clock.now());
    let found = if db.is_distributed().await? {
        by_worker::update_user(db, wanted, now, trace, changes).await?
    } else {
        store::update_user(&db.pool, wanted, now, trace, &changes).await?
    };
    done(&app, caller, found)
}

/// Delete a user.
///
/// The row is purged, not flagged; the `user_id` can be used again.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}", tag = "Users", params(UserPath),
    extensions(("x-required-scope" = json!(KeyScope::UsersWrite))),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "`not_found`: this org has no such user."),
    ),
)]
async fn delete_user(
    State(app): State<App>,
    caller: Caller,
    trace: Option<TraceContext>,
    Valid(UserPath { user_id }): Valid<UserPath>,
) -> Result<StatusCode, ApiError> {
    let wanted = wanted(&app, caller, user_id).await?;
    let (db, now) = (&app.db, app.clock.now());
    let found = if db.is_distributed().await? {
        by_worker::delete_user(db, wanted, now, trace).await?
    } else {
        store::delete_user(&db.pool, wanted, now, trace).await?
    };
    done(&app, caller, found)
}

/// Finds the row that the caller may touch. A member has one: of another user, a good token learns
/// what it would learn of none, and a dead user's token is as bad as any.
async fn wanted(app: &App, caller: Caller, user_id: Uuid) -> Result<UserKey, ApiError> {
    let Caller::Member(member) = caller else {
        return Ok(UserKey { org_id: caller.org_id(), user_id, created_at: None });
    };
    let Member { org_id, user_id: own, user_created_at, .. } = member;
    let own_key = UserKey { org_id, user_id: own, created_at: Some(user_created_at) };
    if own == user_id {
        return Ok(own_key);
    }
    let lives = app.users.ask(own_key).await?.is_some();
    Err(if lives { Code::NotFound.into() } else { missing(caller) })
}

/// There is no such row: a member's token has died with its user.
fn missing(caller: Caller) -> ApiError {
    match caller {
        Caller::Partner(_) => Code::NotFound.into(),
        Caller::Member(_) => Code::Unauthorized.into(),
    }
}

fn done(app: &App, caller: Caller, found: bool) -> Result<StatusCode, ApiError> {
    if !found {
        return Err(missing(caller));
    }
    app.outbox.wake(caller.org_id(), Stream::Users);
    Ok(StatusCode::NO_CONTENT)
}
