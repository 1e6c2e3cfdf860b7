use super::*;

/// A message that is sound but for its header.
fn with_header(json: &str) -> String {
    let message = seal(&public("rsa2048"), "k", b"{}").expect("sealed");
    let (_, rest) = message.split_once('.').expect("segments");
    format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn is_read(json: &str) -> bool {
    Jwe::parse(with_header(json).as_bytes()).is_ok()
}

#[test]
fn a_header_says_how_it_is_encrypted_and_little_else() {
    for json in [
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","cty":"json"}"#,
        "{ \"enc\": \"A256GCM\",\n \"alg\": \"RSA-OAEP-256\" }",
        r#"{"\u0061lg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"JOSE","iat":1,"x5t#S256":"a","of yours":{"a":[{}]}}"#,
    ] {
        assert!(is_read(json), "{json}");
    }
}

#[test]
fn other_algorithms_are_refused_before_any_key_is_used() {
    for alg in ["RSA1_5", "RSA-OAEP", "RSA-OAEP-384", "RSA-OAEP-512", "dir", "A256KW", "ECDH-ES", "none", ""]
    {
        assert!(!is_read(&format!(r#"{{"alg":"{alg}","enc":"A256GCM"}}"#)), "{alg}");
    }
    for alg in ["rsa-oaep-256", "RSA-OAEP-256 ", "RSA-OAEP-256\\u0000"] {
        assert!(!is_read(&format!(r#"{{"alg":"{alg}","enc":"A256GCM"}}"#)), "{alg}");
    }
    for enc in ["A128GCM", "A192GCM", "A256CBC-HS512", "A192CBC-HS384", "a256gcm", "none", ""] {
        assert!(!is_read(&format!(r#"{{"alg":"RSA-OAEP-256","enc":"{enc}"}}"#)), "{enc}");
    }
}

#[test]
fn what_changes_the_meaning_is_refused() {
    for member in [
        r#""zip":"DEF""#,
        r#""zip":null"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""epk":{}"#,
        r#""p2c":1"#,
        r#""iv":"""#,
        r#""tag":"""#,
        r#""jwk":{}"#,
        r#""jku":"https://example.com""#,
        r#""x5u":"https://example.com""#,
        r#""x5c":[]"#,
        r#""cty":"text/plain""#,
        r#""cty":"JWT""#,
        r#""cty":"""#,
        r#""cty":null"#,
        r#""kid":"""#,
        r#""kid":7"#,
        r#""kid":null"#,
    ] {
        assert!(!is_read(&format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM",{member}}}"#)), "{member}");
    }
    let long = "k".repeat(MAX_KID + 1);
    assert!(!is_read(&format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{long}"}}"#)));
}

#[test]
fn a_header_says_nothing_twice_and_is_one_object() {
    for json in [
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","enc":"A256GCM"}"#,
        r#"{"alg":"RSA1_5","alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","\u0061lg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"a","kid":"b"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","x":1,"x":1}"#,
        r#"{"alg":"RSA-OAEP-256"}"#,
        r#"{"enc":"A256GCM"}"#,
        r#"{"alg":["RSA-OAEP-256"],"enc":"A256GCM"}"#,
        r#"[{"alg":"RSA-OAEP-256","enc":"A256GCM"}]"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}{}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM""#,
        "\u{feff}{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}",
        "{}",
        "null",
        "",
    ] {
        assert!(!is_read(json), "{json}");
    }
    let deep = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","x":{}}}"#, "[".repeat(1000));
    assert!(!is_read(&deep));
}
