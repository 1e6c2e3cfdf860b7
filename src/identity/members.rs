//! Members: a partner's users, who call with a token of their own (contract 10).

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Identity;
use super::gateway::only;
use super::orgs::{MessagePolicy, OrgStanding};
use super::token_keys::TOKEN_LIFETIME;
use crate::crypto::member_token::Claims;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, OrgId};

/// The scope of a member: everything with its own user.
pub const SCOPE: &str = "member";
/// The difference that clocks may have, in seconds.
const LEEWAY: i64 = 30;
/// No token of ours is nearly as long.
const MAX_TOKEN: usize = 4_096;

/// A user with a good token. Whether the user still exists is checked by the statement that
/// reads or writes it.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The tenant.
    pub org_id: OrgId,
    /// As the partner named it.
    pub user_id: Uuid,
    /// Tells the user from one that was made later under the same id.
    pub user_created_at: DateTime<Utc>,
    /// What its org wants of signatures.
    pub policy: MessagePolicy,
}

impl Identity {
    /// Finds out which member is calling.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token, 403 for a suspended org; 503 when neither memory nor
    /// the database knows.
    pub async fn member_by_token(&self, headers: &HeaderMap) -> Result<Member, ApiError> {
        let token = sent_token(headers).ok_or(Code::Unauthorized)?;
        let claims = self.token_keys.verify(token).await?.ok_or(Code::Unauthorized)?;
        let now = self.clock.now();
        let member = accept(&claims, &self.settings.public_url, now.timestamp()).ok_or(Code::Unauthorized)?;
        if let Some(key_id) = claims.key_id.map(KeyId) {
            // From memory, which hears of a revocation within a second.
            let lives = self.keys.is_live(&self.db, member.org_id, key_id, now).await;
            if !lives.map_err(ApiError::unavailable)? {
                return Err(Code::Unauthorized.into());
            }
        }
        let org = self.orgs.find(&self.db, member.org_id).await?.ok_or(Code::Unauthorized)?;
        match org.standing {
            OrgStanding::Active => Ok(Member { policy: org.policy, ..member }),
            OrgStanding::Suspended => Err(Code::Forbidden.into()),
        }
    }
}

/// The one token that was sent (RFC 6750 2.1).
fn sent_token(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = only(headers, &header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (token.len() <= MAX_TOKEN).then(|| token.trim_matches(' '))
}

/// Judges what one of our own keys signed. Nothing is believed of it for longer than we issue
/// tokens: whoever got hold of a key writes any `exp`.
fn accept(claims: &Claims, issuer: &str, now: i64) -> Option<Member> {
    let is_ours = claims.iss == issuer && claims.scope == SCOPE;
    let is_alive = claims.iat <= now + LEEWAY && now < claims.exp.saturating_add(LEEWAY);
    let is_brief = claims.exp.checked_sub(claims.iat).is_some_and(|lifetime| lifetime <= TOKEN_LIFETIME);
    let user_created_at = DateTime::from_timestamp_micros(claims.user_created_at)?;
    let policy = MessagePolicy::default();
    let member = Member { org_id: OrgId(claims.aud), user_id: claims.sub, user_created_at, policy };
    (is_ours && is_alive && is_brief).then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_248_000;
    const ISSUER: &str = "https://api.example.com";

    fn claims() -> Claims {
        let (aud, sub, jti) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let (iss, scope) = (ISSUER.to_owned(), SCOPE.to_owned());
        let (client_id, key_id) = (Some(aud), None);
        Claims {
            iss,
            aud,
            sub,
            client_id,
            key_id,
            scope,
            iat: NOW,
            exp: NOW + 3_600,
            jti,
            user_created_at: 7,
        }
    }

    #[test]
    fn a_token_is_good_from_its_issue_to_its_end_give_or_take_30_seconds() {
        let lives = |now| accept(&claims(), ISSUER, now).is_some();
        assert!(!lives(NOW - 31) && lives(NOW - 30));
        assert!(lives(NOW + 3_629) && !lives(NOW + 3_630));
    }

    #[test]
    fn a_token_that_would_live_longer_than_those_we_issue_is_none() {
        let accepts = |iat, exp| accept(&Claims { iat, exp, ..claims() }, ISSUER, NOW).is_some();
        assert!(accepts(NOW, NOW + 3_600) && accepts(NOW - 100, NOW + 3_500) && accepts(NOW + 30, NOW + 60));
        assert!(!accepts(NOW, NOW + 3_601) && !accepts(NOW - 1, NOW + 3_600));
        assert!(!accepts(NOW, NOW + 315_360_000) && !accepts(NOW + 31, NOW + 60));
        for (iat, exp) in [(0, NOW + 10), (i64::MIN, i64::MAX), (NOW, i64::MAX), (i64::MIN, NOW + 10)] {
            assert!(!accepts(iat, exp), "{iat} {exp}");
        }
    }

    #[test]
    fn another_issuer_or_scope_is_refused() {
        assert!(accept(&Claims { iss: "https://x".to_owned(), ..claims() }, ISSUER, NOW).is_none());
        assert!(accept(&Claims { scope: "admin".to_owned(), ..claims() }, ISSUER, NOW).is_none());
    }

    #[test]
    fn two_authorization_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, "bearer  a.b.c ".parse().unwrap());
        assert_eq!(sent_token(&headers), Some("a.b.c"));
        headers.append(header::AUTHORIZATION, "Basic eDp5".parse().unwrap());
        assert_eq!(sent_token(&headers), None);
    }
}
