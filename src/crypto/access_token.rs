//! Tokens as they are written, members' and partners': JWTs signed with Ed25519 (RFC 8037) of type
//! `at+jwt` (RFC 9068).
//!
//! Not a JWT library's work, because there is so little of it: a key's header is always the same
//! bytes, so checking a token starts with comparing them. That pins `alg`, `typ` and `kid`, leaves
//! no room for `jwk`, `jku` or `crit`, and nothing a stranger wrote is parsed before its signature
//! was found good.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jwk::Jwk;
use super::secret::Secret;

/// The claims of a token. Neither kind can be read as the other: each has claims that the other lacks.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Claims {
    /// One of a partner's users.
    Member(MemberClaims),
    /// A partner's backend.
    Partner(PartnerClaims),
}

/// The claims of a member's token (contract 10). Instants in seconds, but for the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberClaims {
    /// `PUBLIC_URL`.
    pub iss: String,
    /// The org.
    pub aud: Uuid,
    /// The user, as the partner named it.
    pub sub: Uuid,
    /// The client that asked for the token (RFC 9068 2.2): the org again. Not in tokens of the
    /// version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Uuid>,
    /// The tenant key that issued it, and with which it ends; none where the gateway named no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Uuid>,
    /// The public key under which it was asked for, and with which it ends: that of a signature or of
    /// a partner's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// The bearer's rights.
    pub scope: String,
    /// Issued at, in seconds of Unix time.
    pub iat: i64,
    /// The end, in seconds of Unix time.
    pub exp: i64,
    /// The id of the token.
    pub jti: Uuid,
    /// The user's creation, in microseconds: a user made again under the same id is another one.
    pub user_created_at: i64,
}

/// The claims of a partner's token (contract 16). Instants in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerClaims {
    /// `PUBLIC_URL`.
    pub iss: String,
    /// `PUBLIC_URL` again: it is for this service, where a member's is for the org's own as well.
    pub aud: String,
    /// The client, which is the org.
    pub sub: Uuid,
    /// The client that asked for the token (RFC 9068 2.2).
    pub client_id: Uuid,
    /// The tenant.
    pub org_id: Uuid,
    /// The public key that proved who asked, and with which it ends.
    pub key: Uuid,
    /// The bearer's rights, by spaces.
    pub scope: String,
    /// Issued at, in seconds of Unix time.
    pub iat: i64,
    /// The end, in seconds of Unix time.
    pub exp: i64,
    /// The id of the token.
    pub jti: Uuid,
}

/// A key that signs tokens, and its public half.
pub struct TokenKey {
    pair: Ed25519KeyPair,
    public: ParsedPublicKey,
    jwk: Jwk,
    /// The header that every token of this key starts with.
    header: String,
}

impl TokenKey {
    /// The key of a 32-byte seed.
    ///
    /// # Errors
    /// When the seed has another length.
    pub fn from_seed(seed: &Secret<Vec<u8>>) -> Result<Self, KeyRejected> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose())?;
        let public = ParsedPublicKey::new(&ED25519, pair.public_key().as_ref())?;
        let jwk = Jwk::ed25519(pair.public_key().as_ref());
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, jwk.kid());
        Ok(Self { pair, public, jwk, header: URL_SAFE_NO_PAD.encode(header) })
    }

    /// The published half of the key.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Writes a token.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("plain data with string keys");
        let mut token = format!("{}.", self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Returns `true` if a token says that it is this key's.
    #[must_use]
    pub fn is_named_by(&self, token: &str) -> bool {
        token.strip_prefix(&self.header).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Returns the claims of a token of this key; `None` if the key did not sign it. When it ends,
    /// and for whom it is good, is the caller's to judge.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Claims> {
        if !self.is_named_by(token) {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.public.verify_sig(signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.get(self.header.len() + 1..)?).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> TokenKey {
        TokenKey::from_seed(&Secret::new(vec![byte; 32])).unwrap()
    }

    fn member() -> MemberClaims {
        let (aud, sub, jti) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let (iss, scope) = ("https://api.example.com".to_owned(), "member".to_owned());
        let (client_id, key_id, key) = (Some(aud), Some(Uuid::from_u128(4)), Some(Uuid::from_u128(5)));
        let (iat, exp) = (1_795_248_000, 1_795_251_600);
        MemberClaims { iss, aud, sub, client_id, key_id, key, scope, iat, exp, jti, user_created_at: 7 }
    }

    fn claims() -> Claims {
        Claims::Member(member())
    }

    fn partner() -> PartnerClaims {
        let [org_id, jti, key] = [1, 3, 5].map(Uuid::from_u128);
        let (iss, scope) = ("https://api.example.com".to_owned(), "partner".to_owned());
        let (aud, iat, exp) = (iss.clone(), 1_795_248_000, 1_795_248_900);
        PartnerClaims { iss, aud, sub: org_id, client_id: org_id, org_id, key, scope, iat, exp, jti }
    }

    #[test]
    fn a_members_token_is_no_partners_and_the_reverse() {
        let ours = key(1);
        for claims in [claims(), Claims::Partner(partner())] {
            assert_eq!(ours.verify(&ours.sign(&claims)), Some(claims));
        }
        // Whatever its scope says.
        for claims in [
            Claims::Member(MemberClaims { scope: "partner".to_owned(), ..member() }),
            Claims::Partner(PartnerClaims { scope: "member".to_owned(), ..partner() }),
        ] {
            assert_eq!(ours.verify(&ours.sign(&claims)), Some(claims));
        }
    }

    #[test]
    fn a_token_is_good_under_its_own_key_and_whole_only() {
        let (ours, other) = (key(1), key(2));
        let token = ours.sign(&claims());
        assert_eq!(ours.verify(&token), Some(claims()));
        assert_eq!(other.verify(&token), None);
        for length in 0..token.len() {
            assert_eq!(ours.verify(&token[..length]), None, "{length}");
        }
        for (position, byte) in token.bytes().enumerate() {
            let mut changed = token.clone();
            changed.replace_range(position..=position, if byte == b'A' { "B" } else { "A" });
            assert_eq!(ours.verify(&changed), None, "{position}");
        }
    }

    #[test]
    fn parts_of_two_tokens_make_no_third() {
        let ours = key(1);
        let first = ours.sign(&claims());
        let second = ours.sign(&Claims::Member(MemberClaims { sub: Uuid::from_u128(9), ..member() }));
        let (head, _) = first.rsplit_once('.').unwrap();
        let (_, signature) = second.rsplit_once('.').unwrap();
        assert_eq!(ours.verify(&format!("{head}.{signature}")), None);
    }
}
