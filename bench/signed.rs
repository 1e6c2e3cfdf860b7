//! Signed requests (contract 12.1): how many signatures one core verifies, which is the limit, and requests signed
//! beforehand, because no load generator signs at the rate at which the service verifies. Run by `bench/run`.
//!
//!     signed verify KEY SECONDS
//!     signed sign KEY KEYID ORIGIN CREATED <targets >requests
//!
//! KEY is a file with an RSA key in PKCS#8 DER.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured and made")]

use std::hint::black_box;
use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA512, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["verify", key, seconds] => {
            let seconds = seconds.parse().map(Duration::from_secs).map_err(io::Error::other)?;
            println!("{:.0}", verifications(&read(key)?, seconds));
            Ok(())
        }
        ["sign", key, keyid, origin, created] => sign(&read(key)?, keyid, origin, created),
        // `cargo bench` without arguments.
        _ => Ok(()),
    }
}

fn read(path: &str) -> io::Result<KeyPair> {
    KeyPair::from_pkcs8(&std::fs::read(path)?).map_err(io::Error::other)
}

/// The signature base of a request (RFC 9421 2.5) and what `Signature-Input` says.
fn base(target: &str, keyid: &str, origin: &str, created: &str) -> (String, String) {
    let input =
        format!("(\"@method\" \"@target-uri\");created={created};keyid=\"{keyid}\";alg=\"rsa-pss-sha512\"");
    let base = format!("\"@method\": GET\n\"@target-uri\": {origin}{target}\n\"@signature-params\": {input}");
    (base, input)
}

fn signature(key: &KeyPair, base: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    let signed = key.sign(&RSA_PSS_SHA512, &SystemRandom::new(), base.as_bytes(), &mut signature);
    signed.expect("a key signs");
    signature
}

/// For each target a line of target, `Signature-Input` and `Signature`, separated by tabs.
fn sign(key: &KeyPair, keyid: &str, origin: &str, created: &str) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for target in io::stdin().lock().lines() {
        let target = target?;
        let (base, input) = base(&target, keyid, origin, created);
        let signature = BASE64_STANDARD.encode(signature(key, &base));
        writeln!(out, "{target}\tsig1={input}\tsig1=:{signature}:")?;
    }
    out.flush()
}

/// Verifications a second on one core, as the service does them.
fn verifications(key: &KeyPair, lasting: Duration) -> f64 {
    let spki: PublicKeyX509Der<'_> = key.public_key().as_der().expect("a key has DER");
    let spki: &[u8] = spki.as_ref();
    let id = "0192f0c1-2345-7abc-8def-0123456789ab";
    let (base, _) = base(&format!("/v1/users/{id}"), id, "http://127.0.0.1:8080", "1795248000");
    let signature = signature(key, &base);
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < lasting {
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, black_box(spki));
        key.verify(base.as_bytes(), black_box(&signature)).expect("it is good");
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}
