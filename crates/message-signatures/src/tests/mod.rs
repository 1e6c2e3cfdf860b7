use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaSignatureEncoding};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Algorithm, Base, Problem, RequestHead, Signed, VerifyingKey};

mod components;
mod hostile;
mod responses;
mod rfc;
mod salt;
mod table;
mod wycheproof;

/// An instant, and the `created` of most signatures here.
const NOW: i64 = 1_618_884_473;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

fn public_key() -> VerifyingKey {
    VerifyingKey::new(KEY.public_key().as_der().unwrap().as_ref().to_vec())
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn head<'a>(method: &'a str, target: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
    let base = Base { scheme: "https", authority: "example.com" };
    RequestHead { method, target, headers, base, has_body: headers.contains_key("content-digest") }
}

fn sign(encoding: &'static RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; KEY.public_modulus_len()];
    KEY.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

/// Signs `head` as `input` says, in the two fields, which are added to its `headers`.
fn signed_headers(head: &RequestHead<'_>, input: &str) -> Result<HeaderMap, Problem> {
    let mut headers = head.headers.clone();
    headers.insert("signature-input", HeaderValue::from_str(&format!("sig={input}")).unwrap());
    headers.insert("signature", HeaderValue::from_static("sig=::"));
    let read = Signed::parse(&RequestHead { headers: &headers, ..*head })?.unwrap();
    let encoding = match read.algorithm() {
        Algorithm::RsaPssSha512 => &RSA_PSS_SHA512,
        Algorithm::RsaV15Sha256 => &RSA_PKCS1_SHA256,
    };
    let signature = BASE64_STANDARD.encode(sign(encoding, read.signature_base().as_bytes()));
    headers.insert("signature", HeaderValue::from_str(&format!("sig=:{signature}:")).unwrap());
    Ok(headers)
}

/// What a verifier says at [`NOW`].
fn judge(head: &RequestHead<'_>) -> Result<(), Problem> {
    let signed = Signed::parse(head)?.expect("a signature");
    signed.check_coverage()?;
    signed.check_time(NOW)?;
    signed.verify(&public_key())
}

/// Signs and judges.
fn sign_and_judge(head: &RequestHead<'_>, input: &str) -> Result<(), Problem> {
    let headers = signed_headers(head, input)?;
    judge(&RequestHead { headers: &headers, ..*head })
}
