//! Members: a partner's users, who call with a token of their own (contract 10).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::bearers::is_alive;
use super::token_keys::TOKEN_LIFETIME;
use super::{Found, Identity};
use crate::crypto::access_token::MemberClaims;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, OrgId};

/// The scope of a member: everything with its own user.
pub const SCOPE: &str = "member";

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
}

impl Identity {
    /// The member that a token of ours is for. The token ends with whatever authenticated the request
    /// for it: a tenant key, a public key, or both.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token, 403 for a suspended org; 503 when neither memory nor
    /// the database knows.
    pub(super) async fn member_of(&self, claims: &MemberClaims) -> Result<Found<Member>, ApiError> {
        let now = self.clock.now();
        let member = accept(claims, &self.settings.public_url, now.timestamp()).ok_or(Code::Unauthorized)?;
        if let Some(key_id) = claims.key_id.map(KeyId) {
            // From memory, which hears of a revocation within a second.
            let lives = self.keys.is_live(&self.db, member.org_id, key_id, now).await;
            if !lives.map_err(ApiError::away)? {
                return Err(Code::Unauthorized.into());
            }
        }
        let org = self.org_behind(member.org_id, claims.key, claims.iat, now).await?;
        Ok(Found { caller: member, org, key: None })
    }
}

/// Judges what one of our own keys signed.
fn accept(claims: &MemberClaims, issuer: &str, now: i64) -> Option<Member> {
    let is_ours = claims.iss == issuer && claims.scope == SCOPE;
    let is_alive = is_alive(claims.iat, claims.exp, TOKEN_LIFETIME, now);
    let user_created_at = DateTime::from_timestamp_micros(claims.user_created_at)?;
    let member = Member { org_id: OrgId(claims.aud), user_id: claims.sub, user_created_at };
    (is_ours && is_alive).then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_248_000;
    const ISSUER: &str = "https://api.example.com";

    fn claims() -> MemberClaims {
        let (aud, sub, jti) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let (iss, scope) = (ISSUER.to_owned(), SCOPE.to_owned());
        let (client_id, key_id, key) = (Some(aud), None, None);
        let (iat, exp) = (NOW, NOW + 3_600);
        MemberClaims { iss, aud, sub, client_id, key_id, key, scope, iat, exp, jti, user_created_at: 7 }
    }

    #[test]
    fn a_members_token_is_good_for_an_hour_at_most() {
        let accepts = |exp| accept(&MemberClaims { exp, ..claims() }, ISSUER, NOW).is_some();
        assert!(accepts(NOW + 3_600) && !accepts(NOW + 3_601));
    }

    #[test]
    fn another_issuer_or_scope_is_refused() {
        assert!(accept(&MemberClaims { iss: "https://x".to_owned(), ..claims() }, ISSUER, NOW).is_none());
        for scope in ["admin", "partner", "member partner", ""] {
            assert!(accept(&MemberClaims { scope: scope.to_owned(), ..claims() }, ISSUER, NOW).is_none());
        }
    }
}
