use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::{at, body, bytes, fixture, now};
use crate::encrypt::{EncryptError, to_jwe, to_pgp};
use crate::generate::{Length, generate};
use crate::pgp::PgpRefusal;
use crate::rsa::RsaKey;
use crate::verify::{BadSignature, Scheme, verify};

/// Opens a compact JWE as RFC 7516 section 5.2 says.
fn open_jwe(pkcs8: &[u8], jwe: &str) -> (String, Vec<u8>) {
    let parts: Vec<&str> = jwe.split('.').collect();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let key =
        OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(pkcs8).expect("key")).expect("key");
    let mut content_key = vec![0; key.min_output_size()];
    let content_key =
        key.decrypt(&OAEP_SHA256_MGF1SHA256, &decode(parts[1]), &mut content_key, None).expect("cek");
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content_key).expect("32 octets"));
    let nonce = Nonce::try_assume_unique_for_key(&decode(parts[2])).expect("12 octets");
    let mut sealed = [decode(parts[3]), decode(parts[4])].concat();
    let opened =
        cipher.open_in_place(nonce, Aad::from(parts[0].as_bytes()), &mut sealed).expect("opens").to_vec();
    (String::from_utf8(decode(parts[0])).expect("text"), opened)
}

#[test]
fn a_jwe_opens_with_the_private_half() {
    let pair = generate(Length::Rsa2048).expect("generated");
    for plaintext in [&b""[..], b"secret", &[7; 70_000]] {
        let jwe = to_jwe(&pair.public, "an-id", plaintext).expect("encrypted");
        let (header, opened) = open_jwe(&pair.private, &jwe);
        assert_eq!(opened, plaintext);
        let header: serde_json::Value = serde_json::from_str(&header).expect("JSON");
        assert_eq!(header, serde_json::json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "an-id"}));
    }
}

#[test]
fn a_jwe_opens_with_an_8192_bit_key_of_openssl() {
    let key = RsaKey::parse(&fixture("rsa8192.spki.pem")).expect("accepted");
    let private = BASE64_STANDARD.decode(body(&fixture("rsa8192.key.pem"))).expect("base64");
    assert_eq!(open_jwe(&private, &to_jwe(&key, "k", b"secret").expect("encrypted")).1, b"secret");
}

#[test]
fn signatures_by_openssl_verify() {
    let cases = [
        (Scheme::Pkcs1Sha256, "pkcs1-sha256.sig"),
        (Scheme::Pkcs1Sha384, "pkcs1-sha384.sig"),
        (Scheme::PssSha256, "pss-sha256.sig"),
        (Scheme::PssSha384, "pss-sha384.sig"),
        (Scheme::PssSha512, "pss-sha512.sig"),
    ];
    for (scheme, name) in cases {
        let key = RsaKey::parse(&fixture("rsa3072.spki.pem")).expect("accepted");
        let other = RsaKey::parse(&fixture("rsa2048.spki.pem")).expect("accepted");
        let (message, signature) = (bytes("message.txt"), bytes(name));
        assert_eq!(verify(&key, scheme, &message, &signature), Ok(()));
        assert_eq!(verify(&key, scheme, b"another message", &signature), Err(BadSignature));
        assert_eq!(verify(&other, scheme, &message, &signature), Err(BadSignature));
        assert_eq!(verify(&key, scheme, &message, &signature[1..]), Err(BadSignature));
        assert_eq!(verify(&key, scheme, &message, b""), Err(BadSignature));
        for (wrong, _) in cases {
            assert_eq!(verify(&key, wrong, &message, &signature).is_ok(), wrong == scheme);
        }
    }
}

/// Opens with rPGP, which the service itself never does.
fn open_pgp(secret: &str, message: &str) -> (Vec<u8>, bool) {
    use pgp::composed::{Deserializable, Message, SignedSecretKey};
    let (secret, _) = SignedSecretKey::from_string(secret).expect("secret key");
    let (message, _) = Message::from_string(message).expect("message");
    let Message::Encrypted { ref edata, .. } = message else { panic!("encrypted") };
    let aead = format!("{edata:?}").contains("Seipd(V2");
    let mut opened = message.decrypt(&"".into(), &secret).expect("decrypts");
    (opened.as_data_vec().expect("data"), aead)
}

#[test]
fn a_pgp_message_opens_with_the_secret_key() {
    let cases = ["rsa", "curve", "nist", "p521", "alone", "signing-subkey", "two-subkeys"];
    for name in cases {
        use crate::pgp::PgpCertificate;
        let certificate =
            PgpCertificate::parse(&fixture(&format!("pgp-{name}.asc")), now()).expect("accepted");
        let message = to_pgp(certificate.armored(), b"secret", now()).expect("encrypted");
        assert!(message.starts_with("-----BEGIN PGP MESSAGE-----\n"));
        assert_eq!(open_pgp(&fixture(&format!("pgp-{name}.key.asc")), &message), (b"secret".to_vec(), false));
    }
}

#[test]
fn a_version_6_certificate_gets_aead() {
    let message = to_pgp(&fixture("pgp-rfc9580-a3.asc"), b"secret", now()).expect("encrypted");
    assert_eq!(open_pgp(&fixture("pgp-rfc9580-a4.key.asc"), &message), (b"secret".to_vec(), true));
}

#[test]
fn a_stored_certificate_is_judged_again_when_used() {
    let certificate = fixture("pgp-subkey-2027.asc");
    assert!(to_pgp(&certificate, b"", at("2026-12-31T00:00:00Z")).is_ok());
    let late = to_pgp(&certificate, b"", at("2027-02-01T00:00:00Z"));
    assert_eq!(late, Err(EncryptError::Certificate(PgpRefusal::NoEncryptionKey(None))));
}
