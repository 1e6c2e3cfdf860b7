//! The keys under GitHub's reports of leaked secrets (contract 13.4): ECDSA over P-256, as its meta endpoint publishes
//! them. Operations fetch that document into a file; the service calls nobody.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The largest document that is read, in bytes: it has a few hundred a key.
const LARGEST: u64 = 64 * 1024;

/// The keys of one state of the document.
#[derive(Debug)]
pub struct GithubKeys(Vec<GithubKey>);

#[derive(Debug)]
struct GithubKey {
    identifier: String,
    key: UnparsedPublicKey<Vec<u8>>,
}

/// The document, as GitHub publishes it; what else it may have is not read.
#[derive(Deserialize)]
struct Document {
    public_keys: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    key_identifier: String,
    key: String,
    is_current: bool,
}

impl GithubKeys {
    /// Reads the document. Keys that GitHub has retired are left out: nothing that they sign is believed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let document: Document =
            serde_json::from_slice(document).map_err(|_| "is not the JSON of GitHub's public keys")?;
        let current = document.public_keys.into_iter().filter(|key| key.is_current);
        let keys: Vec<_> =
            current.map(GithubKey::of).collect::<Option<_>>().ok_or("holds a key that is none")?;
        if keys.is_empty() { Err("holds no current key") } else { Ok(Self(keys)) }
    }

    /// Returns `true` if the current key of this identifier signed these bytes.
    #[must_use]
    pub fn signed(&self, identifier: &str, signature: &str, bytes: &[u8]) -> bool {
        let key = self.0.iter().find(|key| key.identifier == identifier);
        let (Some(key), Ok(signature)) = (key, STANDARD.decode(signature)) else { return false };
        key.key.verify(bytes, &signature).is_ok()
    }

    /// Returns `true` if there is a current key of this identifier: asked before a body is read.
    #[must_use]
    pub fn knows(&self, identifier: &str) -> bool {
        self.0.iter().any(|key| key.identifier == identifier)
    }
}

impl GithubKey {
    fn of(published: Published) -> Option<Self> {
        let pem = published.key.trim();
        let body =
            pem.strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, STANDARD.decode(body).ok()?);
        key.parse().ok()?;
        Some(Self { identifier: published.key_identifier, key })
    }
}

/// `GITHUB_LEAK_KEYS_FILE`: the file, and what was last read of it. Clones read together.
#[derive(Clone)]
pub struct GithubKeysFile(Arc<Kept>);

struct Kept {
    path: PathBuf,
    read: Mutex<(Stamp, Arc<GithubKeys>)>,
}

/// Changes with the file.
type Stamp = (Option<SystemTime>, u64);

impl GithubKeysFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let read = read(&path, None)?.ok_or("cannot be read")?;
        Ok(Self(Arc::new(Kept { path, read: Mutex::new(read) })))
    }

    /// The keys; read again if the file is another one by now. What is there stays good while the file cannot be
    /// read. Blocks for as long as that takes.
    #[must_use]
    pub fn current(&self) -> Arc<GithubKeys> {
        let (stamp, keys) = self.0.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match read(&self.0.path, Some(stamp)) {
            Ok(None) => keys,
            Ok(Some(changed)) => {
                let keys = changed.1.clone();
                *self.0.read.lock().unwrap_or_else(PoisonError::into_inner) = changed;
                keys
            }
            Err(problem) => {
                tracing::warn!(
                    problem,
                    "GITHUB_LEAK_KEYS_FILE changed and is not read: the keys before stay"
                );
                keys
            }
        }
    }
}

impl fmt::Debug for GithubKeysFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GithubKeysFile").field(&self.0.path).finish()
    }
}

/// What the file holds, unless it is still the one that was seen.
fn read(path: &PathBuf, seen: Option<Stamp>) -> Result<Option<(Stamp, Arc<GithubKeys>)>, String> {
    let of = |error: std::io::Error| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(of)?;
    let stamp = (metadata.modified().ok(), metadata.len());
    if seen == Some(stamp) {
        return Ok(None);
    }
    if metadata.len() > LARGEST {
        return Err(format!("{}: is larger than {LARGEST} bytes", path.display()));
    }
    let keys = GithubKeys::parse(&fs::read(path).map_err(of)?);
    keys.map(|keys| Some((stamp, Arc::new(keys)))).map_err(|problem| format!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn pair() -> (EcdsaKeyPair, String) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let body = STANDARD.encode(AsRef::<[u8]>::as_ref(&*spki));
        let (a, b) = body.split_at(64);
        (pair, format!("-----BEGIN PUBLIC KEY-----\n{a}\n{b}\n-----END PUBLIC KEY-----\n"))
    }

    fn document(key: &str, is_current: bool) -> Vec<u8> {
        let key = |identifier, is_current| json!({"key_identifier": identifier, "key": key, "is_current": is_current});
        json!({"public_keys": [key("a", is_current), key("b", true)]}).to_string().into_bytes()
    }

    #[test]
    fn what_a_current_key_signed_is_believed_and_nothing_else() {
        let (pair, pem) = pair();
        let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), b"[]").unwrap());
        let keys = GithubKeys::parse(&document(&pem, true)).unwrap();
        assert!(
            keys.knows("a") && keys.signed("a", &signature, b"[]") && keys.signed("b", &signature, b"[]")
        );
        assert!(!keys.signed("a", &signature, b"[ ]"), "altered");
        assert!(!keys.signed("c", &signature, b"[]") && !keys.knows("c"), "unknown");
        assert!(
            !keys.signed("a", "", b"[]") && !keys.signed("a", "?", b"[]") && !keys.signed("a", "AAAA", b"[]")
        );
        let retired = GithubKeys::parse(&document(&pem, false)).unwrap();
        assert!(!retired.knows("a") && !retired.signed("a", &signature, b"[]"), "retired");
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let (_, pem) = pair();
        let damaged = document(&pem.replace("MFkw", "MFkx"), true);
        let none = br#"{"public_keys":[]}"#;
        for bad in [&b""[..], b"[]", b"{}", none, &damaged] {
            assert!(GithubKeys::parse(bad).is_err());
        }
    }
}
