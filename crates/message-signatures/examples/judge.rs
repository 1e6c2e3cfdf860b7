//! Judges requests and signs responses for other implementations: JSON lines in, JSON lines out.
//!
//! In: `{method, target, scheme, authority, headers: [[name, value]..], body, spki, now}`, the last three
//! optional, `spki` in base64 DER, `body` in base64. Out: `{problem}` or
//! `{keyid, algorithm, covered, base, until}`. With `respond: {status, keyid, pkcs8, body}` beside it, out is
//! `{headers: [[name, value]..], base}`.

#![expect(clippy::print_stdout, reason = "its answers are its output")]

use std::io::BufRead as _;

use aws_lc_rs::rsa::KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use message_signatures::respond::{Question, prepare};
use message_signatures::{Base, RequestHead, Signed, VerifyingKey, digest};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(&serde_json::from_str(&line?)?)?);
    }
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text(value, name)).unwrap_or_default()
}

fn answer(line: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let mut headers = HeaderMap::new();
    for pair in line["headers"].as_array().into_iter().flatten() {
        let name = HeaderName::from_bytes(pair[0].as_str().unwrap_or_default().as_bytes())?;
        headers.append(name, HeaderValue::from_bytes(pair[1].as_str().unwrap_or_default().as_bytes())?);
    }
    let body = bytes(line, "body");
    let head = RequestHead {
        method: text(line, "method"),
        target: text(line, "target"),
        headers: &headers,
        base: Base { scheme: text(line, "scheme"), authority: text(line, "authority") },
        has_body: !body.is_empty(),
    };
    let signed = Signed::parse(&head);
    if line["respond"].is_object() {
        let signed = signed.ok().flatten();
        return respond(&line["respond"], &head, signed.as_ref());
    }
    let verdict = signed.and_then(|signed| {
        let Some(signed) = signed else { return Ok(json!({ "problem": "not signed" })) };
        signed.check_time(line["now"].as_i64().unwrap_or_default())?;
        signed.verify(&VerifyingKey::new(bytes(line, "spki")))?;
        if head.has_body {
            digest::check(&headers, &body)?;
        }
        Ok(json!({
            "keyid": signed.keyid(), "algorithm": signed.algorithm().name(), "covered": signed.covered(),
            "base": signed.signature_base(), "until": signed.usable_until(),
        }))
    });
    Ok(verdict.unwrap_or_else(|problem| json!({ "problem": problem.to_string() })))
}

fn respond(
    line: &Value,
    head: &RequestHead<'_>,
    signed: Option<&Signed>,
) -> Result<Value, Box<dyn std::error::Error>> {
    let body = line["body"].is_string().then(|| bytes(line, "body"));
    let status = StatusCode::try_from(u16::try_from(line["status"].as_u64().unwrap_or(200))?)?;
    let (question, digest) = (Question::of(head, signed), body.as_deref().map(digest::of));
    let created = line["created"].as_i64().unwrap_or_default();
    let unsigned = prepare(&question, status, digest, text(line, "keyid"), created)?;
    let base = unsigned.signature_base().to_owned();
    let key = KeyPair::from_pkcs8(&bytes(line, "pkcs8"))?;
    let mut headers = HeaderMap::new();
    unsigned.sign(&key)?.apply(&mut headers);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.to_str().unwrap_or_default()]))
        .collect();
    Ok(json!({ "headers": headers, "base": base }))
}
