use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::packets::{binary, join, parse_binary, split};
use super::{at, body, bytes, fixture, now};
use crate::RefusalKind;
use crate::pgp::{PgpCertificate, PgpRefusal, SubkeyFault};
use crate::rsa::RsaRefusal;

fn parse(name: &str) -> Result<PgpCertificate, PgpRefusal> {
    PgpCertificate::parse(&fixture(&format!("pgp-{name}.asc")), now())
}

fn accepted(name: &str) -> PgpCertificate {
    parse(name).unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
}

const CURVE: &str = "curve";

#[test]
fn keys_made_by_gpg_are_accepted() {
    let cases = [
        ("rsa", "RSA-3072", "RSA-3072"),
        ("curve", "Ed25519", "X25519"),
        ("nist", "ECDSA-P256", "ECDH-P384"),
        ("p521", "ECDSA-P521", "ECDH-P521"),
        ("alone", "RSA-2048", "RSA-2048"),
        ("signing-subkey", "Ed25519", "X25519"),
        ("extended", "Ed25519", "X25519"),
        ("revoked-uid", "Ed25519", "X25519"),
        ("third-party", "Ed25519", "X25519"),
    ];
    for (name, primary, encryption) in cases {
        let certificate = accepted(name);
        assert_eq!(certificate.algorithm(), primary, "{name}");
        let keys = certificate.encryption_keys();
        assert_eq!(keys.len(), 1, "{name}");
        assert_eq!(keys[0].algorithm, encryption, "{name}");
        assert!(certificate.fingerprint().chars().all(|c| matches!(c, '0'..='9' | 'A'..='F')));
        assert_eq!(certificate.fingerprint().len(), 40);
        let debug = format!("{certificate:?}");
        assert_eq!(debug, format!("PgpCertificate({primary}, {})", certificate.fingerprint()));
    }
}

#[test]
fn fingerprints_are_those_of_gpg() {
    let expected = fixture("pgp-fingerprints.txt");
    for line in expected.lines() {
        let mut words = line.split_whitespace();
        let (name, primary) = (words.next().expect("name"), words.next().expect("fingerprint"));
        let certificate = accepted(name);
        assert_eq!(certificate.fingerprint(), primary);
        let subkeys: Vec<_> =
            certificate.encryption_keys().iter().map(|key| key.fingerprint.as_str()).collect();
        assert_eq!(subkeys, words.collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn every_form_is_the_same_certificate() {
    let armor = fixture("pgp-curve.asc");
    let certificate = accepted(CURVE);
    let binary = binary(CURVE);
    let (head, rest) = armor.split_once("\n\n").expect("blank line");
    let without_checksum: String =
        armor.lines().filter(|line| !line.starts_with('=')).map(|line| line.to_owned() + "\n").collect();
    let forms = [
        armor.replace('\n', "\r\n"),
        format!("\n \n{armor}\n\n"),
        format!("{head}\nVersion: x\nComment: y: z\n\n{rest}"),
        armor.replacen("\n\n", "\n", 1),
        without_checksum,
        armor.replace("\n=", "\n=AAAA\n=").replace("=AAAA\n=", "=").replace("\n\n-", "\n-"),
        BASE64_STANDARD.encode(&binary),
        BASE64_URL_SAFE_NO_PAD.encode(&binary),
        BASE64_STANDARD.encode(&armor),
        BASE64_STANDARD.encode(join(&split(&binary))),
    ];
    for form in forms {
        assert_eq!(PgpCertificate::parse(&form, now()).as_ref(), Ok(&certificate), "{form}");
    }
}

#[test]
fn the_canonical_form_is_its_own() {
    for name in
        ["rsa", "curve", "nist", "p521", "alone", "signing-subkey", "third-party", "two-subkeys", "two-uids"]
    {
        let certificate = accepted(name);
        assert_eq!(PgpCertificate::parse(certificate.armored(), now()).as_ref(), Ok(&certificate), "{name}");
    }
}

#[test]
fn what_others_signed_or_nobody_is_stripped() {
    // The same key before and after others signed it.
    assert_eq!(accepted("third-party").armored(), accepted(CURVE).armored());
    let packets = split(&binary(CURVE));
    let signature = |index: usize| packets[index].clone();
    let mut dirty = packets.clone();
    dirty.insert(1, (60, b"experimental".to_vec()));
    dirty.insert(2, signature(4));
    dirty.insert(3, (10, b"PGP".to_vec()));
    dirty.extend([(17, b"portrait".to_vec()), signature(2), (13, b"unsigned <a@b>".to_vec())]);
    dirty.extend([(13, b"stolen <a@b>".to_vec()), signature(2), (14, packets[3].1.clone()), (12, vec![1])]);
    let stripped = parse_binary(&join(&dirty)).expect("accepted");
    assert_eq!(stripped.armored(), accepted(CURVE).armored());
}

#[test]
fn unhashed_junk_is_stripped() {
    let mut packets = split(&binary(CURVE));
    // After the version, type and algorithms: the hashed area, then the unhashed one.
    let body = &mut packets[2].1;
    let hashed = usize::from(u16::from_be_bytes([body[4], body[5]]));
    let unhashed = 6 + hashed;
    let length = u16::from_be_bytes([body[unhashed], body[unhashed + 1]]);
    let junk = [5, 100, b'j', b'u', b'n', b'k'];
    let longer = length + u16::try_from(junk.len()).expect("short");
    body.splice(unhashed..unhashed + 2, longer.to_be_bytes().into_iter().chain(junk));
    assert_eq!(parse_binary(&join(&packets)), parse(CURVE));
}

#[test]
fn private_keys_are_called_so() {
    for name in ["rsa", "curve", "nist", "alone"] {
        let armor = fixture(&format!("pgp-{name}.key.asc"));
        let binary = {
            let base64 = body(&armor);
            BASE64_STANDARD.decode(base64.rsplit_once('=').expect("checksum").0).expect("base64")
        };
        let disguised = armor.replace("PRIVATE", "PUBLIC");
        let beside = fixture("pgp-rsa.asc") + &armor;
        let behind = [bytes("pgp-curve.bin"), binary.clone()].concat();
        let forms = [
            armor[..200].to_owned(),
            BASE64_STANDARD.encode(&armor),
            BASE64_STANDARD.encode(&binary),
            BASE64_STANDARD.encode(&binary[..60]),
            BASE64_STANDARD.encode(&behind),
            armor,
            disguised,
            beside,
        ];
        for form in forms {
            let refusal = PgpCertificate::parse(&form, now()).expect_err("refused");
            assert_eq!(refusal, PgpRefusal::PrivateKey, "{name}");
            assert_eq!(refusal.kind(), RefusalKind::Private);
        }
    }
    assert_eq!(PgpCertificate::parse(&fixture("rsa2048.key.pem"), now()), Err(PgpRefusal::PrivateKey));
}

#[test]
fn unsuitable_certificates_say_why() {
    let cases = [
        ("dsa", PgpRefusal::Dsa),
        ("brainpool", PgpRefusal::UnsupportedAlgorithm),
        ("rsa1024", PgpRefusal::WeakRsa(RsaRefusal::TooShort)),
        ("revoked", PgpRefusal::Revoked),
        ("sha1", PgpRefusal::WeakSelfSignature),
        ("several", PgpRefusal::SeveralCertificates),
        ("message", PgpRefusal::NotACertificate),
        ("signature", PgpRefusal::NotACertificate),
    ];
    for (name, refusal) in cases {
        assert_eq!(parse(name), Err(refusal), "{name}");
    }
    assert!(matches!(parse("expired"), Err(PgpRefusal::Expired(_))));
    let text = PgpRefusal::WeakRsa(RsaRefusal::TooShort).to_string();
    assert!(text.starts_with("has an RSA key that is shorter than 2048 bits; make a new pair: "), "{text}");
}

#[test]
fn certificates_without_an_encryption_key_say_why() {
    let cases = [
        ("no-encryption", None),
        ("signer", Some(SubkeyFault::NotForEncryption)),
        ("revoked-subkey", Some(SubkeyFault::Revoked)),
        ("sha1-binding", Some(SubkeyFault::WeakBinding)),
        ("rsa1024-subkey", Some(SubkeyFault::WeakKey)),
        ("elgamal-subkey", Some(SubkeyFault::Unsupported)),
    ];
    for (name, fault) in cases {
        let refusal = accepted(name).require_encryption(now());
        assert_eq!(refusal, Err(PgpRefusal::NoEncryptionKey(fault)), "{name}");
    }
    let certificate = PgpCertificate::parse(&fixture("pgp-subkey-2027.asc"), at("2027-06-01T00:00:00Z"));
    let refusal = certificate.expect("accepted").require_encryption(now());
    assert!(matches!(refusal, Err(PgpRefusal::NoEncryptionKey(Some(SubkeyFault::Expired(_))))));
}

#[test]
fn the_encryption_key_must_outlive_the_registration() {
    for name in ["subkey-2027", "primary-2027"] {
        let certificate = accepted(name);
        let expires = certificate.encryption_keys()[0].expires.expect("expires");
        assert_eq!(expires.date_naive(), at("2027-01-01T00:00:00Z").date_naive(), "{name}");
        assert_eq!(certificate.require_encryption(expires), Ok(()));
        let later = expires + chrono::TimeDelta::seconds(1);
        assert_eq!(
            certificate.require_encryption(later),
            Err(PgpRefusal::ExpiresTooSoon { last: expires, is_primary: name == "primary-2027" })
        );
    }
    assert_eq!(accepted(CURVE).require_encryption(at("2099-01-01T00:00:00Z")), Ok(()));
}

#[test]
fn time_decides() {
    let armor = fixture("pgp-extended.asc");
    let judged = |time: &str| PgpCertificate::parse(&armor, at(time)).map(|_| ());
    assert!(matches!(judged("2025-12-31T23:00:00Z"), Err(PgpRefusal::NotYetValid(_))));
    assert_eq!(judged("2026-01-16T00:00:00Z"), Ok(()));
    assert_eq!(judged("2029-12-31T00:00:00Z"), Ok(()));
    assert!(matches!(judged("2030-01-02T00:00:00Z"), Err(PgpRefusal::Expired(_))));
}

#[test]
fn a_revocation_counts_even_before_its_time() {
    let certificate = PgpCertificate::parse(&fixture("pgp-revoked.asc"), at("2026-01-01T00:00:01Z"));
    assert_eq!(certificate, Err(PgpRefusal::Revoked));
}

#[test]
fn the_newest_encryption_subkey_comes_first() {
    let keys = accepted("two-subkeys");
    let newest = split(&binary("two-subkeys"))[5].1.clone();
    assert_eq!(newest[1..5], 1_769_904_000_u32.to_be_bytes(), "made 2026-02-01");
    let mut swapped = split(&binary("two-subkeys"));
    swapped.rotate_right(2);
    swapped[..5].rotate_left(2);
    let swapped = parse_binary(&join(&swapped)).expect("accepted");
    assert_eq!(swapped.encryption_keys(), keys.encryption_keys());
    assert_eq!(keys.encryption_keys().len(), 2);
}
