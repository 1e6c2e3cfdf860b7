//! The service's keys under its events: Ed25519, as Standard Webhooks has them (`v1a`), and their public halves as
//! receivers hold them.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::jwk::Jwk;
use super::secret::Secret;

/// How the public half begins when it is written by itself.
const PUBLIC_PREFIX: &str = "whpk_";

/// A key that signs events.
pub struct EventKey {
    pair: Ed25519KeyPair,
    jwk: Jwk,
}

impl EventKey {
    /// The key of a 32-byte seed.
    ///
    /// # Errors
    /// When the seed has another length.
    pub fn from_seed(seed: &Secret<Vec<u8>>) -> Result<Self, KeyRejected> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose())?;
        let jwk = Jwk::ed25519(pair.public_key().as_ref());
        Ok(Self { pair, jwk })
    }

    /// The published half of the key.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The signature of a text, as it is written.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        format!("v1a,{}", STANDARD.encode(self.pair.sign(text.as_bytes())))
    }
}

/// The public half of such a key, as a receiver has it.
#[derive(Debug)]
pub struct EventPublicKey {
    kid: Option<String>,
    key: ParsedPublicKey,
}

/// What cannot be read as a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableKey {
    /// It is not `whpk_` and base64 of 32 bytes.
    #[error("a public key is whpk_ and the base64 of 32 bytes")]
    Text,
    /// It is no JWK set with a key of this kind.
    #[error("a JWK set holds keys of the type OKP, Ed25519")]
    Set,
}

/// What is looked at in a set. Keys of other kinds are left aside.
#[derive(Deserialize)]
struct ReceivedSet {
    keys: Vec<ReceivedKey>,
}

#[derive(Deserialize)]
struct ReceivedKey {
    crv: Option<String>,
    kid: Option<String>,
    x: Option<String>,
}

impl EventPublicKey {
    /// Reads `whpk_...`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, UnreadableKey> {
        let base64 = text.strip_prefix(PUBLIC_PREFIX).ok_or(UnreadableKey::Text)?;
        let bytes = STANDARD.decode(base64).map_err(|_| UnreadableKey::Text)?;
        Self::of(None, &bytes).ok_or(UnreadableKey::Text)
    }

    /// Reads the keys of a JWK set.
    ///
    /// # Errors
    /// When it holds none.
    pub fn of_set(json: &str) -> Result<Vec<Self>, UnreadableKey> {
        let set: ReceivedSet = serde_json::from_str(json).map_err(|_| UnreadableKey::Set)?;
        let keys = set.keys.into_iter().filter(|key| key.crv.as_deref() == Some("Ed25519"));
        let keys = keys.filter_map(|key| Self::of(key.kid, &URL_SAFE_NO_PAD.decode(key.x?).ok()?));
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() { Err(UnreadableKey::Set) } else { Ok(keys) }
    }

    fn of(kid: Option<String>, bytes: &[u8]) -> Option<Self> {
        Some(Self { kid, key: ParsedPublicKey::new(&ED25519, bytes).ok()? })
    }

    /// Whether a message that names `kid` may have been signed with it; where either has no name, it may.
    #[must_use]
    pub fn may_be(&self, kid: &str) -> bool {
        kid.is_empty() || self.kid.as_deref().is_none_or(|own| own == kid)
    }

    /// Returns `true` if this key made the signature of a text, as [`EventKey::sign`] writes it.
    #[must_use]
    pub fn made(&self, signature: &str, text: &str) -> bool {
        let signature = signature.strip_prefix("v1a,").and_then(|base64| STANDARD.decode(base64).ok());
        signature.is_some_and(|signature| self.key.verify_sig(text.as_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, TEST 1: the seed, and the public key in base64.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn key() -> EventKey {
        EventKey::from_seed(&Secret::new(hex::decode(SEED).unwrap())).unwrap()
    }

    /// The signature of the empty text is the RFC's.
    #[test]
    fn a_signature_is_the_one_of_rfc_8032() {
        let signature = hex::decode(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        assert_eq!(key().sign(""), format!("v1a,{}", STANDARD.encode(signature.unwrap())));
    }

    #[test]
    fn what_a_key_signed_its_public_half_knows_and_nothing_else() {
        let (signed, public) = (key().sign("a.1.{}"), EventPublicKey::parse(PUBLIC).unwrap());
        assert!(public.made(&signed, "a.1.{}"));
        for (signature, text) in
            [(signed.as_str(), "a.1.{ }"), (&signed.replace("v1a,", "v1,"), "a.1.{}"), ("v1a,", "a.1.{}")]
        {
            assert!(!public.made(signature, text), "{signature}");
        }
        let other = EventKey::from_seed(&Secret::new(vec![1; 32])).unwrap();
        assert!(!public.made(&other.sign("a.1.{}"), "a.1.{}"));
    }

    #[test]
    fn a_set_is_read_as_it_is_published_and_a_key_that_is_named_is_taken_by_its_name() {
        let jwk = serde_json::to_string(key().jwk()).unwrap();
        let set = format!(r#"{{"keys":[{{"kty":"RSA","n":"AQAB","e":"AQAB"}},{jwk}]}}"#);
        let keys = EventPublicKey::of_set(&set).unwrap();
        assert!(keys.len() == 1 && keys[0].made(&key().sign("x"), "x"));
        assert!(keys[0].may_be(key().jwk().kid()) && keys[0].may_be("") && !keys[0].may_be("another"));
        assert!(EventPublicKey::parse(PUBLIC).unwrap().may_be("another"));
    }

    #[test]
    fn what_is_no_public_key_is_said_to_be_none() {
        let whsk = PUBLIC.replace("whpk", "whsk");
        for text in ["", "whpk_", "whpk_AAAA", &whsk, &PUBLIC[5..]] {
            assert_eq!(EventPublicKey::parse(text).unwrap_err(), UnreadableKey::Text, "{text}");
        }
        for json in ["", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"crv":"Ed25519","x":"AAAA"}]}"#] {
            assert_eq!(EventPublicKey::of_set(json).unwrap_err(), UnreadableKey::Set, "{json}");
        }
    }
}
