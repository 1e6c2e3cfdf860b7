//! Signed requests (contract 12.1, RFC 9421): whose key signed this head, and that it did. The body and the nonce
//! are settled at the gate, once it is known how much of a body may be read.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};
use message_signatures::{Base, Problem, RequestHead, Signed};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::Identity;
use super::host;
use super::nonces::Nonce;
use super::orgs::{OrgRecord, OrgStanding};
use crate::error::{ApiError, Code};
use crate::ids::{OrgId, parse_uuid};

// Looked for in every request: given as text, each would be read as a name first.
static SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
static SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// Asks for a signed response (RFC 9421 5).
pub static ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");

/// Who signed a request.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The tenant.
    pub org_id: OrgId,
    /// The public key that verifies the signature.
    pub unique_id: Uuid,
    /// What must not pass a second time; a request that changes nothing may have none.
    pub nonce: Option<Nonce>,
}

/// Where requests are sent to, as their signatures name it: `PUBLIC_URL`, or `Host` where that is not set.
#[derive(Clone, Debug)]
pub struct SignedBase(Option<Public>);

#[derive(Clone, Debug)]
struct Public {
    scheme: String,
    authority: String,
    /// What stands before the service's own paths; mostly nothing.
    path: String,
}

impl SignedBase {
    /// Reads `PUBLIC_URL`, which was checked with the configuration.
    #[must_use]
    pub fn of(public_url: Option<&str>) -> Self {
        let url: Option<Url> = public_url.and_then(|url| url.parse().ok());
        Self(url.and_then(|url| {
            let host = url.host_str()?;
            let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let path = url.path().trim_end_matches('/').to_owned();
            Some(Public { scheme: url.scheme().to_owned(), authority, path })
        }))
    }

    /// Whether it is the `Host` of each request.
    #[must_use]
    pub fn follows_host(&self) -> bool {
        self.0.is_none()
    }

    /// The head as its signer saw it.
    ///
    /// # Errors
    /// What `judge` returns; [`Problem`] only comes from there.
    fn head<T>(
        &self,
        method: &str,
        target: &str,
        headers: &HeaderMap,
        has_body: bool,
        judge: impl FnOnce(&RequestHead<'_>) -> T,
    ) -> T {
        match &self.0 {
            Some(Public { scheme, authority, path }) => {
                let base = Base { scheme, authority };
                let whole;
                let target = if path.is_empty() {
                    target
                } else {
                    whole = format!("{path}{target}");
                    &whole
                };
                judge(&RequestHead { method, target, headers, base, has_body })
            }
            None => {
                let authority = host::text(headers).unwrap_or_default();
                judge(&RequestHead {
                    method,
                    target,
                    headers,
                    base: Base { scheme: "http", authority },
                    has_body,
                })
            }
        }
    }

    /// Whether an absolute URI is one of the service's, and if so its path and query.
    #[must_use]
    pub fn target_of<'u>(&self, uri: &'u str) -> Option<&'u str> {
        let (scheme, rest) = uri.split_once("://")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        match &self.0 {
            Some(public) => {
                let own = Base { scheme: &public.scheme, authority: &public.authority };
                let named = Base { scheme: &public.scheme, authority };
                let is_own = scheme.eq_ignore_ascii_case(&public.scheme)
                    && own.normal_authority() == named.normal_authority();
                target.strip_prefix(public.path.as_str()).filter(|_| is_own)
            }
            None => scheme.eq_ignore_ascii_case("http").then_some(target),
        }
    }

    /// Reads the signature of a request.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn signed(
        &self,
        method: &str,
        target: &str,
        headers: &HeaderMap,
        has_body: bool,
    ) -> Result<Option<Signed>, Problem> {
        self.head(method, target, headers, has_body, Signed::parse)
    }
}

impl Identity {
    /// The signature of a request, if it carries one. Nothing of it is verified yet.
    ///
    /// # Errors
    /// 401 where it is not well-formed.
    pub fn signature(&self, request: &Parts, has_body: bool) -> Result<Option<Signed>, ApiError> {
        if !is_signed(&request.headers) {
            return Ok(None);
        }
        self.head_of(request, has_body, Signed::parse).map_err(refused)
    }

    /// Shows the head of a request as its sender saw it.
    pub fn head_of<T>(&self, request: &Parts, has_body: bool, look: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let target = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let base = &self.settings.signed_base;
        base.head(request.method.as_str(), target, &request.headers, has_body, look)
    }

    /// Who signed a request: the holder of a key of this org, or of any; and the org.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the signature or its key, 403 for a suspended org; 503 when neither memory
    /// nor the database knows.
    pub(super) async fn signer(
        &self,
        signed: &Signed,
        org_id: Option<OrgId>,
    ) -> Result<(Signer, Arc<OrgRecord>), ApiError> {
        let now = self.clock.now();
        signed.check_time(now.timestamp()).map_err(refused)?;
        signed.check_coverage().map_err(refused)?;
        let unique_id = parse_uuid(signed.keyid()).ok_or(Code::Unauthorized)?;
        let org_id = match org_id {
            Some(org_id) => org_id,
            None => self.org_of(unique_id).await?.ok_or(Code::Unauthorized)?,
        };
        let org = self.orgs.find(&self.db, org_id).await?.ok_or(Code::Unauthorized)?;
        let key = org.authentication_key(unique_id, now).ok_or(Code::Unauthorized)?;
        signed.verify(&key.key).map_err(refused)?;
        if org.standing == OrgStanding::Suspended {
            return Err(Code::Forbidden.into());
        }
        let nonce = signed.nonce().map(|nonce| Nonce {
            org_id,
            unique_id,
            digest: Sha256::digest(nonce).into(),
            // It passes in its last second as well.
            expires_at: DateTime::from_timestamp(signed.usable_until() + 1, 0)
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
        });
        Ok((Signer { org_id, unique_id, nonce }, org))
    }

    /// The org's record, for its policy.
    ///
    /// # Errors
    /// When neither memory nor the database knows.
    pub async fn org(&self, org_id: OrgId) -> Result<Option<Arc<OrgRecord>>, ApiError> {
        Ok(self.orgs.find(&self.db, org_id).await?)
    }
}

/// Whether a request carries a signature, good or bad.
#[must_use]
pub fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(&SIGNATURE_INPUT) || headers.contains_key(&SIGNATURE)
}

/// One body for every signature that is not good; the log of the request has the code, `signature/check` the reason.
fn refused(_: Problem) -> ApiError {
    Code::Unauthorized.into()
}
