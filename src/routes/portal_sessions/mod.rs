//! Links to the portal (contract 17), and the sessions that they open. Whoever asks for one says who will sit there and
//! what they may do, and never gives away more than they have. The pages are in [`portal`](crate::portal).

pub mod input;
pub mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub use self::input::CreatePortalSession;
use self::store::{Link, NewSession, Opening, PortalSessions};
use crate::audit::Author;
use crate::changes::Mandate;
use crate::crypto::secret::{Secret, reveal};
use crate::crypto::session_token::PortalToken;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::new_row_id;
use crate::state::App;

/// How long a link may be opened.
const LINK_LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// How long a session lasts.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// How long one is remembered after its end.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(1);
/// Links and sessions of an org that live at the same time.
const MAX_OPEN: i64 = 200;
/// Seconds after which there is likely room again: links end by then.
const RETRY_AFTER: u32 = 60;

/// `/v1/admin/org/portal-sessions`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_portal_session))
}

/// A link to the portal. It is shown only here.
#[derive(Serialize, ToSchema)]
pub struct PortalLink {
    /// Send the person there: it opens once.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, format = Password, example = "https://api.example.com/portal/open/portal_...")]
    url: Secret<String>,
    /// Until when it may be opened.
    expires_at: DateTime<Utc>,
}

/// Make a link to the portal.
///
/// For the person whom you name and have authenticated. The link opens once within 60 seconds, and then a session of
/// 30 minutes, which ends sooner with the credential that this request is sent with. Nobody gives away a role that may do more than their
/// own key: `viewer` takes the reading scopes, `developer` also `queues:write`, `events:write` and `reports:write`,
/// `admin` also `tenant_keys:write`, `signing_secrets:write` and `public_keys:write`.
#[utoipa::path(
    post, path = "/v1/admin/org/portal-sessions", tag = "Portal", request_body = CreatePortalSession,
    extensions(("x-required-scope" = json!(KeyScope::OrgWrite))),
    responses(
        (status = 201, description = "The link.", body = Data<PortalLink>),
        (status = 403, description = "`forbidden`, or `insufficient_scope`: details name what the role takes; or \
                                      `key_superseded`: the key that authenticates is in its grace window."),
        (status = 429, description = "`rate_limited`: 200 links and sessions are open."),
    ),
)]
async fn create_portal_session(
    State(app): State<App>,
    partner: Partner,
    mandate: Mandate,
    Valid(input): Valid<CreatePortalSession>,
) -> Result<(StatusCode, Json<Data<PortalLink>>), ApiError> {
    let by = Voucher { public_key: partner.public_key(), is_signed: partner.signed_by.is_some() };
    Ok((StatusCode::CREATED, Json(Data { data: make(&app, mandate, by, input).await? })))
}

/// What is known of whoever vouches for a person, besides their mandate.
#[derive(Clone, Copy, Debug)]
pub struct Voucher {
    /// The public key that they came with, in place of a tenant key.
    pub public_key: Option<Uuid>,
    /// The request was signed, or is the platform's.
    pub is_signed: bool,
}

impl Voucher {
    /// The platform.
    pub const PLATFORM: Self = Self { public_key: None, is_signed: true };
}

/// Makes a link for whom the input names.
///
/// # Errors
/// 403 where the mandate does not suffice, 429 where too many are open.
pub async fn make(
    app: &App,
    mandate: Mandate,
    by: Voucher,
    input: CreatePortalSession,
) -> Result<PortalLink, ApiError> {
    let (token, link_expires_at) = (PortalToken::generate(), app.clock.now() + LINK_LIFETIME);
    let (key_id, role) = (mandate.caller, input.role);
    // A public key that signed beside a tenant key is not what the session lives by.
    let public_key_id = by.public_key.filter(|_| key_id.is_none());
    let new = NewSession {
        id: new_row_id(),
        link_digest: app.keyring.hash(&token).digest,
        link_expires_at,
        key_id,
        public_key_id,
        is_signed: by.is_signed,
        wanted: input,
    };
    let change = mandate.change(&app.clock, PortalSessions { new }, move |seen| {
        seen.org.caller.require_administrator()?;
        seen.org.caller.require_scopes(role.needs())?;
        if seen.open >= MAX_OPEN {
            return Err(ApiError::new(Code::RateLimited).retry_after(RETRY_AFTER));
        }
        Ok(Some(role.granted(seen.org.caller.scopes)))
    });
    change.execute(&app.db).await?;
    let base = app.config.public_url.trim_end_matches('/');
    let url = Secret::new(format!("{base}/portal/open/{}", token.expose()));
    Ok(PortalLink { url, expires_at: link_expires_at })
}

/// The link with this token, while it may be opened.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find_link(app: &App, token: &PortalToken) -> Result<Option<Link>, sqlx::Error> {
    store::find_link(&app.db.pool, &app.keyring.digests(token), app.clock.now()).await
}

/// Opens a link: gives the session's own token, which is new. `None` for a link that opens nothing.
///
/// # Errors
/// When the database cannot be asked.
pub async fn open(app: &App, author: Author, token: &PortalToken) -> Result<Option<PortalToken>, ApiError> {
    let Some(link) = find_link(app, token).await? else { return Ok(None) };
    let mandate = Mandate::of(link.org_id, author.visitor(link.id, link.actor_id.into()));
    let session = PortalToken::generate();
    let token_digest = app.keyring.hash(&session).digest;
    let opening = Opening { id: link.id, token_digest, expires_at: app.clock.now() + SESSION_LIFETIME };
    let rule = |seen: &store::SeenLink| Ok(seen.may_be_opened.then_some(()));
    let is_open = mandate.change(&app.clock, opening, rule).execute(&app.db).await?;
    Ok(is_open.then_some(session))
}
