//! Responses that are signed, and when.

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA512, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode};

use super::{KEY, NOW, head, headers, public_key, signed_headers};
use crate::respond::{Question, prepare};
use crate::{RequestHead, Signed, accept, digest};

#[test]
fn a_response_is_bound_to_its_request() {
    let none = HeaderMap::new();
    let request = head("POST", "/v1/users?a=b", &none);
    let question = Question::of(&request, None);
    let digest = Some(digest::of(b"{\"hello\": \"world\"}\n"));
    let keyid = "01938c5e-1f5a-7c3e-8f00-000000000001";
    let unsigned = prepare(&question, StatusCode::CREATED, digest, keyid, NOW).unwrap();
    let base = unsigned.signature_base().to_owned();
    assert_eq!(
        base.split('\n').collect::<Vec<_>>(),
        [
            r#""@status": 201"#,
            r#""content-digest": sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"#,
            r#""@method";req: POST"#,
            r#""@target-uri";req: https://example.com/v1/users?a=b"#,
            r#""@signature-params": ("@status" "content-digest" "@method";req "@target-uri";req);created=1618884473;keyid="01938c5e-1f5a-7c3e-8f00-000000000001";alg="rsa-pss-sha512";tag="partner-api""#,
        ]
    );

    let mut reply = headers(&[("content-digest", "sha-256=:AAAA:")]);
    unsigned.sign(&KEY).unwrap().apply(&mut reply);
    assert_eq!(reply.len(), 3);
    assert_eq!(reply["content-digest"], "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    assert_eq!(
        reply["signature-input"],
        r#"partner-api=("@status" "content-digest" "@method";req "@target-uri";req);created=1618884473;keyid="01938c5e-1f5a-7c3e-8f00-000000000001";alg="rsa-pss-sha512";tag="partner-api""#
    );
    let signature = reply["signature"].to_str().unwrap();
    let signature = signature.strip_prefix("partner-api=:").unwrap().strip_suffix(':').unwrap();
    let signature = BASE64_STANDARD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, public_key().der())
        .verify(base.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn a_signed_request_is_covered_with_its_signature() {
    let none = HeaderMap::new();
    let request = head("GET", "/", &none);
    let sent = signed_headers(&request, r#"("@method" "@target-uri");created=1618884473;keyid="k""#).unwrap();
    let request = RequestHead { headers: &sent, ..request };
    let signed = Signed::parse(&request).unwrap().unwrap();
    let question = Question::of(&request, Some(&signed));
    let unsigned = prepare(&question, StatusCode::NO_CONTENT, None, "k", NOW).unwrap();
    let signature = sent["signature"].to_str().unwrap().strip_prefix("sig=").unwrap();
    assert_eq!(
        unsigned.signature_base().split('\n').collect::<Vec<_>>(),
        [
            r#""@status": 204"#,
            r#""@method";req: GET"#,
            r#""@target-uri";req: https://example.com/"#,
            &format!(r#""signature";req;key="sig": {signature}"#),
            r#""@signature-params": ("@status" "@method";req "@target-uri";req "signature";req;key="sig");created=1618884473;keyid="k";alg="rsa-pss-sha512";tag="partner-api""#,
        ]
    );
    let mut reply = HeaderMap::new();
    unsigned.sign(&KEY).unwrap().apply(&mut reply);
    assert!(!reply.contains_key("content-digest"));
}

#[test]
fn a_key_id_that_is_no_string_is_refused() {
    let none = HeaderMap::new();
    let request = head("GET", "/", &none);
    let question = Question::of(&request, None);
    let prepare = |keyid| prepare(&question, StatusCode::OK, None, keyid, NOW);
    assert!(prepare("a\nb").is_err());
    assert!(prepare("a\"b").unwrap().signature_base().contains(r#"keyid="a\"b""#));
}

#[test]
fn a_signature_is_asked_for_with_our_tag_or_without_one() {
    for (field, expected) in [
        (r#"sig=("@status");tag="partner-api""#, true),
        (r#"sig=("@status" "content-digest";req)"#, true),
        ("sig=()", true),
        (r#"a=();tag="other", b=();tag="partner-api""#, true),
        (r#"sig=();tag="other""#, false),
        ("sig=();tag=partner-api", false),
        ("sig", false),
        ("", false),
        ("sig=(", false),
        ("sig=(), sig=()", false),
    ] {
        assert_eq!(accept::wants(&headers(&[("accept-signature", field)])), expected, "{field}");
    }
    assert!(!accept::wants(&HeaderMap::new()));
    assert!(accept::wants(&headers(&[("accept-signature", "a=();tag=\"b\""), ("accept-signature", "c=()")])));
}
