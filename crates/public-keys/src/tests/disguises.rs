//! Private keys in every wrapping that people send them in, and public ones in theirs.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::{body, bytes, fixture, now};
use crate::RefusalKind;
use crate::accepted::{KeyType, accept};
use crate::rsa::{RsaKey, RsaRefusal};

fn percent(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect()
}

/// Lines of 64 columns, each behind `before`.
fn lines(base64: &str, before: &str) -> String {
    base64.as_bytes().chunks(64).map(|line| format!("{before}{}\n", String::from_utf8_lossy(line))).collect()
}

/// Everything that people wrap bytes of a key in.
fn wrapped(der: &[u8]) -> Vec<(&'static str, String)> {
    let base64 = BASE64_STANDARD.encode(der);
    let hex = hex::encode(der);
    let pairs: Vec<String> = der.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("base64", base64.clone()),
        ("base64url", BASE64_URL_SAFE_NO_PAD.encode(der)),
        ("base64 in lines", lines(&base64, "")),
        ("behind a note", format!("# my key\n{}", lines(&base64, ""))),
        ("behind notes of another kind", format!("// my key\n; really\n{}", lines(&base64, ""))),
        ("behind a note on one line", format!("key: {base64}")),
        ("quoted mail", lines(&base64, "> ")),
        ("quoted twice", lines(&base64, ">> ")),
        ("a comment on each line", lines(&base64, "# ")),
        ("quotation marks", format!("\"{base64}\"")),
        ("single quotation marks", format!("'{base64}'")),
        ("a string in JSON", format!("{{\"key\": \"{base64}\"}}")),
        (
            "strings in source code",
            base64
                .as_bytes()
                .chunks(64)
                .map(|line| format!("    \"{}\\n\" +\n", String::from_utf8_lossy(line)))
                .collect(),
        ),
        ("byte order mark", format!("\u{feff}{base64}")),
        ("base64 twice", BASE64_STANDARD.encode(&base64)),
        ("base64 three times", BASE64_STANDARD.encode(BASE64_STANDARD.encode(&base64))),
        ("base64 of lines", BASE64_STANDARD.encode(lines(&base64, ""))),
        ("percent-encoded", percent(&base64)),
        ("percent-encoded twice", percent(&percent(&base64))),
        ("data URL", format!("data:application/octet-stream;base64,{base64}")),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("hex behind 0x", format!("0x{hex}")),
        ("hex with colons", pairs.join(":")),
        ("hex with blanks, in lines", pairs.chunks(16).map(|line| line.join(" ") + "\n").collect()),
        ("hex of source code", pairs.iter().map(|pair| format!("0x{pair}, ")).collect()),
        ("hex escapes", pairs.iter().map(|pair| format!("\\x{pair}")).collect()),
        ("hex of base64", hex::encode(&base64)),
        ("a public label", format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----")),
        (
            "a certificate's label",
            format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----"),
        ),
        ("cut short", base64[..base64.len() / 2].to_owned()),
        ("with garbage behind", format!("{base64}!!!! and more")),
    ]
}

#[test]
fn private_bytes_are_told_in_every_wrapping_and_under_both_types() {
    let keys: Vec<(&str, Vec<u8>)> = vec![
        ("PKCS#8", BASE64_STANDARD.decode(body(&fixture("rsa3072.key.pem"))).expect("base64")),
        ("PKCS#1", BASE64_STANDARD.decode(body(&fixture("rsa3072.traditional.key.pem"))).expect("base64")),
        (
            "encrypted PKCS#8",
            BASE64_STANDARD.decode(body(&fixture("rsa3072.encrypted.key.pem"))).expect("base64"),
        ),
        ("SEC 1", BASE64_STANDARD.decode(body(&fixture("ec.sec1.key.pem"))).expect("base64")),
        ("PKCS#12", bytes("rsa3072.p12")),
        ("OpenSSH", BASE64_STANDARD.decode(body(&fixture("ssh.key"))).expect("base64")),
        ("OpenPGP", super::packets::split_armor_bytes(&fixture("pgp-curve.key.asc"))),
        ("OpenPGP, RSA", super::packets::split_armor_bytes(&fixture("pgp-rsa.key.asc"))),
    ];
    let mut missed = Vec::new();
    for (key, der) in &keys {
        for (wrapping, text) in wrapped(der) {
            for kind in [KeyType::Rsa, KeyType::Pgp] {
                let refusal = accept(kind, &text, now(), None).expect_err("refused");
                if refusal.kind != RefusalKind::Private {
                    missed.push(format!("{key} as {wrapping}, {kind:?}: {}", refusal.reason));
                } else {
                    assert!(refusal.reason.contains("this pair is burnt"));
                }
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn private_texts_are_told_in_every_wrapping_and_under_both_types() {
    let jwk = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86z","e":"AQAB","d":"X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9"}"#;
    let public =
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86z","e":"AQAB"}"#;
    let pem = fixture("rsa3072.key.pem");
    let texts = vec![
        ("JWK", jwk.to_owned()),
        ("JWKS", format!(r#"{{"keys":[{public},{jwk}]}}"#)),
        ("JWK array", format!("[{public}, {jwk}]")),
        ("JWK, broken", jwk.replace('}', "")),
        ("JWK as a string", serde_json::to_string(jwk).expect("JSON")),
        ("JWK in an envelope", format!(r#"{{"data":{{"key":{jwk}}}}}"#)),
        ("JWK of Python", jwk.replace('"', "'")),
        ("JWK, escaped name", jwk.replace("\"d\"", "\"\\u0064\"")),
        ("JWK with primes only", jwk.replace("\"d\":", "\"p\":")),
        ("JWK, symmetric", r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#.to_owned()),
        ("JWK, EC", r#"{"kty":"EC","crv":"P-256","x":"MKBC","y":"4Etl","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#.to_owned()),
        (".NET XML", "<RSAKeyValue><Modulus>xA7S</Modulus><Exponent>AQAB</Exponent><D>Kj2a</D></RSAKeyValue>".to_owned()),
        (".NET XML, escaped", "&lt;RSAKeyValue&gt;&lt;D&gt;Kj2a&lt;/D&gt;&lt;/RSAKeyValue&gt;".to_owned()),
        ("PEM", pem.clone()),
        ("PEM on one line", pem.replace('\n', " ")),
        ("PEM, spelt line ends", pem.replace('\n', "\\n")),
        ("PEM, four dashes", pem.replace("-----", "----")),
        ("PEM, lower case", pem.replace("PRIVATE KEY", "private key")),
        ("PEM, underscores", pem.replace("PRIVATE KEY", "PRIVATE_KEY")),
        ("PEM without its first line", pem.lines().skip(1).collect::<Vec<_>>().join("\n")),
        ("PEM behind a public key", fixture("rsa3072.spki.pem") + &pem),
        ("PEM before a certificate", pem.clone() + &fixture("pgp-curve.asc")),
        ("PEM in UTF-16, base64", BASE64_STANDARD.encode(
            pem.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())),
        ("traditional PEM", fixture("rsa3072.traditional.key.pem")),
        ("encrypted traditional PEM", fixture("rsa3072.dek.key.pem")),
        ("OpenSSH", fixture("ssh.key")),
        ("PGP armor", fixture("pgp-curve.key.asc")),
        ("PuTTY", format!("PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nPublic-Lines: 6\n{}", body(&pem))),
        ("openssl -text", "Private-Key: (3072 bit, 2 primes)\nmodulus:\n    00:c4:0e\nprivateExponent:\n    2a:3d".to_owned()),
        ("age", "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX".to_owned()),
    ];
    let mut missed = Vec::new();
    for (name, text) in texts {
        let wrappings = [
            ("as it is", text.clone()),
            ("byte order mark", format!("\u{feff}{text}")),
            ("base64", BASE64_STANDARD.encode(&text)),
            ("base64 twice", BASE64_STANDARD.encode(BASE64_STANDARD.encode(&text))),
            ("percent-encoded", percent(&text)),
            ("hex", hex::encode(&text)),
            ("quotation marks", format!("\"{text}\"")),
        ];
        for (wrapping, text) in wrappings {
            for kind in [KeyType::Rsa, KeyType::Pgp] {
                let refusal = accept(kind, &text, now(), None).expect_err("refused");
                if refusal.kind != RefusalKind::Private {
                    missed.push(format!("{name}, {wrapping}, {kind:?}: {}", refusal.reason));
                }
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn public_keys_are_read_with_what_stands_around_them() {
    let pem = fixture("rsa3072.spki.pem");
    let wanted = RsaKey::parse(&pem);
    let base64 = body(&pem);
    let pkcs1 = body(&fixture("rsa3072.pkcs1.pem"));
    let certificate = fixture("rsa3072.cert.pem");
    let forms = [
        ("byte order mark", format!("\u{feff}{pem}")),
        (
            "openssl's text before",
            format!("Public-Key: (3072 bit)\nModulus:\n    00:c4:0e:d2\nExponent: 65537\n{pem}"),
        ),
        (
            "bag attributes",
            format!(
                "Bag Attributes\n    friendlyName: PRIVATE KEY of billing\nKey Attributes: <No Attributes>\n{pem}"
            ),
        ),
        ("a comment", format!("# billing, 2026\n{pem}# until 2028\n")),
        ("words", format!("The public key that belongs to our private key:\n\n{pem}")),
        ("spelt line ends", pem.replace('\n', "\\n")),
        ("spelt CR LF", pem.replace('\n', "\\r\\n")),
        ("CR", pem.replace('\n', "\r")),
        ("one line", pem.replace('\n', " ")),
        ("quotation marks", format!("\"{}\"", pem.trim().replace('\n', "\\n"))),
        ("quoted mail", pem.lines().map(|line| format!("> {line}\n")).collect()),
        ("indented", pem.lines().map(|line| format!("    {line}\n")).collect()),
        ("SPKI under RSA PUBLIC KEY", pem.replace("PUBLIC", "RSA PUBLIC")),
        ("PKCS#1 under PUBLIC KEY", format!("-----BEGIN PUBLIC KEY-----\n{pkcs1}\n-----END PUBLIC KEY-----")),
        ("bare, behind a comment", format!("# billing\n{base64}\n")),
        ("bare, in quotation marks", format!("'{base64}'")),
        ("openssl x509 -pubkey", format!("{pem}{certificate}")),
        (
            "openssl x509 -pubkey -text",
            format!("{pem}Certificate:\n    Data:\n        Version: 3 (0x2)\n{certificate}"),
        ),
        ("behind its certificate", format!("{certificate}{pem}")),
        ("no-break spaces", pem.replace('\n', "\n\u{a0}")),
    ];
    for (what, form) in forms {
        assert_eq!(RsaKey::parse(&form), wanted, "{what}");
    }
    let other = fixture("rsa2048.spki.pem");
    assert_eq!(
        RsaKey::parse(&format!("{other}{certificate}")),
        Err(RsaRefusal::TrailingData),
        "another's certificate"
    );
    assert_eq!(RsaKey::parse(&format!("{pem}{other}")), Err(RsaRefusal::TrailingData));
}

#[test]
fn what_is_no_key_says_what_it_is() {
    let spki = BASE64_STANDARD.decode(body(&fixture("rsa3072.spki.pem"))).expect("base64");
    let public =
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86z","e":"AQAB"}"#;
    let cases = [
        (public.to_owned(), RsaRefusal::Jwk),
        (format!("{{\"keys\":[{public}]}}"), RsaRefusal::JwkSet),
        (format!("[{public}]"), RsaRefusal::JwkSet),
        (hex::encode(&spki), RsaRefusal::Hex),
        (percent(&fixture("rsa3072.spki.pem")), RsaRefusal::PercentEncoded),
        (
            "<RSAKeyValue><Modulus>xA7S</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>".to_owned(),
            RsaRefusal::Xml,
        ),
        ("Public-Key: (3072 bit)\nModulus:\n    00:c4:0e".to_owned(), RsaRefusal::Description),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK me@here".to_owned(), RsaRefusal::OtherOpenSsh),
        (
            "AAAAC3NzaC1lZDI1NTE5AAAAIKxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
            RsaRefusal::OtherOpenSsh,
        ),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3Nz\n---- END SSH2 PUBLIC KEY ----".to_owned(),
            RsaRefusal::Ssh2,
        ),
        (fixture("rsa3072.csr.pem"), RsaRefusal::Request),
        (BASE64_STANDARD.encode(fixture("rsa3072.spki.pem")), RsaRefusal::EncodedPem),
    ];
    for (text, reason) in cases {
        assert_eq!(RsaKey::parse(&text), Err(reason), "{text}");
    }
}
