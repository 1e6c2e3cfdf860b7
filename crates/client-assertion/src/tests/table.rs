//! What is accepted and what is refused, row by row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{EXPECTED, HEADER, NOW, PUBLIC_KEY, claims, judge, signed};
use crate::{Algorithm, Assertion, Expected, Problem, Verified};

#[test]
fn an_honest_assertion_names_its_client() {
    let verified = Verified { client: "acme".into(), id: "1".into(), expires_at: NOW + 60 };
    for (name, algorithm) in [
        ("RS384", Algorithm::Rs384),
        ("PS256", Algorithm::Ps256),
        ("PS384", Algorithm::Ps384),
        ("PS512", Algorithm::Ps512),
    ] {
        let assertion = signed(&format!(r#"{{"typ":"JWT","alg":"{name}","kid":"key-1"}}"#), &claims(&[]));
        let parsed = Assertion::parse(&assertion).unwrap();
        assert_eq!((parsed.kid(), parsed.algorithm(), parsed.algorithm().name()), ("key-1", algorithm, name));
        assert_eq!(parsed.verify(&PUBLIC_KEY, &EXPECTED), Ok(verified.clone()));
    }
}

#[test]
fn the_header_is_strict() {
    let long = format!(r#"{{"alg":"PS256","kid":"{}"}}"#, "k".repeat(257));
    for (header, expected) in [
        (r#"{"alg":"PS256","kid":"k","typ":"client-authentication+jwt"}"#, Ok(())),
        (r#" {"alg":"PS256","kid":"k","typ":"jwt"} "#, Ok(())),
        (r#"{"alg":"none","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"None","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"HS256","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"HS512","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"RS256","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"RS512","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"ES256","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"EdDSA","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"ps256","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"","kid":"k"}"#, Err(Problem::Algorithm)),
        (r#"{"alg":"PS256","kid":"k","crit":["b64"]}"#, Err(Problem::Critical)),
        (r#"{"alg":"PS256","kid":"k","crit":[]}"#, Err(Problem::Critical)),
        (r#"{"alg":"PS256","kid":"k","crit":null}"#, Err(Problem::Critical)),
        (r#"{"alg":"PS256","kid":"k","typ":"at+jwt"}"#, Err(Problem::Type)),
        (r#"{"alg":"PS256","kid":"k","typ":""}"#, Err(Problem::Type)),
        (r#"{"alg":"PS256","kid":"k","typ":null}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256"}"#, Err(Problem::KeyId)),
        (r#"{"alg":"PS256","kid":""}"#, Err(Problem::KeyId)),
        (&*long, Err(Problem::KeyId)),
        (r#"{"alg":"PS256","kid":null}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","kid":1}"#, Err(Problem::Header)),
        (r#"{"kid":"k"}"#, Err(Problem::Header)),
        (r#"{"alg":["PS256"],"kid":"k"}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","alg":"none","kid":"k"}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","\u0061lg":"PS256","kid":"k"}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","kid":"k","kid":"l"}"#, Err(Problem::Header)),
        // Ignored; keys and ways to keys too, for the key is the registered one.
        (r#"{"alg":"PS256","kid":"k","x5t":"abc","x5c":["MII"]}"#, Ok(())),
        (r#"{"alg":"PS256","kid":"k","jwk":{"kty":"oct","k":"AA"}}"#, Ok(())),
        (r#"{"alg":"PS256","kid":"k","jku":"https://example.org"}"#, Ok(())),
        (r#"{"alg":"PS256","kid":"k","x5u":"https://example.org"}"#, Ok(())),
        (r#"{"alg":"PS256","kid":"k","x5t":"abc","x5t":"abc"}"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","kid":"k","typ":"Application/JWT"}"#, Ok(())),
        (r#"{"alg":"PS256","kid":"k","typ":"application/"}"#, Err(Problem::Type)),
        (r#"{"alg":"PS256","kid":"k","typ":"applicationé/jwt"}"#, Err(Problem::Type)),
        (r#"["PS256","k",null,null]"#, Err(Problem::Header)),
        (r#"{"alg":"PS256","kid":"k"}{}"#, Err(Problem::Header)),
        ("", Err(Problem::Header)),
        ("null", Err(Problem::Header)),
    ] {
        assert_eq!(judge(&signed(header, &claims(&[]))).map(|_| ()), expected, "{header}");
    }
}

#[test]
fn the_claims_are_those_of_this_client_for_this_server_and_now() {
    let at = |offset: i64| (NOW + offset).to_string();
    let id = |length| format!("\"{}\"", "é".repeat(length));
    for (changes, expected) in [
        (vec![("iss", "\"7\""), ("sub", "\"7\"")], Ok(())),
        (vec![("iss", "\"7\"")], Err(Problem::Client)),
        (vec![("sub", "\"7\"")], Err(Problem::Client)),
        (vec![("iss", "\"other\""), ("sub", "\"other\"")], Err(Problem::Client)),
        (vec![("iss", "7"), ("sub", "7")], Err(Problem::Claims)),
        (vec![("iss", "")], Err(Problem::Claims)),
        (vec![("sub", "")], Err(Problem::Claims)),
        (vec![("aud", "\"https://api.example.com/v1/oauth/token\"")], Ok(())),
        (vec![("aud", "[\"https://api.example.org\",\"https://api.example.com\"]")], Ok(())),
        (vec![("aud", "[\"https://api.example.org\"]")], Err(Problem::Audience)),
        (vec![("aud", "\"https://api.example.com/\"")], Err(Problem::Audience)),
        (vec![("aud", "\"https://API.example.com\"")], Err(Problem::Audience)),
        (vec![("aud", "[]")], Err(Problem::Audience)),
        (vec![("aud", "[1]")], Err(Problem::Claims)),
        (vec![("aud", "{}")], Err(Problem::Claims)),
        (vec![("aud", "")], Err(Problem::Claims)),
        (vec![("exp", &*at(1))], Ok(())),
        (vec![("exp", &*at(0))], Err(Problem::Expired)),
        (vec![("exp", &*at(-1))], Err(Problem::Expired)),
        (vec![("exp", &*at(300))], Ok(())),
        (vec![("exp", &*at(301))], Err(Problem::TooLongLived)),
        (vec![("exp", "1764115200.5")], Ok(())),
        (vec![("exp", "1764115500.5")], Err(Problem::TooLongLived)),
        (vec![("exp", "1e300")], Err(Problem::Claims)),
        (vec![("exp", "1e999")], Err(Problem::Claims)),
        (vec![("exp", "-1")], Err(Problem::Claims)),
        (vec![("exp", "\"1764115260\"")], Err(Problem::Claims)),
        (vec![("exp", "null")], Err(Problem::Claims)),
        (vec![("exp", "")], Err(Problem::Claims)),
        (vec![("nbf", &*at(30)), ("iat", &*at(30))], Ok(())),
        (vec![("nbf", &*at(31))], Err(Problem::NotYet)),
        (vec![("iat", &*at(31))], Err(Problem::Future)),
        (vec![("iat", "0"), ("nbf", "0")], Ok(())),
        (vec![("nbf", "null")], Err(Problem::Claims)),
        (vec![("iat", "true")], Err(Problem::Claims)),
        (vec![("jti", &*id(256))], Ok(())),
        (vec![("jti", &*id(257))], Err(Problem::Id)),
        (vec![("jti", "\"\"")], Err(Problem::Id)),
        (vec![("jti", r#""a\u0000b""#)], Err(Problem::Id)),
        (vec![("jti", r#""a\nb""#)], Err(Problem::Id)),
        (vec![("jti", r#""a b \u20ac""#)], Ok(())),
        (vec![("jti", "1")], Err(Problem::Claims)),
        (vec![("jti", "")], Err(Problem::Claims)),
        (vec![("scope", "\"users.read\""), ("nested", "{\"exp\":0}")], Ok(())),
        // A member twice, once with an escape in its name.
        (vec![("\\u0065xp", "1764115260")], Err(Problem::Claims)),
    ] {
        assert_eq!(judge(&signed(HEADER, &claims(&changes))).map(|_| ()), expected, "{changes:?}");
    }
    for payload in
        ["", "null", "[]", "{", "{}", r#"["acme","acme","https://api.example.com",1764115260,null,null,"1"]"#]
    {
        assert_eq!(judge(&signed(HEADER, payload)).map(|_| ()), Err(Problem::Claims), "{payload}");
    }
}

#[test]
fn what_is_no_compact_jws_is_refused() {
    let good = signed(HEADER, &claims(&[]));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    let unsecured = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k"}"#);
    for (assertion, expected) in [
        (String::new(), Problem::NotCompact),
        (header.to_owned(), Problem::NotCompact),
        (format!("{header}.{payload}"), Problem::NotCompact),
        (format!("{header}.{payload}."), Problem::NotCompact),
        (format!("{good}."), Problem::NotCompact),
        (format!("{header}.{header}.{payload}.{signature}"), Problem::NotCompact),
        (format!("{header}=.{payload}.{signature}"), Problem::NotCompact),
        (format!("{header}.{payload}.{signature}=="), Problem::NotCompact),
        (format!(" {good}"), Problem::NotCompact),
        (format!("{good}\n"), Problem::NotCompact),
        (format!("{header}.{payload}.{}", "A".repeat(1400)), Problem::NotCompact),
        (format!(".{payload}.{signature}"), Problem::Header),
        (format!("{header}..{signature}"), Problem::Signature),
        (format!("{header}.{payload}.AAAA"), Problem::Signature),
        (format!("{unsecured}.{payload}.{signature}"), Problem::Algorithm),
        ("A".repeat(8193), Problem::TooLong),
    ] {
        assert_eq!(judge(&assertion), Err(expected), "{assertion}");
    }
    assert_eq!(Assertion::parse(&good).unwrap().verify(b"no key", &EXPECTED), Err(Problem::Signature));
}

/// A signature made with one algorithm is none under another.
#[test]
fn the_header_decides_the_algorithm() {
    let good = signed(HEADER, &claims(&[]));
    let (_, rest) = good.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(r#"{"alg":"PS384","kid":"key-1"}"#);
    assert_eq!(judge(&format!("{other}.{rest}")), Err(Problem::Signature));
}

#[test]
fn no_clock_overflows() {
    let good = signed(HEADER, &claims(&[]));
    let parsed = Assertion::parse(&good).unwrap();
    for (now, expected) in [(i64::MAX, Problem::Expired), (i64::MIN, Problem::TooLongLived)] {
        assert_eq!(parsed.verify(&PUBLIC_KEY, &Expected { now, ..EXPECTED }), Err(expected));
    }
}

#[test]
fn no_client_and_no_audience_match_nothing() {
    let good = signed(HEADER, &claims(&[]));
    let parsed = Assertion::parse(&good).unwrap();
    assert_eq!(parsed.verify(&PUBLIC_KEY, &Expected { clients: &[], ..EXPECTED }), Err(Problem::Client));
    assert_eq!(parsed.verify(&PUBLIC_KEY, &Expected { audiences: &[], ..EXPECTED }), Err(Problem::Audience));
}
