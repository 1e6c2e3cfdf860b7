//! OAuth clients (contract 16): a partner's backend that proves with an assertion, signed by a registered key, who it
//! is (RFC 7523), and that calls with the token it got for it.

use std::borrow::Cow;

use axum::http::HeaderMap;
use chrono::DateTime;
use client_assertion::{Assertion, Expected};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::bearers::is_alive;
use super::host;
use super::key_scopes::{KeyScope, KeyScopes};
use super::nonces::Nonce;
use super::orgs::OrgStanding;
use super::stage::KeyStage;
use super::{Found, Identity, Partner};
use crate::crypto::access_token::PartnerClaims;
use crate::error::shape::TOKEN_PATH;
use crate::error::{ApiError, Code};
use crate::ids::{OrgId, new_row_id, parse_uuid};

/// The scope of a partner: alone, all that a tenant key may do; with scopes beside it, what they allow.
pub const SCOPE: &str = "partner";
/// The lifetime of a partner's token, in seconds.
pub const TOKEN_LIFETIME: i64 = 900;
/// Assertions are remembered for so much longer than they are good, in seconds: replicas' clocks differ by less
/// before they stop being ready.
const CLOCK_MARGIN: i64 = 10;

/// A client that has proved who it is, but for its assertion not having been used before.
#[derive(Clone, Copy, Debug)]
pub struct OauthClient {
    /// The tenant.
    pub org_id: OrgId,
    /// The public key that verified the assertion.
    pub unique_id: Uuid,
    /// What must not pass a second time.
    pub assertion: Nonce,
}

impl OauthClient {
    /// The caller that it is, as the log of requests shows it.
    #[must_use]
    pub fn partner(self, scopes: KeyScopes) -> Partner {
        Partner {
            org_id: self.org_id,
            key_id: None,
            stage: KeyStage::Current,
            scopes,
            signed_by: None,
            token_key: Some(self.unique_id),
        }
    }
}

impl Identity {
    /// Finds out which client an assertion is of. `client_id` is what the request says beside it, if anything.
    ///
    /// # Errors
    /// 401 `invalid_client` for whatever is wrong with the assertion or its key, 400 `unauthorized_client` for a
    /// suspended org; 503 when neither memory nor the database knows.
    pub async fn oauth_client(
        &self,
        assertion: &str,
        client_id: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<OauthClient, ApiError> {
        let now = self.clock.now();
        let assertion = Assertion::parse(assertion).map_err(refused)?;
        let unique_id = parse_uuid(assertion.kid()).ok_or(Code::InvalidClient)?;
        let org_id = self.org_of(unique_id).await?.ok_or(Code::InvalidClient)?;
        let org = self.orgs.find(&self.db, org_id).await?.ok_or(Code::InvalidClient)?;
        let key = org.authentication_key(unique_id, now).ok_or(Code::InvalidClient)?;
        let clients: Vec<_> = key.related_client_id.iter().chain([&org.key]).map(String::as_str).collect();
        let audiences = self.audiences(headers);
        let audiences: Vec<_> = audiences.iter().map(String::as_str).collect();
        let expected = Expected { clients: &clients, audiences: &audiences, now: now.timestamp() };
        let verified = assertion.verify(key.key.der(), &expected).map_err(refused)?;
        if client_id.is_some_and(|client_id| client_id != verified.client) {
            return Err(Code::InvalidClient.into());
        }
        if org.standing == OrgStanding::Suspended {
            return Err(Code::UnauthorizedClient.into());
        }
        let expires_at = DateTime::from_timestamp(verified.expires_at.saturating_add(CLOCK_MARGIN), 0);
        let assertion = Nonce {
            org_id,
            unique_id,
            digest: digest(&verified.id),
            expires_at: expires_at.ok_or(Code::InvalidClient)?,
        };
        Ok(OauthClient { org_id, unique_id, assertion })
    }

    /// The names of this server in an assertion: its base URL, with a slash at the end or without, and the URL of the
    /// token endpoint. Where `PUBLIC_URL` is not set, `http` and the `Host` of the request are a base as well, as they
    /// are for signatures.
    fn audiences(&self, headers: &HeaderMap) -> Vec<String> {
        let of_host = self.settings.signed_base.follows_host().then(|| host::text(headers)).flatten();
        let of_host = of_host.map(|host| format!("http://{host}"));
        let names = |base: &str| {
            let base = base.trim_end_matches('/');
            [base.to_owned(), format!("{base}/"), format!("{base}{TOKEN_PATH}")]
        };
        [Some(&self.settings.public_url), of_host.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|b| names(b))
            .collect()
    }

    /// The claims of a token for a client, good for `scope`, from `now` on, in seconds of Unix time.
    #[must_use]
    pub fn partner_claims(&self, client: &OauthClient, scope: &str, now: i64) -> PartnerClaims {
        let OauthClient { org_id: OrgId(org_id), unique_id, .. } = *client;
        PartnerClaims {
            iss: self.settings.public_url.clone(),
            aud: self.settings.public_url.clone(),
            sub: org_id,
            client_id: org_id,
            org_id,
            key: unique_id,
            scope: scope.to_owned(),
            iat: now,
            exp: now + TOKEN_LIFETIME,
            jti: new_row_id(),
        }
    }

    /// The partner that a token of ours is for. Our signature alone is not enough: the key that proved who asked for
    /// it must still live, and the org be served.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token, 403 for a suspended org; 503 when neither memory nor the database
    /// knows.
    pub(super) async fn partner_of(&self, claims: &PartnerClaims) -> Result<Found<Partner>, ApiError> {
        let now = self.clock.now();
        if !is_good(claims, &self.settings.public_url, now.timestamp()) {
            return Err(Code::Unauthorized.into());
        }
        let (org_id, token_key) = (OrgId(claims.org_id), Some(claims.key));
        let org = self.org_behind(org_id, token_key, claims.iat, now).await?;
        let (stage, scopes) = (KeyStage::Current, granted(&claims.scope));
        let caller = Partner { org_id, key_id: None, stage, scopes, signed_by: None, token_key };
        Ok(Found { caller, org, key: None })
    }
}

/// Reads the scopes that a client asks for, by single spaces (RFC 6749 3.3); `partner` and nothing are all there is.
///
/// # Errors
/// `invalid_scope` for any that there is not.
pub fn asked(scope: Option<&str>) -> Result<KeyScopes, ApiError> {
    let scope = scope.unwrap_or(SCOPE);
    let is_known = |name: &str| name == SCOPE || KeyScope::parse(name).is_some();
    if scope.split(' ').all(is_known) { Ok(granted(scope)) } else { Err(Code::InvalidScope.into()) }
}

/// The scope of a token that grants these.
#[must_use]
pub fn scope_of(scopes: KeyScopes) -> Cow<'static, str> {
    if scopes.is_all() { Cow::Borrowed(SCOPE) } else { format!("{SCOPE} {}", scopes.joined()).into() }
}

/// What a token's scope grants; a name of a later version, that is not known here, nothing.
fn granted(scope: &str) -> KeyScopes {
    let mut narrower = scope.split(' ').filter(|name| *name != SCOPE).peekable();
    if narrower.peek().is_none() { KeyScopes::ALL } else { narrower.filter_map(KeyScope::parse).collect() }
}

/// Judges what one of our own keys signed.
fn is_good(claims: &PartnerClaims, issuer: &str, now: i64) -> bool {
    let is_ours = claims.iss == issuer && claims.aud == issuer;
    let is_partners = claims.scope.split(' ').any(|scope| scope == SCOPE);
    is_ours && is_partners && is_alive(claims.iat, claims.exp, TOKEN_LIFETIME, now)
}

/// Of the id of an assertion. No nonce of a signature has the same: none of those has a NUL.
fn digest(id: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"client_assertion\0").chain_update(id).finalize().into()
}

/// One answer to every assertion that is not good; the log has the reason, which repeats nothing of it.
fn refused(problem: client_assertion::Problem) -> ApiError {
    tracing::debug!(%problem, "a client's assertion was refused");
    Code::InvalidClient.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_248_000;
    const ISSUER: &str = "https://api.example.com";

    fn claims() -> PartnerClaims {
        let [org_id, key, jti] = [1, 2, 3].map(Uuid::from_u128);
        let (iss, aud, scope) = (ISSUER.to_owned(), ISSUER.to_owned(), SCOPE.to_owned());
        let (iat, exp) = (NOW, NOW + TOKEN_LIFETIME);
        PartnerClaims { iss, aud, sub: org_id, client_id: org_id, org_id, key, scope, iat, exp, jti }
    }

    #[test]
    fn a_partners_token_is_good_for_fifteen_minutes_at_most() {
        let good = |exp, now| is_good(&PartnerClaims { exp, ..claims() }, ISSUER, now);
        assert!(good(NOW + 900, NOW) && good(NOW + 900, NOW + 929));
        assert!(!good(NOW + 901, NOW) && !good(NOW + 900, NOW + 930));
    }

    #[test]
    fn another_issuer_audience_or_scope_is_refused() {
        let elsewhere = || "https://x".to_owned();
        assert!(!is_good(&PartnerClaims { iss: elsewhere(), ..claims() }, ISSUER, NOW));
        assert!(!is_good(&PartnerClaims { aud: elsewhere(), ..claims() }, ISSUER, NOW));
        for scope in ["member", "", "partners", "partner:read"] {
            assert!(!is_good(&PartnerClaims { scope: scope.to_owned(), ..claims() }, ISSUER, NOW), "{scope}");
        }
        assert!(is_good(&PartnerClaims { scope: "partner users:read".to_owned(), ..claims() }, ISSUER, NOW));
    }

    #[test]
    fn a_token_grants_what_stands_beside_partner_and_everything_where_nothing_does() {
        let [read, write] = [KeyScope::UsersRead, KeyScope::UsersWrite].map(KeyScopes::from);
        assert_eq!(granted("partner"), KeyScopes::ALL);
        assert_eq!((granted("partner users:read"), granted("users:write partner")), (read, write));
        assert_eq!(granted("partner stars:read"), KeyScopes::NONE);
        assert_eq!(granted("partner stars:read users:read"), read);
        for scopes in [KeyScopes::ALL, read, KeyScope::ALL.iter().copied().collect()] {
            assert_eq!(granted(&scope_of(scopes)), scopes);
        }
    }

    #[test]
    fn an_assertions_id_is_no_signatures_nonce() {
        let nonce: [u8; 32] = Sha256::digest("0123456789abcdef").into();
        assert_ne!(digest("0123456789abcdef"), nonce);
    }
}
