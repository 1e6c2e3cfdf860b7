//! Tokens with which a partner's users call for themselves: `/v1/auth/token`, and the keys that
//! verify them (contract 10). The token itself is in [`crate::crypto::access_token`].

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::crypto::access_token::{Claims, MemberClaims};
use crate::crypto::jwk::JwkSet;
use crate::crypto::secret::{Secret, reveal};
use crate::error::{ApiError, Code};
use crate::http::input::{Body, Input, Reader, Valid};
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::identity::members::SCOPE;
use crate::identity::token_keys::TOKEN_LIFETIME;
use crate::ids::new_row_id;
use crate::routes::users::UserKey;
use crate::state::App;

/// Far less than the day by which a key is published ahead, so no cache misses one.
const JWKS_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `/v1/auth/token`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(issue_member_token))
}

/// `/.well-known/jwks.json`: always on, since tokens live on when the feature is switched off.
#[must_use]
pub fn keys() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_verification_keys))
}

/// Whom a token is for.
#[derive(ToSchema)]
pub struct IssueMemberToken {
    /// A user of yours.
    #[schema(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    pub user_id: Uuid,
}

impl Input for IssueMemberToken {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { user_id: request.body("user_id").required().uuid()? })
    }
}

/// A token. It is shown only here.
#[derive(Serialize, ToSchema)]
pub struct MemberToken {
    /// A JWT, signed with Ed25519.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, format = Password)]
    access_token: Secret<String>,
    /// How to send it: `Authorization: Bearer <access_token>`.
    #[schema(value_type = TokenType)]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 3_600)]
    expires_in: i64,
}

/// How a token is sent.
#[derive(ToSchema)]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
}

/// Issue a member token.
///
/// With it, the user can read, change and delete itself at `/v1/users/{user_id}` for an hour; it
/// ends at once with the user, and within a second with the tenant key that issued it (`key_id`) and
/// with the public key that signed the request for it, or got the partner token it came with (`key`).
/// Others can verify it with the keys at `/.well-known/jwks.json`, as RFC 9068 says: `client_id` is
/// your org's id, as `aud` is.
#[utoipa::path(
    post, path = "/v1/auth/token", tag = "Member tokens", request_body = IssueMemberToken,
    extensions(("x-required-scope" = json!(KeyScope::TokensWrite))),
    responses(
        (status = 200, description = "The token.", body = Data<MemberToken>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`user_not_found`: this org has no such user."),
    ),
)]
async fn issue_member_token(
    State(app): State<App>,
    partner: Partner,
    Valid(IssueMemberToken { user_id }): Valid<IssueMemberToken>,
) -> Result<Json<Data<MemberToken>>, ApiError> {
    partner.stage.require_unrotated()?;
    let key = UserKey { org_id: partner.org_id, user_id, created_at: None };
    let created_at = app.users.ask(key).await?.ok_or(Code::UserNotFound)?.created_at;
    let keys = app.identity.token_keys.current().await?;
    let now = app.clock.now();
    let claims = Claims::Member(MemberClaims {
        iss: app.config.public_url.clone(),
        aud: partner.org_id.0,
        sub: user_id,
        client_id: Some(partner.org_id.0),
        key_id: partner.key_id.map(|id| id.0),
        key: partner.public_key(),
        scope: SCOPE.to_owned(),
        iat: now.timestamp(),
        exp: now.timestamp() + TOKEN_LIFETIME,
        jti: new_row_id(),
        user_created_at: created_at.timestamp_micros(),
    });
    let access_token = Secret::new(keys.signing(now)?.sign(&claims));
    app.metrics.identity.tokens_issued.inc();
    if let Some(key_id) = partner.key_id {
        app.identity.keys.usage.of(partner.org_id, key_id).issued();
    }
    let data = MemberToken { access_token, token_type: "Bearer", expires_in: TOKEN_LIFETIME };
    Ok(Json(Data { data }))
}

/// List the keys that verify tokens.
///
/// A JWK set. A key is here a day before it signs, and until its last token has ended.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Member tokens",
    responses((status = 200, description = "The keys.", body = JwkSet)),
)]
async fn list_verification_keys(State(app): State<App>, Valid(()): Valid<()>) -> Result<Response, ApiError> {
    let keys = app.identity.token_keys.current().await?;
    let headers =
        [(CACHE_CONTROL, JWKS_CACHING), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, keys.jwks.clone()).into_response())
}
