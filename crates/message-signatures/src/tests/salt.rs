//! The salt of `rsa-pss-sha512` (RFC 9421 3.3.1).

use aws_lc_rs::signature::{RSA_PSS_SHA512, RsaPssSaltLength, RsaSignatureEncoding};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue};

use super::{NOW, head, judge, sign, signed_headers};
use crate::{Problem, RequestHead, Signed};

/// The verdict on a GET of `target` that was signed with `encoding` for `/`.
fn verdict(encoding: &'static RsaSignatureEncoding, target: &str) -> Result<(), Problem> {
    let none = HeaderMap::new();
    let input = format!("(\"@method\" \"@target-uri\");created={NOW};keyid=\"k\"");
    let mut headers = signed_headers(&head("GET", "/", &none), &input)?;
    let read = Signed::parse(&head("GET", "/", &headers))?.expect("a signature");
    let signature = BASE64_STANDARD.encode(sign(encoding, read.signature_base().as_bytes()));
    headers.insert("signature", HeaderValue::from_str(&format!("sig=:{signature}:")).unwrap());
    judge(&RequestHead { headers: &headers, ..head("GET", target, &none) })
}

/// Node, Go and OpenSSL make the longest that fits unless they are told otherwise.
#[test]
fn the_longest_salt_is_refused_with_the_reason() {
    const LONGEST: RsaSignatureEncoding = RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Max);
    assert_eq!(verdict(&RSA_PSS_SHA512, "/"), Ok(()));
    assert_eq!(verdict(&LONGEST, "/"), Err(Problem::Salt));
    assert_eq!(verdict(&LONGEST, "/other"), Err(Problem::Signature));
    assert!(
        Problem::Salt.to_string().contains("must have 64 bytes (RFC 9421 3.3.1): in Node `saltLength: 64`")
    );
}

#[test]
fn another_salt_is_no_signature() {
    const SHORT: RsaSignatureEncoding = RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(32));
    const NONE: RsaSignatureEncoding = RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(0));
    assert_eq!(verdict(&SHORT, "/"), Err(Problem::Signature));
    assert_eq!(verdict(&NONE, "/"), Err(Problem::Signature));
}
