//! Nothing panics, and no byte of an assertion can be changed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::{EXPECTED, HEADER, claims, judge, signed};
use crate::Assertion;
use crate::claims::Claims;

static GOOD: LazyLock<String> = LazyLock::new(|| signed(HEADER, &claims(&[])));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_byte_fails(at: prop::sample::Index, byte in b'!'..=b'~') {
        let mut bytes = GOOD.as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(judge(std::str::from_utf8(&bytes).unwrap()).is_err());
    }

    #[test]
    fn a_part_that_is_cut_fails(at: prop::sample::Index) {
        prop_assert!(judge(&GOOD[..at.index(GOOD.len())]).is_err());
        prop_assert!(judge(&GOOD[1 + at.index(GOOD.len() - 1)..]).is_err());
    }

    #[test]
    fn nothing_panics(assertion in "\\PC{0,80}", header in object(), payload in object(), now: i64) {
        let _ = judge(&assertion);
        let encoded = |part: &str| URL_SAFE_NO_PAD.encode(part);
        let _ = judge(&format!("{}.{}.AAAA", encoded(&header), encoded(&payload)));
        let _ = Assertion::parse(&format!("{assertion}.{}.AAAA", encoded(&payload)));
        let expected = crate::Expected { now, ..EXPECTED };
        let _ = Claims::parse(payload.as_bytes()).and_then(|claims| claims.judge(&expected));
    }
}

/// Text that is nearly a header or a set of claims.
fn object() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "alg", "kid", "typ", "crit", "iss", "sub", "aud", "exp", "nbf", "iat", "jti",
    ]);
    let value = prop::sample::select(vec![
        "\"PS256\"",
        "\"acme\"",
        "\"https://api.example.com\"",
        "[]",
        "[\"https://api.example.com\"]",
        "null",
        "true",
        "1764115260",
        "-1",
        "1e308",
        "-1e308",
        "0.1",
        "9007199254740993",
        "18446744073709551616",
        "{}",
        "\"\\ud800\"",
    ]);
    prop::collection::vec((name, value), 0..10).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}
