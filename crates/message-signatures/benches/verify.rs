//! Where the time of a signed GET goes, and what the dearest head that a stranger can send costs.
//!
//! `cargo bench -p message-signatures`; microseconds, the median of many.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA512};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use message_signatures::{Base, RequestHead, Signed, VerifyingKey};

const CREATED: i64 = 1_764_122_400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (size, bits) in [(KeySize::Rsa2048, 2048), (KeySize::Rsa4096, 4096)] {
        let pair = KeyPair::generate(size)?;
        let key = VerifyingKey::new(pair.public_key().as_der()?.as_ref().to_vec());
        let headers = signed(&pair)?;
        let head = head("/v1/users?limit=25", &headers);
        let signed = Signed::parse(&head)?.ok_or("not signed")?;
        signed.verify(&key)?;
        report(&format!("RSA {bits}: read"), || drop(black_box(Signed::parse(&head))));
        report(&format!("RSA {bits}: verify"), || drop(black_box(signed.verify(&key))));
    }
    hostile()
}

fn head<'a>(target: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
    let base = Base { scheme: "https", authority: "api.example.com" };
    RequestHead { method: "GET", target, headers, base, has_body: false }
}

/// The fields of a GET as a partner would sign it.
fn signed(pair: &KeyPair) -> Result<HeaderMap, Box<dyn std::error::Error>> {
    let input = format!(
        r#"("@method" "@target-uri");created={CREATED};keyid="01938c5e-1f5a-7c3e-8f00-000000000001";alg="rsa-pss-sha512""#
    );
    let mut headers = HeaderMap::new();
    headers.insert("host", "api.example.com".parse()?);
    headers.insert("accept", "application/json".parse()?);
    headers.insert("signature-input", format!("sig={input}").parse()?);
    headers.insert("signature", "sig=:AA==:".parse()?);
    let base = Signed::parse(&head("/v1/users?limit=25", &headers))?.ok_or("not signed")?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA512, &SystemRandom::new(), base.signature_base().as_bytes(), &mut signature)?;
    headers.insert("signature", format!("sig=:{}:", BASE64_STANDARD.encode(signature)).parse()?);
    Ok(headers)
}

/// As much parsing as may be asked for (`MAX_BASE`).
fn hostile() -> Result<(), Box<dyn std::error::Error>> {
    let many = |prefix: char, count: usize, separator: &str| {
        let each: Vec<String> = (0..count).map(|at| format!("{prefix}{at}=1")).collect();
        each.join(separator)
    };
    let target = format!("/a?{}", many('q', 7_000, "&"));
    for (name, target, members, components) in [
        ("members of a dictionary", "/a", 3_000, r#""d";key="m1" "d";key="m2""#),
        ("a dictionary as a whole", "/a", 6_000, r#""d";sf"#),
        ("a parameter of a query", &*target, 0, r#""@query-param";name="q1""#),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("d", many('m', members, ", ").parse()?);
        let input = format!("sig=({components});created={CREATED};keyid=\"k\"");
        headers.insert("signature-input", input.parse()?);
        headers.insert("signature", "sig=:AA==:".parse()?);
        let head = head(target, &headers);
        Signed::parse(&head)?;
        report(&format!("64 KiB of {name}"), || drop(black_box(Signed::parse(&head))));
    }
    Ok(())
}

fn report(name: &str, mut work: impl FnMut()) {
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || (started.elapsed().as_millis() < 1_000 && times.len() < 100_000) {
        let before = Instant::now();
        work();
        times.push(before.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e6;
    println!("{name:<40} {median:>8.1} µs");
}
