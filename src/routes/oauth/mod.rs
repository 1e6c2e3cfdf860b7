//! Tokens for a partner's backends that hold a registered key: `/v1/oauth/token` (contract 16, RFC 6749 4.4, RFC 7523),
//! and what clients find out by themselves. Who calls is in the body, so no gate stands before these routes; the token
//! itself is in [`crate::crypto::access_token`].

pub mod input;
mod server;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{HeaderValue, PRAGMA};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::{TokenForm, TokenRequest};
use crate::crypto::access_token::Claims;
use crate::crypto::secret::{Secret, reveal};
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::identity::Caller;
use crate::identity::key_scopes::KeyScopes;
use crate::identity::oauth::{OauthClient, TOKEN_LIFETIME, scope_of};
use crate::limits::{Limit, shares};
use crate::state::App;

/// `/v1/oauth/token` and `/.well-known/oauth-authorization-server`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(issue_partner_token))
        .routes(routes!(server::get_authorization_server))
        .route(&format!("{}/{{*path}}", server::PATH), get(server::get_by_issuers_path))
}

/// A token, as RFC 6749 5.1 shows it. It is shown only here.
#[derive(Serialize, ToSchema)]
pub struct PartnerToken {
    /// A JWT, signed with Ed25519.
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, format = Password)]
    access_token: Secret<String>,
    /// How to send it: `Authorization: Bearer <access_token>`.
    #[schema(value_type = super::member_tokens::TokenType)]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: i64,
    /// What it is good for, by spaces.
    #[schema(value_type = String, example = "partner users:read users:write")]
    scope: Cow<'static, str>,
}

/// Get a partner token.
///
/// OAuth 2.0 client credentials with `private_key_jwt` (RFC 6749 4.4, RFC 7523). The token stands for a tenant key on
/// every route, for 15 minutes; it ends within a second with the public key that signed the assertion. Errors are
/// those of RFC 6749 5.2.
#[utoipa::path(
    post, path = "/v1/oauth/token", tag = "OAuth",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded", description = "At most 16 KiB."),
    responses(
        (status = 200, description = "The token.", body = PartnerToken),
        (status = 400, description = "`invalid_request`: no such form. `unsupported_grant_type`. `invalid_scope`. `unauthorized_client`: the org is suspended."),
        (status = 401, description = "`invalid_client`: the client does not authenticate, or not well; one answer to whatever is wrong with its assertion."),
        (status = 413, description = "`invalid_request`: the body is over 16 KiB."),
        (status = 429, description = "`temporarily_unavailable`: too many requests of yours are being answered already."),
        (status = 500, description = "`server_error`: something went wrong on our side."),
        (status = 503, description = "`temporarily_unavailable`: overloaded, a dependency is away, or the feature is not live."),
    ),
)]
async fn issue_partner_token(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    app.require_live(Feature::OauthTokens)?;
    let (asked, headers) = TokenRequest::read(request).await?;
    let client = app.identity.oauth_client(&asked.assertion, asked.client_id.as_deref(), &headers).await?;
    let scopes = asked.scopes()?;
    // Only now: whoever names an org takes nothing from its share.
    let share = app.limits.shares(Limit::Public).try_take(client.org_id).ok_or_else(|| {
        app.metrics.http.over_share(Limit::Public);
        Code::RateLimited
    })?;
    let issued = shares::serving(client.org_id, issue(&app, client, scopes)).await;
    let mut response = issued.map(|token| ([(PRAGMA, NO_CACHE)], Json(token))).into_response();
    response.extensions_mut().insert(Arc::new(share));
    // For the access line.
    response.extensions_mut().insert(Caller::Partner(client.partner(scopes)));
    Ok(response)
}

/// RFC 6749 5.1 wants it beside `Cache-Control`, for caches of HTTP/1.0.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

async fn issue(app: &App, client: OauthClient, scopes: KeyScopes) -> Result<PartnerToken, ApiError> {
    let keys = app.identity.token_keys.current().await?;
    let now = app.clock.now();
    let key = keys.signing(now)?;
    // Last of what can fail: whoever hears 503 may send the same assertion again.
    if !app.nonces.ask(client.assertion).await? {
        return Err(Code::InvalidClient.into());
    }
    let scope = scope_of(scopes);
    let claims = app.identity.partner_claims(&client, &scope, now.timestamp());
    let access_token = Secret::new(key.sign(&Claims::Partner(claims)));
    app.metrics.identity.partner_tokens_issued.inc();
    Ok(PartnerToken { access_token, token_type: "Bearer", expires_in: TOKEN_LIFETIME, scope })
}
