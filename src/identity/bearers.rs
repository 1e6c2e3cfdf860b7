//! Bearer tokens (contract 0, step 4): whose they are, and what is asked of every one.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::gateway::only;
use super::orgs::{OrgRecord, OrgStanding};
use super::{Access, Caller, Found, Identity};
use crate::crypto::access_token::Claims;
use crate::error::{ApiError, Code};
use crate::ids::OrgId;

/// The difference that clocks may have, in seconds.
const LEEWAY: i64 = 30;
/// No token of ours is nearly as long.
const MAX_TOKEN: usize = 4_096;

impl Identity {
    /// Finds out who is calling with a token: a partner anywhere, a member where the route takes members.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token, 403 for a suspended org; 503 when neither memory nor
    /// the database knows.
    pub(super) async fn by_token(
        &self,
        headers: &HeaderMap,
        access: Access,
    ) -> Result<Found<Caller>, ApiError> {
        let token = sent_token(headers).ok_or(Code::Unauthorized)?;
        let claims = self.token_keys.verify(token).await?;
        match claims.as_deref() {
            Some(Claims::Partner(claims)) => Ok(self.partner_of(claims).await?.map(Caller::Partner)),
            Some(Claims::Member(claims)) if access == Access::PartnersAndMembers => {
                Ok(self.member_of(claims).await?.map(Caller::Member))
            }
            _ => Err(Code::Unauthorized.into()),
        }
    }

    /// The org of a token that was issued at `iat`, and of the public key with which it ends, if it hangs on one.
    /// From memory, which hears of either's end within a second.
    pub(super) async fn org_behind(
        &self,
        org_id: OrgId,
        public_key: Option<Uuid>,
        iat: i64,
        now: DateTime<Utc>,
    ) -> Result<Arc<OrgRecord>, ApiError> {
        let org = self.orgs.find(&self.db, org_id).await?.ok_or(Code::Unauthorized)?;
        if public_key.is_some_and(|unique_id| org.authentication_key(unique_id, now).is_none()) {
            return Err(Code::Unauthorized.into());
        }
        if org.tokens_ended_at.is_some_and(|end| iat <= end) {
            return Err(Code::Unauthorized.into());
        }
        match org.standing {
            OrgStanding::Active => Ok(org),
            OrgStanding::Suspended => Err(Code::Forbidden.into()),
        }
    }
}

/// The one token that was sent (RFC 6750 2.1).
pub(super) fn sent_token(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = only(headers, &header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (token.len() <= MAX_TOKEN).then(|| token.trim_matches(' '))
}

/// Whether a token of ours is good at `now`. Nothing is believed of it for longer than we issue such
/// tokens, `lifetime` in seconds: whoever got hold of a key writes any `exp`.
pub(super) fn is_alive(iat: i64, exp: i64, lifetime: i64, now: i64) -> bool {
    let is_brief = exp.checked_sub(iat).is_some_and(|span| span <= lifetime);
    is_brief && iat <= now + LEEWAY && now < exp.saturating_add(LEEWAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_248_000;

    #[test]
    fn a_token_is_good_from_its_issue_to_its_end_give_or_take_30_seconds() {
        let lives = |now| is_alive(NOW, NOW + 3_600, 3_600, now);
        assert!(!lives(NOW - 31) && lives(NOW - 30));
        assert!(lives(NOW + 3_629) && !lives(NOW + 3_630));
    }

    #[test]
    fn a_token_that_would_live_longer_than_those_we_issue_is_none() {
        let lives = |iat, exp| is_alive(iat, exp, 3_600, NOW);
        assert!(lives(NOW, NOW + 3_600) && lives(NOW - 100, NOW + 3_500) && lives(NOW + 30, NOW + 60));
        assert!(!lives(NOW, NOW + 3_601) && !lives(NOW - 1, NOW + 3_600));
        assert!(!lives(NOW, NOW + 315_360_000) && !lives(NOW + 31, NOW + 60));
        for (iat, exp) in [(0, NOW + 10), (i64::MIN, i64::MAX), (NOW, i64::MAX), (i64::MIN, NOW + 10)] {
            assert!(!lives(iat, exp), "{iat} {exp}");
        }
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
