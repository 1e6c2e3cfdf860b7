use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Assertion, Expected, Problem, Verified};

mod foreign;
mod hostile;
mod table;

const NOW: i64 = 1_764_115_200;

const HEADER: &str = r#"{"alg":"PS256","kid":"key-1"}"#;

const EXPECTED: Expected<'_> = Expected {
    clients: &["acme", "7"],
    audiences: &["https://api.example.com/v1/oauth/token", "https://api.example.com"],
    now: NOW,
};

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

static PUBLIC_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| KEY.public_key().as_der().unwrap().as_ref().to_vec());

/// The claims of an honest client, changed as a test wants it.
fn claims(changes: &[(&str, &str)]) -> String {
    let mut claims = vec![
        ("iss", "\"acme\"".to_owned()),
        ("sub", "\"acme\"".to_owned()),
        ("aud", "\"https://api.example.com\"".to_owned()),
        ("exp", (NOW + 60).to_string()),
        ("jti", "\"1\"".to_owned()),
    ];
    for (name, value) in changes {
        claims.retain(|(present, _)| present != name);
        if !value.is_empty() {
            claims.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<String> = claims.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A compact JWS, honestly signed with the algorithm that the header names, or with PS256.
fn signed(header: &str, claims: &str) -> String {
    let encoding = match header {
        header if header.contains("RS384") => &RSA_PKCS1_SHA384,
        header if header.contains("RS256") => &RSA_PKCS1_SHA256,
        header if header.contains("PS384") => &RSA_PSS_SHA384,
        header if header.contains("PS512") => &RSA_PSS_SHA512,
        _ => &RSA_PSS_SHA256,
    };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut signature = vec![0; KEY.public_modulus_len()];
    KEY.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn judge(assertion: &str) -> Result<Verified, Problem> {
    Assertion::parse(assertion)?.verify(&PUBLIC_KEY, &EXPECTED)
}
