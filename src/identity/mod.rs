//! Who is calling (contract 0, step 4). The order of the checks is the order of the code.

mod gateway;
pub mod orgs;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

pub use self::gateway::GatewaySecrets;
use self::gateway::only;
use self::orgs::Standing;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, OrgId, parse_uuid};
use crate::state::App;

/// The tenant's API key.
pub const TENANT_KEY: HeaderName = HeaderName::from_static("taih-tenant-key");
/// The org, as the gateway found it.
pub const ORG_ID: HeaderName = HeaderName::from_static("orgid");
/// The proof that the gateway sent the request.
pub const GATEWAY_AUTH: HeaderName = HeaderName::from_static("x-gateway-auth");

/// A partner's backend. As a handler's argument it is the proof that the gate was passed: a
/// route mounted outside the gate fails on its first request.
#[derive(Clone, Copy, Debug)]
pub struct Partner {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that authenticated, where one is known.
    pub key_id: Option<KeyId>,
}

/// Finds out who is calling.
///
/// # Errors
/// 400, 401 or 403 as contract 0 orders them; 503 when the org cannot be looked up.
pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Partner, ApiError> {
    let has_key = headers.contains_key(TENANT_KEY);
    let has_org = headers.contains_key(ORG_ID);
    let has_bearer = headers.get_all(header::AUTHORIZATION).iter().any(|value| is_bearer(value.as_bytes()));
    match (has_bearer, has_key, has_org) {
        (true, true, _) | (true, _, true) => Err(Code::ConflictingCredentials.into()),
        (false, false, true) => by_org_id(app, headers).await,
        // Keys and member tokens are not issued yet, so none can be good.
        (_, true, _) | (true, ..) | (false, false, false) => Err(Code::Unauthorized.into()),
    }
}

async fn by_org_id(app: &App, headers: &HeaderMap) -> Result<Partner, ApiError> {
    app.config.gateway_secrets.check(headers)?;
    let org_id = only(headers, &ORG_ID)
        .and_then(|value| parse_uuid(value.to_str().ok()?))
        .map(OrgId)
        .ok_or_else(|| ApiError::with_message(Code::InvalidRequest, "OrgId must be sent once, as a UUID."))?;
    match app.orgs.standing(&app.db, org_id).await? {
        Some(Standing::Active) => Ok(Partner { org_id, key_id: None }),
        Some(Standing::Suspended) | None => Err(Code::Forbidden.into()),
    }
}

/// The scheme is case-insensitive (RFC 9110 11.1).
fn is_bearer(authorization: &[u8]) -> bool {
    let scheme = authorization.split(|b| *b == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer")
}

impl<S: Sync> FromRequestParts<S> for Partner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get()
            .copied()
            .ok_or_else(|| ApiError::internal("a partner route is mounted outside the gate"))
    }
}
