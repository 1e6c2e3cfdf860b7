//! `/.well-known/oauth-authorization-server`: where tokens are had and how, for clients that find it out by themselves
//! (RFC 8414).

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use client_assertion::Algorithm;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::input::GRANT_TYPE;
use crate::error::shape::TOKEN_PATH;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::http::input::Valid;
use crate::identity::key_scopes::KeyScope;
use crate::identity::oauth::SCOPE;
use crate::state::App;

/// Where it stands.
pub const PATH: &str = "/.well-known/oauth-authorization-server";
/// It changes with the configuration only.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// The service as an authorization server.
#[derive(Serialize, ToSchema)]
pub struct AuthorizationServer {
    /// `iss` of every token.
    #[schema(example = "https://api.example.com")]
    issuer: String,
    /// Where tokens are had.
    #[schema(example = "https://api.example.com/v1/oauth/token")]
    token_endpoint: String,
    /// The keys that verify tokens.
    #[schema(example = "https://api.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    /// Where people read on.
    #[schema(example = "https://api.example.com/docs")]
    service_documentation: String,
    /// What can be asked for.
    #[schema(value_type = Vec<String>, example = json!(["partner", "users:read", "users:write"]))]
    scopes_supported: Vec<&'static str>,
    /// The grants.
    #[schema(example = json!(["client_credentials"]))]
    grant_types_supported: [&'static str; 1],
    /// None: nobody is sent here with a browser.
    #[schema(value_type = Vec<String>, max_items = 0, example = json!([]))]
    response_types_supported: [&'static str; 0],
    /// How clients authenticate.
    #[schema(example = json!(["private_key_jwt"]))]
    token_endpoint_auth_methods_supported: [&'static str; 1],
    /// How their assertions are signed.
    #[schema(example = json!(["RS384", "PS256", "PS384", "PS512"]))]
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
}

impl AuthorizationServer {
    /// As it is reached at `public_url`.
    fn at(public_url: &str) -> Self {
        let at = |path: &str| format!("{}{path}", public_url.trim_end_matches('/'));
        Self {
            issuer: public_url.to_owned(),
            token_endpoint: at(TOKEN_PATH),
            jwks_uri: at("/.well-known/jwks.json"),
            service_documentation: at("/docs"),
            scopes_supported: [SCOPE]
                .into_iter()
                .chain(KeyScope::ALL.iter().map(|scope| scope.name()))
                .collect(),
            grant_types_supported: [GRANT_TYPE],
            response_types_supported: [],
            token_endpoint_auth_methods_supported: ["private_key_jwt"],
            token_endpoint_auth_signing_alg_values_supported: Algorithm::ALL.map(Algorithm::name),
        }
    }
}

/// Show where tokens are had.
///
/// The metadata of the authorization server (RFC 8414). OAuth clients read it by themselves, given `issuer`.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "OAuth",
    responses((status = 200, description = "The metadata.", body = AuthorizationServer)),
)]
pub async fn get_authorization_server(
    State(app): State<App>,
    Valid(()): Valid<()>,
) -> Result<Response, ApiError> {
    app.require_live(Feature::OauthTokens)?;
    let metadata = AuthorizationServer::at(&app.config.public_url);
    let json = serde_json::to_vec(&metadata).map_err(ApiError::internal)?;
    let headers = [(CACHE_CONTROL, CACHING), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((StatusCode::OK, headers, json).into_response())
}

/// The same where `PUBLIC_URL` has a path: RFC 8414 3.1 puts it behind the well-known one.
pub async fn get_by_issuers_path(
    State(app): State<App>,
    uri: Uri,
    query: Valid<()>,
) -> Result<Response, ApiError> {
    let asked = uri.path().strip_prefix(PATH).unwrap_or_default();
    if is_path_of(&app.config.public_url, asked) {
        get_authorization_server(State(app), query).await
    } else {
        Err(Code::NotFound.into())
    }
}

fn is_path_of(public_url: &str, asked: &str) -> bool {
    let own: Option<Url> = public_url.parse().ok();
    let own = own.as_ref().map(|url| url.path().trim_end_matches('/'));
    own.is_some_and(|own| !own.is_empty() && own == asked.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_below_the_public_url_whatever_its_path() {
        for (public_url, token_endpoint) in [
            ("https://api.example.com", "https://api.example.com/v1/oauth/token"),
            ("https://api.example.com/", "https://api.example.com/v1/oauth/token"),
            ("https://example.com/partners", "https://example.com/partners/v1/oauth/token"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/oauth/token"),
        ] {
            let server = AuthorizationServer::at(public_url);
            assert_eq!(
                (server.issuer.as_str(), server.token_endpoint.as_str()),
                (public_url, token_endpoint)
            );
        }
    }

    #[test]
    fn only_the_issuers_own_path_leads_to_it() {
        assert!(is_path_of("https://example.com/partners/v2/", "/partners/v2"));
        for other in ["/partners", "/partners/v2/x", "/", "/PARTNERS/v2"] {
            assert!(!is_path_of("https://example.com/partners/v2", other), "{other}");
        }
        assert!(!is_path_of("https://example.com", "/") && !is_path_of("https://example.com/", "/x"));
    }
}
