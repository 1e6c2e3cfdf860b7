//! The gateway's question: whose key is this (contract 8)? One answer serves a Kong plugin, nginx
//! `auth_request`, Caddy `forward_auth`, Traefik ForwardAuth and Envoy ext_authz.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue};
use axum::http::{HeaderMap, Response};
use axum::routing::any;
use chrono::{DateTime, Utc};

use crate::error::{ApiError, Code};
use crate::http::ratelimit::{self, RATELIMIT_POLICY};
use crate::identity::key_scopes::KeyScopes;
use crate::identity::keys::{KeyRecord, Verdict};
use crate::identity::orgs::OrgRecord;
use crate::identity::{KEY_ID, KEY_SCOPES, ORG_ID};
use crate::state::App;

/// Of an answer, at most, the edge's among them.
const HEADERS: usize = 7;

/// The path of the question, as all gateways ask it but Envoy.
pub const QUESTION: &str = "/internal/auth/verify";

/// The question, and everything below it: Envoy appends the client's path, whatever its
/// spelling. The wildcard alone would miss the trailing slash.
pub fn routes() -> Router<App> {
    Router::new()
        .route(QUESTION, any(verify))
        .route("/internal/auth/verify/", any(verify))
        .route("/internal/auth/verify/{*path}", any(verify))
}

/// Everything but the key is the client's, and ignored. So is the client's address: a gateway remembers the answer by
/// the key, and would refuse all who have it from everywhere. Networks are judged where the request arrives.
async fn verify(State(app): State<App>, request: Request) -> Result<Response<Body>, ApiError> {
    let key = app.identity.sent_key(&request.into_parts().0.headers).await?;
    match app.identity.verify(&key).await.map_err(ApiError::unavailable)? {
        Verdict::Live(record, org) => Ok(allow(&app, &record, &org, app.clock.now())),
        Verdict::Suspended(_) => Err(Code::Forbidden.into()),
        Verdict::Dead => Err(Code::Unauthorized.into()),
    }
}

/// A live key, as memory has it.
pub struct Recalled {
    key: Arc<KeyRecord>,
    org: Arc<OrgRecord>,
    now: DateTime<Utc>,
}

impl Recalled {
    /// What memory alone knows of the key that was sent, if that is that it is alive.
    #[must_use]
    pub fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let now = app.clock.now();
        let (key, org) = app.identity.recall(headers, now)?;
        Some(Self { key, org, now })
    }

    /// The answer to the question, which is a use of the key.
    #[must_use]
    pub fn answer(&self, app: &App) -> Response<Body> {
        app.identity.keys.opened(&self.key, self.now);
        allow(app, &self.key, &self.org, self.now)
    }
}

fn allow(app: &App, record: &KeyRecord, org: &OrgRecord, now: DateTime<Utc>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(ORG_ID, uuid_header(record.org_id.0));
    headers.insert(KEY_ID, uuid_header(record.key_id.0));
    headers.insert(KEY_SCOPES, scopes_header(record.rights.granted()));
    headers.insert(CACHE_CONTROL, cacheable(record.expires_at, now, app.config.gateway_cache_seconds));
    if let Some(limit) = org.rate.or(app.config.rate_limit) {
        headers.insert(RATELIMIT_POLICY, ratelimit::policy(limit));
    }
    response
}

/// For no longer than the key lives.
fn cacheable(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>, at_most: u32) -> HeaderValue {
    let left = expires_at.map_or(i64::MAX, |end| (end - now).num_seconds());
    let seconds = i64::from(at_most).min(left);
    if seconds <= 0 {
        return HeaderValue::from_static("no-store");
    }
    let value = ["private, max-age=", itoa::Buffer::new().format(seconds)].concat();
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("no-store"))
}

/// By spaces: gateways in front of other services hold the key to them.
fn scopes_header(scopes: KeyScopes) -> HeaderValue {
    match scopes.joined() {
        Cow::Borrowed(all) => HeaderValue::from_static(all),
        Cow::Owned(names) => HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static("")),
    }
}

fn uuid_header(id: uuid::Uuid) -> HeaderValue {
    let mut buffer = uuid::Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer)).unwrap_or(HeaderValue::from_static(""))
}
