//! `/internal/orgs`: tenants, made, changed, suspended, recovered and deleted by the platform (contract 15). The same
//! changes as at the command line, with the token in the audit log.

mod input;
pub mod key_import;
pub mod making;
pub mod recovery;
mod reply;
pub mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::input::{ChangeOrg, CreateOrg, Reasoned, RecoverOrg};
use self::input::{Confirmation, OrgPath, OrgSearch};
use self::key_import::ImportKeys;
use self::making::MadeOrg;
use self::recovery::RecoveredOrg;
use self::reply::PlatformOrg;
use crate::changes::PlatformAuthor;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::events::{Stream, StreamName};
use crate::features::Feature;
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Page};
use crate::ids::OrgId;
use crate::routes::org::credentials::Maker;
use crate::routes::org::{self, OrgChange};
use crate::routes::portal_sessions::{self, CreatePortalSession, PortalLink, Voucher};
use crate::routes::tenant_keys::TenantKeyEntry;
use crate::state::App;

/// `/internal/orgs` and below.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_org, list_orgs))
        .routes(routes!(get_platform_org, change_org, delete_org))
        .routes(routes!(suspend_org))
        .routes(routes!(resume_org))
        .routes(routes!(freeze_org))
        .routes(routes!(thaw_org))
        .routes(routes!(recover_org))
        .routes(routes!(create_org_portal_session))
        .routes(routes!(import_tenant_keys))
}

/// Create an org.
///
/// With its first API key and signing secret, shown only here: or with `claim` a link, which makes and shows them to
/// whoever opens it first.
#[utoipa::path(
    post, path = "/internal/orgs", tag = "Orgs", request_body = CreateOrg,
    responses(
        (status = 201, description = "Created.", body = Data<MadeOrg>),
        (status = 409, description = "`org_already_exists`"),
    ),
)]
async fn create_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid(input): Valid<CreateOrg>,
) -> Result<(StatusCode, Json<Data<MadeOrg>>), ApiError> {
    let data: MadeOrg = making::make(&Maker::of(&app), author.0, input, |_| Ok::<_, ApiError>(())).await?;
    Ok((StatusCode::CREATED, Json(Data { data })))
}

/// List orgs.
///
/// Ordered by creation, oldest first.
#[utoipa::path(
    get, path = "/internal/orgs", tag = "Orgs", params(Page, OrgSearch),
    responses((status = 200, description = "A page of orgs.", body = List<PlatformOrg>)),
)]
async fn list_orgs(
    State(app): State<App>,
    Valid((page, OrgSearch { search })): Valid<(Page, OrgSearch)>,
) -> Result<Json<List<PlatformOrg>>, ApiError> {
    reply::page_of(&app, page, search.as_deref()).await.map(Json)
}

/// Show an org.
#[utoipa::path(
    get, path = "/internal/orgs/{org}", tag = "Orgs", params(OrgPath), operation_id = "get_platform_org",
    responses(
        (status = 200, description = "The org.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn get_platform_org(
    State(app): State<App>,
    Valid(path): Valid<OrgPath>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    let org_id = find(&app, &path).await?;
    reply::one(&app, org_id).await.map(Json)
}

/// Change an org.
///
/// Fields that are absent stay as they are. Its `id` and `key` never change.
#[utoipa::path(
    patch, path = "/internal/orgs/{org}", tag = "Orgs", params(OrgPath), request_body = ChangeOrg,
    responses(
        (status = 200, description = "The org as it is now.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn change_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, input)): Valid<(OrgPath, ChangeOrg)>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    change(&app, author, &path, input.changes()).await
}

/// Delete an org.
///
/// With everything it has but its audit log, for good.
#[utoipa::path(
    delete, path = "/internal/orgs/{org}", tag = "Orgs", params(OrgPath, Confirmation),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn delete_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, Confirmation { confirm })): Valid<(OrgPath, Confirmation)>,
) -> Result<StatusCode, ApiError> {
    let org_id = find(&app, &path).await?;
    let (org, _) = org::store::find(&app.db.pool, org_id).await?.ok_or(Code::NotFound)?;
    if confirm != org.key {
        let msg = "must be the org's key";
        return Err(ApiError::Invalid(vec![Problem::query("confirm", ProblemKind::ValueError, msg)]));
    }
    OrgChange::Delete.by(author.for_org(org_id), &app.clock).execute(&app.db).await?;
    app.identity.forget_org(org_id);
    Ok(StatusCode::NO_CONTENT)
}

/// Suspend an org.
///
/// Whatever it asks for is 403 within a second, until it is resumed. One that is suspended already stays so, since
/// when it was and for the reason it was.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/suspend", tag = "Orgs", params(OrgPath), request_body = Reasoned,
    responses(
        (status = 200, description = "It is suspended.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn suspend_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, Reasoned { reason })): Valid<(OrgPath, Reasoned)>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    change(&app, author, &path, vec![OrgChange::Suspend { reason }]).await
}

/// Resume an org.
///
/// It is served again within a second.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/resume", tag = "Orgs", params(OrgPath),
    responses(
        (status = 200, description = "It is served.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn resume_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid(path): Valid<OrgPath>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    change(&app, author, &path, vec![OrgChange::Resume]).await
}

/// Freeze an org's administration.
///
/// Its own changes of keys, secrets, public keys, queues and itself are 403 `administration_frozen`, while its traffic
/// goes on. One that is frozen already stays so, since when it was and for the reason it was.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/freeze", tag = "Orgs", params(OrgPath), request_body = Reasoned,
    responses(
        (status = 200, description = "It is frozen.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn freeze_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, Reasoned { reason })): Valid<(OrgPath, Reasoned)>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    change(&app, author, &path, vec![OrgChange::Freeze { reason }]).await
}

/// Thaw an org's administration.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/thaw", tag = "Orgs", params(OrgPath),
    responses(
        (status = 200, description = "It may be changed again.", body = Data<PlatformOrg>),
        (status = 404, description = "`not_found`: there is no such org."),
    ),
)]
async fn thaw_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid(path): Valid<OrgPath>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    // Who holds a platform token decides over every org, as a signature does over its own.
    change(&app, author, &path, vec![OrgChange::Thaw { is_signed: true }]).await
}

/// Recover an org from a thief.
///
/// In one transaction: every tenant key but `keep_key_id` ends, and so do previous signing secrets, rotations that wait,
/// and all tokens issued so far; queues are paused; administration is frozen; a new key is made. Traffic with a key that
/// is kept goes on. With `since`, public keys registered since are deleted and a signing secret made since is replaced.
/// Look at what is left, then thaw the org and resume its queues.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/recover", tag = "Orgs", params(OrgPath), request_body = RecoverOrg,
    responses(
        (status = 200, description = "It is its owner's again.", body = Data<RecoveredOrg>),
        (status = 404, description = "`not_found`: there is no such org, or it has no key `keep_key_id`."),
        (status = 409, description = "`key_not_live`, `key_already_rotated` or `rotation_pending`: `keep_key_id` is no current key."),
        (status = 403, description = "`key_leaked`: `keep_key_id` is known to others."),
    ),
)]
async fn recover_org(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, input)): Valid<(OrgPath, RecoverOrg)>,
) -> Result<Json<Data<RecoveredOrg>>, ApiError> {
    let org_id = find(&app, &path).await?;
    let data =
        recovery::recover(&Maker::of(&app), author.for_org(org_id), input, |_| Ok::<_, ApiError>(())).await?;
    app.identity.forget_org(org_id);
    let paused = data.ended.queues_paused.iter().cloned();
    let told = Stream::ALL.into_iter().map(StreamName::from);
    paused.chain(told).for_each(|stream| app.outbox.queue_changed(org_id, stream));
    Ok(Json(Data { data }))
}

/// Make a link to an org's portal.
///
/// For somebody of the org whom the platform has authenticated, or for its own support. The link opens once within 60
/// seconds, and then a session of 30 minutes.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/portal-sessions", tag = "Orgs", params(OrgPath),
    request_body = CreatePortalSession,
    responses(
        (status = 201, description = "The link.", body = Data<PortalLink>),
        (status = 404, description = "`not_found`: there is no such org."),
        (status = 429, description = "`rate_limited`: 200 links and sessions are open."),
    ),
)]
async fn create_org_portal_session(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, input)): Valid<(OrgPath, CreatePortalSession)>,
) -> Result<(StatusCode, Json<Data<PortalLink>>), ApiError> {
    app.require_live(Feature::Portal)?;
    let mandate = author.for_org(find(&app, &path).await?);
    let data = portal_sessions::make(&app, mandate, Voucher::PLATFORM, input).await?;
    Ok((StatusCode::CREATED, Json(Data { data })))
}

/// Import an org's keys.
///
/// Keys that its partner uses already go on working, known by the hashes that another system kept of them: all of them,
/// or none. Each is hashed as the service's own are once it was used, counts among the ten live keys, is rotated (to one
/// of the service's own), revoked and listed as they are, and ends when it is said to, or sooner. A form that allows less
/// than 128 bits of randomness is refused.
#[utoipa::path(
    post, path = "/internal/orgs/{org}/tenant-keys/import", tag = "Orgs", params(OrgPath), request_body = ImportKeys,
    responses(
        (status = 201, description = "The keys, as their org sees them.", body = Data<Vec<TenantKeyEntry>>),
        (status = 404, description = "`not_found`: there is no such org."),
        (status = 409, description = "`too_many_live_keys`: it would have more than 10."),
    ),
)]
async fn import_tenant_keys(
    State(app): State<App>,
    author: PlatformAuthor,
    Valid((path, input)): Valid<(OrgPath, ImportKeys)>,
) -> Result<(StatusCode, Json<Data<Vec<TenantKeyEntry>>>), ApiError> {
    let org_id = find(&app, &path).await?;
    let imported =
        key_import::import((&app.db, &app.clock, &app.keyring), author.for_org(org_id), input).await?;
    // Here at once where that is possible, elsewhere as soon as the announcement is heard.
    if let Err(error) = app.identity.key_patterns.refresh().await {
        tracing::warn!(%error, "the forms of imported keys cannot be read again yet");
    }
    let data = imported.into_iter().map(|key| TenantKeyEntry::of(key, None)).collect();
    app.outbox.wake(org_id, Stream::Credentials);
    Ok((StatusCode::CREATED, Json(Data { data })))
}

/// An org as `GET` shows it.
///
/// # Errors
/// 404 where there is none, or that the database cannot be asked.
pub async fn shown(app: &App, org_id: OrgId) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(reply::one(app, org_id).await?.data).map_err(ApiError::internal)
}

async fn change(
    app: &App,
    author: PlatformAuthor,
    path: &OrgPath,
    changes: Vec<OrgChange>,
) -> Result<Json<Data<PlatformOrg>>, ApiError> {
    let org_id = find(app, path).await?;
    org::change_all(app, author.for_org(org_id), changes).await?;
    reply::one(app, org_id).await.map(Json)
}

async fn find(app: &App, OrgPath { org }: &OrgPath) -> Result<OrgId, ApiError> {
    Ok(store::resolve(&app.db.pool, org).await?.ok_or(Code::NotFound)?)
}
