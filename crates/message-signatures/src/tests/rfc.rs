//! The vectors of RFC 9421 appendix B and RFC 9530 appendix B.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;

use super::{NOW, head, headers};
use crate::{Problem, RequestHead, Signed, VerifyingKey, digest};

/// `test-key-rsa-pss` (RFC 9421 B.1.2).
const TEST_KEY_RSA_PSS: &str = "\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\
2wIDAQAB";

const DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

fn key() -> VerifyingKey {
    VerifyingKey::new(BASE64_STANDARD.decode(TEST_KEY_RSA_PSS).unwrap())
}

/// The request of B.2 with the two fields of one example.
fn request(input: &str, signature: &str) -> HeaderMap {
    headers(&[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", DIGEST),
        ("content-length", "18"),
        ("signature-input", input),
        ("signature", signature),
    ])
}

fn read(headers: &HeaderMap) -> Signed {
    Signed::parse(&head("POST", "/foo?param=Value&Pet=dog", headers)).unwrap().unwrap()
}

/// RFC 9421 B.2.1: it verifies, and covers nothing.
#[test]
fn the_minimal_signature_verifies_and_covers_too_little() {
    let headers = request(
        r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7z\
         FZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXeh\
         hWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K\
         3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
    );
    let signed = read(&headers);
    assert_eq!(
        signed.signature_base(),
        r#""@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#
    );
    assert_eq!((signed.label(), signed.keyid()), ("sig-b21", "test-key-rsa-pss"));
    assert_eq!(signed.nonce(), Some("b3k2pp5k7z-50gnwp.yemd"));
    assert_eq!(signed.verify_signature(&key()), Ok(()));
    assert_eq!(signed.verify(&key()), Err(Problem::NotCovered("@method")));
}

/// RFC 9421 B.2.2.
#[test]
fn selective_coverage_verifies_and_covers_too_little() {
    let headers = request(
        r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8U\
         CMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjq\
         pcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0Ro\
         KUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
    );
    let signed = read(&headers);
    assert_eq!(
        signed.signature_base().split('\n').collect::<Vec<_>>(),
        [
            r#""@authority": example.com"#,
            &format!(r#""content-digest": {DIGEST}"#),
            r#""@query-param";name="Pet": dog"#,
            r#""@signature-params": ("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        ]
    );
    assert_eq!(signed.covered(), [r#""@authority""#, r#""content-digest""#, r#""@query-param";name="Pet""#]);
    assert_eq!(signed.verify_signature(&key()), Ok(()));
    assert_eq!(signed.check_coverage(), Err(Problem::NotCovered("@method")));
}

fn full() -> HeaderMap {
    request(
        r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2vo\
         Tp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoL\
         d7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5\
         ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
    )
}

/// RFC 9421 B.2.3: for us only the nonce is missing.
#[test]
fn full_coverage_verifies_and_lacks_a_nonce() {
    let headers = full();
    let signed = read(&headers);
    assert_eq!(
        signed.signature_base().split('\n').collect::<Vec<_>>(),
        [
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@query": ?param=Value&Pet=dog"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            &format!(r#""content-digest": {DIGEST}"#),
            r#""content-length": 18"#,
            r#""@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        ]
    );
    assert_eq!(signed.verify_signature(&key()), Ok(()));
    assert_eq!(signed.check_time(NOW), Ok(()));
    assert_eq!(signed.verify(&key()), Err(Problem::NoParameter("nonce")));
    assert_eq!(digest::check(&headers, br#"{"hello": "world"}"#), Ok(()));
}

#[test]
fn another_request_is_not_what_was_signed() {
    let headers = full();
    for (method, target) in [("PUT", "/foo?param=Value&Pet=dog"), ("POST", "/foo?param=value&Pet=dog")] {
        let signed = Signed::parse(&head(method, target, &headers)).unwrap().unwrap();
        assert_eq!(signed.verify_signature(&key()), Err(Problem::Signature));
    }
    let elsewhere = crate::Base { scheme: "https", authority: "example.org" };
    let there = RequestHead { base: elsewhere, ..head("POST", "/foo?param=Value&Pet=dog", &headers) };
    let signed = Signed::parse(&there).unwrap().unwrap();
    assert_eq!(signed.verify_signature(&key()), Err(Problem::Signature));
}

/// RFC 9530 B.1 and RFC 9421 B.2.
#[test]
fn digests_are_those_of_the_standard() {
    let with_newline = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    let without = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let newline: &[u8] = b"{\"hello\": \"world\"}\n";
    let body: &[u8] = b"{\"hello\": \"world\"}";
    assert_eq!(digest::of(newline), with_newline);
    assert_eq!(digest::of(body), without);
    for (field, body, expected) in [
        (with_newline, newline, Ok(())),
        (with_newline, body, Err(Problem::Digest("sha-256"))),
        (DIGEST, body, Ok(())),
        (DIGEST, newline, Err(Problem::Digest("sha-512"))),
        // What is not known is passed over, but not alone.
        (&format!("md5=:AAAA:, {without}"), body, Ok(())),
        ("md5=:Sd/dVLAcvNLSq16eXua5uQ==:", newline, Err(Problem::UnknownDigest)),
        ("", body, Err(Problem::UnknownDigest)),
        // All that are known must match.
        (&format!("{without}, {DIGEST}"), body, Ok(())),
        (&format!("{with_newline}, {DIGEST}"), body, Err(Problem::Digest("sha-256"))),
        (&format!("{without}, {without}"), body, Err(Problem::NotADictionary("content-digest"))),
        ("sha-256=X48E9qOo", body, Err(Problem::Digest("sha-256"))),
        ("sha-256=(:AAAA:)", body, Err(Problem::Digest("sha-256"))),
        ("sha-256=:AAAA", body, Err(Problem::NotADictionary("content-digest"))),
    ] {
        assert_eq!(digest::check(&headers(&[("content-digest", field)]), body), expected, "{field}");
    }
    assert_eq!(digest::check(&HeaderMap::new(), b""), Err(Problem::NoDigest));
}
