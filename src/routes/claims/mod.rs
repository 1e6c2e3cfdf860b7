//! Claims (contract 15 and 17): a link that hands an org its credentials once. They are made when it is opened, so that
//! none lie anywhere before; whoever comes second learns that somebody was there, and so does the org.

pub mod store;

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::store::{Reopening, StoredClaim};
use crate::audit::Author;
use crate::changes::{Mandate, RequestAuthor};
use crate::crypto::platform_token::ClaimToken;
use crate::crypto::secret::{Secret, reveal, reveal_some};
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::http::input::{Body, Input, Reader, Valid};
use crate::http::paging::Data;
use crate::ids::{KeyId, OrgId, new_row_id};
use crate::routes::org;
use crate::routes::org::credentials::{Credentials, Maker};
use crate::state::App;

/// How long a claim may be opened.
const LIFETIME: TimeDelta = TimeDelta::hours(72);
/// How long one is remembered after that, to be told from one that never was.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(90);

/// `/v1/claims`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(open_claim))
}

/// Makes a claim to an org's credentials within a transaction; gives its link.
///
/// # Errors
/// When the database cannot be asked.
pub async fn make(
    tx: &mut PgConnection,
    maker: &Maker,
    mandate: &Mandate,
) -> Result<Secret<String>, ApiError> {
    let (token, now) = (ClaimToken::generate(), maker.clock.now());
    let digest = maker.keyring.hash(&token).digest;
    store::insert(tx, mandate.org_id, (new_row_id(), &digest), (now, now + LIFETIME)).await?;
    let base = maker.public_url.trim_end_matches('/');
    Ok(Secret::new(format!("{base}/v1/claims/{}", token.expose())))
}

/// A claim in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
struct ClaimPath {
    /// The end of the link.
    #[param(value_type = String)]
    token: Option<ClaimToken>,
}

impl Input for ClaimPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { token: request.path("token").decoded(|token| Ok(ClaimToken::parse(token)))? })
    }
}

/// An org's credentials. They are shown only here.
#[derive(Serialize, ToSchema)]
pub struct ClaimedOrg {
    /// The org's id.
    #[schema(value_type = uuid::Uuid)]
    org_id: OrgId,
    /// The org's public name.
    #[schema(example = "acme")]
    key: String,
    /// The org's name for people.
    #[schema(example = "Acme")]
    name: String,
    /// The API key's id.
    #[schema(value_type = uuid::Uuid)]
    key_id: KeyId,
    /// The API key.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, format = Password)]
    tenant_api_key: Secret<String>,
    /// The signing secret, where the org had none.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    signing_secret: Option<Secret<String>>,
}

/// Open a claim.
///
/// The link that the platform sent makes the org's credentials, and shows them to whoever opens it first. A second try
/// is refused, and the org hears of it (`claim.reopened`): if you are second without having been first, call your
/// contact.
#[utoipa::path(
    post, path = "/v1/claims/{token}", tag = "Org", params(ClaimPath),
    responses(
        (status = 200, description = "The credentials.", body = Data<ClaimedOrg>),
        (status = 403, description = "`forbidden`: the org is suspended."),
        (status = 404, description = "`not_found`: there is no such claim."),
        (status = 410, description = "`claim_gone`: it was opened already, or its 72 hours are over."),
    ),
)]
async fn open_claim(
    State(app): State<App>,
    RequestAuthor(author): RequestAuthor,
    Valid(ClaimPath { token }): Valid<ClaimPath>,
) -> Result<Json<Data<ClaimedOrg>>, ApiError> {
    let token = token.ok_or(Code::NotFound)?;
    let digests = app.keyring.digests(&token);
    let (maker, opener) = (Maker::of(&app), author.clone());
    let opened = app.db.transaction(async move |mut tx| {
        let now = maker.clock.now();
        let (claim, expires_at) = store::lock(&mut *tx, &digests).await?.ok_or(Code::NotFound)?;
        if claim.opened_at.is_some() {
            return Ok::<_, ApiError>(Err(claim));
        }
        if expires_at <= now {
            return Err(Code::ClaimGone.into());
        }
        let mandate = Mandate::of(claim.org_id, opener.claimant(claim.id));
        let credentials = maker.provide(&mut tx, &mandate, "claimed").await?;
        let (org, _) = org::store::find(&mut *tx, claim.org_id).await?.ok_or(Code::NotFound)?;
        if org.suspended_at.is_some() {
            return Err(Code::Forbidden.into());
        }
        store::open(&mut *tx, claim, now).await?;
        tx.commit().await?;
        Ok(Ok((org, credentials)))
    });
    match opened.await? {
        Ok((org, credentials)) => {
            app.outbox.wake(org.id, Stream::Credentials);
            Ok(Json(Data { data: ClaimedOrg::of(org, credentials) }))
        }
        Err(claim) => Err(again(&app, author, claim).await?),
    }
}

impl ClaimedOrg {
    fn of(org: org::store::Org, credentials: Credentials) -> Self {
        let Credentials { key_id, tenant_api_key, signing_secret } = credentials;
        let tenant_api_key = tenant_api_key.into_secret();
        Self { org_id: org.id, key: org.key, name: org.name, key_id, tenant_api_key, signing_secret }
    }
}

/// The answer to a second try, which the org hears of once.
async fn again(app: &App, author: Author, claim: StoredClaim) -> Result<ApiError, ApiError> {
    let opened_at = claim.opened_at.ok_or(Code::ClaimGone)?;
    let mandate = Mandate::of(claim.org_id, author.claimant(claim.id));
    let tell = |told: &store::Told| Ok((!told.is_told).then_some(()));
    mandate.change(&app.clock, Reopening { claim, opened_at }, tell).execute(&app.db).await?;
    app.outbox.wake(claim.org_id, Stream::Credentials);
    Ok(Code::ClaimGone.into())
}
