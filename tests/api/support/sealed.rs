//! A partner who has messages signed and encrypted (contract 12.2, 12.3): its keys, and how it checks and opens what it
//! gets.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use public_keys::jwe::{self, Jwe};
use public_keys::rsa::{PrivateKey, RsaKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Org, Reply};

const END: &str = "2028-11-21T08:00:00.000Z";

/// The partner's own pair.
static PARTNERS: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("a pair"));

/// A pair that was made for an org.
pub struct Pair {
    pub unique_id: String,
    pub public: RsaKey,
}

/// Has a pair made.
pub async fn generate(org: &Org, usage: &str) -> Pair {
    let body = json!({
        "OwnerCode": org.key, "Usage": [usage], "Type": "RSA", "Length": 2048, "ExpirationUtc": END,
    });
    let reply = org.post("/api/v1/key/generate", body).await.expect(200).json();
    let text = |field: &str| reply[field].as_str().expect("text").to_owned();
    Pair { unique_id: text("UniqueId"), public: RsaKey::stored(&text("Key")).expect("a key") }
}

/// Registers a key of the partner's to encrypt to; gives its id.
pub async fn register(org: &Org, usage: &str) -> String {
    let spki: PublicKeyX509Der<'_> = PARTNERS.public_key().as_der().expect("DER");
    let key = STANDARD.encode(std::convert::AsRef::<[u8]>::as_ref(&*spki));
    let body = json!({"OwnerCode": org.key, "Usage": [usage], "Type": "RSA", "PublicKey": key, "ExpirationUtc": END});
    let reply = org.post("/api/v1/key", body).await.expect(200).json();
    reply["UniqueId"].as_str().expect("an id").to_owned()
}

impl Pair {
    /// Encrypts a body to the pair.
    pub fn encrypt(&self, plaintext: &str) -> String {
        jwe::seal(&self.public, &self.unique_id, plaintext.as_bytes()).expect("a JWE")
    }

    /// Insists that this pair signed a reply to a request, and what it covers; gives the covered components.
    #[track_caller]
    pub fn signed(
        &self,
        reply: &Reply,
        method: &str,
        target_uri: &str,
        request_signature: Option<&str>,
    ) -> String {
        let input = reply.header("signature-input").unwrap_or_else(|| panic!("unsigned: {}", reply.text()));
        let parameters = input.strip_prefix("partner-api=").expect("our label");
        let (covered, rest) =
            parameters.strip_prefix('(').and_then(|rest| rest.split_once(')')).expect("a list");
        assert!(rest.contains(&format!(";keyid=\"{}\"", self.unique_id)), "{rest}");
        assert!(rest.ends_with(";alg=\"rsa-pss-sha512\";tag=\"partner-api\""), "{rest}");
        let digest = || format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&reply.body)));
        let mut base = String::new();
        for component in covered.split(' ') {
            let value = match component {
                "\"@status\"" => reply.status.to_string(),
                "\"content-digest\"" => {
                    assert_eq!(reply.header("content-digest"), Some(&digest()[..]));
                    digest()
                }
                "\"@method\";req" => method.to_owned(),
                "\"@target-uri\";req" => target_uri.to_owned(),
                "\"signature\";req;key=\"sig1\"" => {
                    request_signature.expect("the request was signed").to_owned()
                }
                other => panic!("{other} is covered"),
            };
            base.push_str(&format!("{component}: {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {parameters}"));
        let signature = reply.header("signature").expect("a signature");
        let signature =
            signature.strip_prefix("partner-api=:").and_then(|s| s.strip_suffix(':')).expect("bytes");
        let signature = STANDARD.decode(signature).expect("base64");
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, self.public.spki());
        key.verify(base.as_bytes(), &signature).unwrap_or_else(|_| panic!("it does not verify: {base}"));
        covered.to_owned()
    }
}

/// Opens what was encrypted to the partner's key.
#[track_caller]
pub fn open_jwe(sent: &[u8], kid: &str) -> Vec<u8> {
    let jwe = Jwe::parse(sent).expect("a JWE");
    assert_eq!(jwe.kid(), Some(kid));
    let private: Pkcs8V1Der<'_> = PARTNERS.as_der().expect("DER");
    let key = PrivateKey::from_pkcs8(private.as_ref()).expect("a private key");
    jwe.open(&key).expect("it opens").to_vec()
}

/// Opens an encrypted reply with the partner's private key; gives the reply as it would have been in clear.
#[track_caller]
pub fn opened(reply: &Reply, kid: &str) -> Reply {
    assert_eq!(reply.header("content-type"), Some("application/jose"), "{}", reply.text());
    let body = open_jwe(&reply.body, kid);
    let mut headers = reply.headers.clone();
    headers.insert("content-type", "application/json".parse().expect("a media type"));
    Reply { status: reply.status, headers, body }
}
