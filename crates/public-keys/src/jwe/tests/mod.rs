mod header;
mod hostile;
mod vectors;

use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::tests::{body, fixture};

fn public(name: &str) -> RsaKey {
    RsaKey::stored(&fixture(&format!("{name}.spki.pem"))).expect("a key")
}

fn private(name: &str) -> PrivateKey {
    PrivateKey::from_pkcs8(&pkcs8(name)).expect("a private key")
}

fn pkcs8(name: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(body(&fixture(&format!("{name}.key.pem")))).expect("base64")
}

fn open(key: &PrivateKey, message: &str) -> Result<Vec<u8>, Refused> {
    Jwe::parse(message.as_bytes())?.open(key).map(|plaintext| plaintext.to_vec())
}

#[test]
fn what_was_sealed_opens_with_every_length_of_key() {
    for name in ["rsa2048", "rsa3072", "rsa4096", "rsa8192"] {
        let key = private(name);
        for encryption in [Encryption::A256Gcm, Encryption::A128CbcHs256] {
            let message = seal_as(&public(name), "k", encryption, Content::Unsaid, b"{}").expect("sealed");
            assert_eq!(open(&key, &message), Ok(b"{}".to_vec()), "{name}");
        }
    }
}

#[test]
fn what_is_sealed_names_its_key_and_says_that_it_is_json() {
    let message = seal(&public("rsa2048"), "0197", b"{}").expect("sealed");
    let (header, _) = message.split_once('.').expect("segments");
    let header: serde_json::Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
    let expected = serde_json::json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "0197", "cty": "json"});
    assert_eq!(header, expected);
    let parsed = Jwe::parse(message.as_bytes()).expect("parsed");
    assert_eq!((parsed.kid(), parsed.content()), (Some("0197"), Content::Json));
    assert_eq!(parsed.encryption(), Encryption::A256Gcm);
}

#[test]
fn nothing_is_used_twice() {
    let key = public("rsa2048");
    for encryption in [Encryption::A256Gcm, Encryption::A128CbcHs256] {
        let messages =
            [(); 2].map(|()| seal_as(&key, "k", encryption, Content::Json, b"the same").expect("sealed"));
        let [first, second] = messages.each_ref().map(|it| it.split('.').collect::<Vec<_>>());
        assert_eq!(first[0], second[0]);
        assert!((1..5).all(|segment| first[segment] != second[segment]));
    }
}

#[test]
fn no_message_is_longer_than_was_said() {
    let (key, kid) = (public("rsa8192"), "k".repeat(MAX_KID));
    for encryption in [Encryption::A256Gcm, Encryption::A128CbcHs256] {
        for length in (0..40).chain([1000, 70_001]) {
            let plaintext = vec![7; length];
            let message = seal_as(&key, &kid, encryption, Content::Json, &plaintext).expect("sealed");
            assert!(message.len() <= longest(length), "{} of {length}", message.len());
            assert!(Jwe::parse(message.as_bytes()).is_ok());
        }
    }
    // A third and a little, as is promised for bodies.
    assert_eq!(longest(300_000), 403_486);
}

#[test]
fn a_kid_that_would_not_be_read_is_not_written() {
    let key = public("rsa2048");
    assert!(seal(&key, &"k".repeat(MAX_KID), b"{}").is_ok());
    assert_eq!(seal(&key, &"k".repeat(MAX_KID + 1), b"{}"), Err(SealError));
}

#[test]
fn a_private_key_is_rsa_in_pkcs8_and_shows_nothing() {
    assert_eq!(format!("{:?}", private("rsa2048")), "PrivateKey { bits: 2048, .. }");
    let spki = BASE64_STANDARD.decode(body(&fixture("rsa2048.spki.pem"))).expect("base64");
    for other in [pkcs8("ec"), spki, pkcs8("rsa2048")[1..].to_vec(), Vec::new()] {
        assert!(PrivateKey::from_pkcs8(&other).is_err());
    }
}
