use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::{body, bytes, fixture};
use crate::RefusalKind;
use crate::rsa::{RsaKey, RsaRefusal};

fn refusal(text: &str) -> RsaRefusal {
    RsaKey::parse(text).expect_err("must be refused")
}

fn der(name: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(body(&fixture(name))).expect("base64")
}

#[test]
fn canonical_form_is_that_of_openssl() {
    for (bits, name) in [2048, 3072, 4096, 8192].map(|bits| (bits, format!("rsa{bits}.spki.pem"))) {
        let pem = fixture(&name);
        let key = RsaKey::parse(&pem).expect("accepted");
        assert_eq!(key.to_pem(), pem);
        assert_eq!(key.bits(), bits);
        assert_eq!(key.algorithm(), format!("RSA-{bits}"));
        assert_eq!(format!("{key:?}"), format!("RsaKey(RSA-{bits}, {})", key.fingerprint()));
    }
}

#[test]
fn fingerprint_is_sha256_of_the_der() {
    // openssl pkey -pubin -in rsa3072.spki.pem -outform DER | sha256sum
    let key = RsaKey::parse(&fixture("rsa3072.spki.pem")).expect("accepted");
    assert_eq!(key.fingerprint(), fixture("rsa3072.spki.sha256").trim());
}

#[test]
fn every_form_is_the_same_key() {
    let key = RsaKey::parse(&fixture("rsa3072.spki.pem")).expect("accepted");
    let (spki, pkcs1) = (der("rsa3072.spki.pem"), der("rsa3072.pkcs1.pem"));
    let mut forms = vec![fixture("rsa3072.pkcs1.pem")];
    for der in [&spki, &pkcs1] {
        let standard = BASE64_STANDARD.encode(der);
        forms.push(standard.trim_end_matches('=').to_owned());
        forms.push(BASE64_URL_SAFE_NO_PAD.encode(der));
        forms.push(
            standard.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect(),
        );
        forms.push(format!(" \n\t{standard}\n\n"));
        forms.push(standard);
    }
    forms.push(fixture("rsa3072.spki.pem").replace('\n', "\r\n"));
    forms
        .push(format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", BASE64_STANDARD.encode(&spki)));
    forms.push(format!("\n  {}\n\n", fixture("rsa3072.spki.pem")));
    for form in forms {
        assert_eq!(RsaKey::parse(&form).as_ref(), Ok(&key), "{form}");
    }
}

#[test]
fn private_keys_are_called_so() {
    let cases = [
        "rsa3072.key.pem",
        "rsa3072.traditional.key.pem",
        "rsa3072.encrypted.key.pem",
        "rsa3072.dek.key.pem",
        "ec.key.pem",
        "ec.sec1.key.pem",
        "ssh.key",
        "pgp-rsa.key.asc",
    ];
    for name in cases {
        let text = fixture(name);
        let bare = body(&text);
        // Whole, bare, wrapped in a public label, cut short, with garbage behind, beside a public key.
        let public = fixture("rsa3072.spki.pem");
        let disguised = format!("-----BEGIN PUBLIC KEY-----\n{bare}\n-----END PUBLIC KEY-----");
        let twice = BASE64_STANDARD.encode(&text);
        for text in
            [text.clone(), text[..text.len() / 2].to_owned(), text.clone() + "x", public + &text, twice]
        {
            assert_eq!(refusal(&text), RsaRefusal::PrivateKey);
        }
        if !name.contains(".dek.") && !name.contains("asc") {
            for text in [bare.clone(), bare[..64].to_owned(), bare + "AAAA", disguised] {
                assert_eq!(refusal(&text), RsaRefusal::PrivateKey, "{name}");
            }
        }
        assert_eq!(RsaRefusal::PrivateKey.kind(), RefusalKind::Private);
    }
}

#[test]
fn other_private_forms_are_called_so() {
    assert_eq!(refusal(&BASE64_STANDARD.encode(bytes("rsa3072.p12"))), RsaRefusal::PrivateKey);
    assert_eq!(refusal("PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14"), RsaRefusal::PrivateKey);
    assert_eq!(refusal(r#"{"kty":"RSA","n":"AQ","e":"AQAB", "d" : "AQ"}"#), RsaRefusal::PrivateKey);
    assert_eq!(refusal("-----begin rsa private key-----"), RsaRefusal::PrivateKey);
}

#[test]
fn other_kinds_say_what_they_are() {
    let cases = [
        ("rsa3072.cert.pem", RsaRefusal::Certificate),
        ("rsa3072.csr.pem", RsaRefusal::Request),
        ("ec.spki.pem", RsaRefusal::EllipticCurve),
        ("ed25519.spki.pem", RsaRefusal::Edwards),
        ("rsa-pss.spki.pem", RsaRefusal::RestrictedRsa),
        ("ssh.pub.txt", RsaRefusal::OpenSsh),
        ("pgp-rsa.asc", RsaRefusal::PgpCertificate),
        ("rsa1024.spki.pem", RsaRefusal::TooShort),
        ("rsa2048-e3.spki.pem", RsaRefusal::Exponent),
    ];
    for (name, reason) in cases {
        let text = fixture(name);
        assert_eq!(refusal(&text), reason);
        if !text.starts_with("ssh-") && !text.contains("PGP") {
            assert_eq!(refusal(&body(&text)), reason, "bare");
        }
    }
}

#[test]
fn a_binary_pgp_certificate_says_so() {
    assert_eq!(refusal(&BASE64_STANDARD.encode(bytes("pgp-curve.bin"))), RsaRefusal::PgpCertificate);
}

#[test]
fn weak_keys_are_refused() {
    let cases = [
        ("weak-e1.pem", RsaRefusal::Exponent),
        ("weak-e3.pem", RsaRefusal::Exponent),
        ("weak-e17.pem", RsaRefusal::Exponent),
        ("weak-e-even.pem", RsaRefusal::Exponent),
        ("weak-e-65535.pem", RsaRefusal::Exponent),
        ("weak-e-33bit.pem", RsaRefusal::Exponent),
        ("weak-e-huge.pem", RsaRefusal::Exponent),
        ("weak-even.pem", RsaRefusal::EvenModulus),
        ("weak-factor3.pem", RsaRefusal::SmallFactor),
        ("weak-factor65521.pem", RsaRefusal::SmallFactor),
        ("weak-square.pem", RsaRefusal::Power),
        ("weak-cube.pem", RsaRefusal::Power),
        ("weak-fifth.pem", RsaRefusal::Power),
        ("weak-seventh.pem", RsaRefusal::Power),
        ("weak-thirteenth.pem", RsaRefusal::Power),
        ("weak-prime.pem", RsaRefusal::Prime),
        ("weak-factor65537.pem", RsaRefusal::SmallFactor),
        ("weak-factor1048583.pem", RsaRefusal::SmallFactor),
        ("weak-factor16777213.pem", RsaRefusal::SmallFactor),
        ("weak-factor16777259.pem", RsaRefusal::SmallFactor),
        ("weak-pattern.pem", RsaRefusal::Pattern),
        ("weak-badkeys-pattern.pem", RsaRefusal::Pattern),
        ("weak-badkeys-rsapoly128.pem", RsaRefusal::Pattern),
        ("weak-badkeys-debianweak.pem", RsaRefusal::Published),
        ("weak-badkeys-sharedprimes.pem", RsaRefusal::SharedPrime),
        ("weak-rfc7517.pem", RsaRefusal::Published),
        // What our own document had for an example.
        ("weak-example.pem", RsaRefusal::Published),
        ("weak-close.pem", RsaRefusal::ClosePrimes),
        ("weak-close-2.pem", RsaRefusal::ClosePrimes),
        ("weak-close-4096.pem", RsaRefusal::ClosePrimes),
        ("weak-roca.pem", RsaRefusal::Roca),
        ("weak-roca-4096.pem", RsaRefusal::Roca),
        ("weak-2047.pem", RsaRefusal::TooShort),
        ("weak-8193.pem", RsaRefusal::TooLong),
    ];
    for (name, reason) in cases {
        let refused = refusal(&fixture(name));
        assert_eq!(refused, reason);
        assert_eq!(refused.kind(), RefusalKind::Weak);
    }
}

#[test]
fn the_limits_themselves_are_accepted() {
    let cases = ["weak-good.pem", "weak-good-e-max.pem", "weak-8192-e-max.pem"];
    for name in cases {
        assert_eq!(RsaKey::parse(&fixture(name)).map(|key| key.to_pem()), Ok(fixture(name)));
    }
}

#[test]
fn trailing_data_is_refused() {
    let pem = fixture("rsa2048.spki.pem");
    assert_eq!(refusal(&format!("{pem}{pem}")), RsaRefusal::TrailingData);
    assert_eq!(refusal(&format!("{pem}x")), RsaRefusal::TrailingData);
    let mut longer = der("rsa2048.spki.pem");
    longer.push(0);
    assert_eq!(refusal(&BASE64_STANDARD.encode(&longer)), RsaRefusal::TrailingData);
    let inside =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", BASE64_STANDARD.encode(longer));
    assert_eq!(refusal(&inside), RsaRefusal::TrailingData);
}

/// PKCS#1 around numbers as given, with lengths as given.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let number = |digits: &[u8]| {
        let [high, low] = u16::try_from(digits.len()).expect("short").to_be_bytes();
        [&[2, 0x82, high, low], digits].concat()
    };
    let inner = [number(modulus), [&[2, 3][..], exponent].concat()].concat();
    let [high, low] = u16::try_from(inner.len()).expect("short").to_be_bytes();
    [vec![0x30, 0x82, high, low], inner].concat()
}

#[test]
fn der_is_strict() {
    let key = RsaKey::parse(&fixture("rsa2048.spki.pem")).expect("accepted");
    // The modulus is at a fixed place: 33 octets from the start, 0x00 and 256 more.
    let modulus = &key.spki()[32..32 + 257];
    let exponent = [1, 0, 1];
    let send = |der: Vec<u8>| RsaKey::parse(&BASE64_STANDARD.encode(der));
    assert_eq!(send(pkcs1(modulus, &exponent)), Ok(key.clone()));
    assert_eq!(send(pkcs1(&modulus[1..], &exponent)), Err(RsaRefusal::Malformed), "negative");
    assert_eq!(send(pkcs1(&[&[0], modulus].concat(), &exponent)), Err(RsaRefusal::Malformed), "not minimal");
    // No parameters where RFC 3279 wants NULL; an indefinite length; an over-long length.
    let spki = key.spki();
    assert_eq!(spki[17..19], [5, 0]);
    let mut other = spki.to_vec();
    other[17] = 4;
    assert_eq!(send(other), Err(RsaRefusal::Malformed), "parameters");
    let indefinite = [&[0x30, 0x80], &spki[4..], &[0, 0]].concat();
    assert_eq!(send(indefinite), Err(RsaRefusal::Malformed), "indefinite");
    let long = [&[0x30, 0x83, 0, spki[2], spki[3]], &spki[4..]].concat();
    assert_eq!(send(long), Err(RsaRefusal::Malformed), "over-long");
    let mut unused_bits = spki.to_vec();
    assert_eq!(unused_bits[23], 0);
    unused_bits[23] = 1;
    assert!(send(unused_bits).is_err(), "unused bits");
}

#[test]
fn other_text_is_refused() {
    assert_eq!(refusal(""), RsaRefusal::NotAKey);
    assert_eq!(refusal("not a key!"), RsaRefusal::NotAKey);
    assert_eq!(refusal("AAAA"), RsaRefusal::NotAKey);
    assert_eq!(refusal("/+8_-w"), RsaRefusal::NotAKey);
    assert_eq!(refusal(r#"{"kty":"RSA"}"#), RsaRefusal::Jwk);
    assert_eq!(refusal(&BASE64_STANDARD.encode(fixture("rsa2048.spki.pem"))), RsaRefusal::EncodedPem);
    assert_eq!(refusal("-----BEGIN PUBLIC KEY-----\nAAAA"), RsaRefusal::Malformed);
    assert_eq!(refusal("-----BEGIN PUBLIC KEY-----\n-----END RSA PUBLIC KEY-----"), RsaRefusal::Malformed);
    assert_eq!(refusal(&"A".repeat(65 * 1024)), RsaRefusal::TooLarge);
}

#[test]
fn a_generated_key_is_accepted_by_our_own_screening() {
    use crate::generate::{Length, generate};
    let pair = generate(Length::Rsa2048).expect("generated");
    assert_eq!(pair.public.bits(), 2048);
    assert!(!format!("{pair:?}").contains("private"));
    assert_eq!(Length::from_bits(3072), Some(Length::Rsa3072));
    assert_eq!(Length::from_bits(1024), None);
}
