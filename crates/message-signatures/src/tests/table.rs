//! What is asked of a signature, and the words for what is missing.

use http::HeaderMap;

use super::{NOW, head, headers, judge, public_key, sign_and_judge, signed_headers};
use crate::{Algorithm, Problem, RequestHead, Signed, VerifyingKey};

const NONCE: &str = "0123456789abcdef";

#[test]
fn what_must_be_covered_is() {
    let none = HeaderMap::new();
    let digest = headers(&[("content-digest", "sha-256=:AAAA:")]);
    let nonce = format!(";nonce=\"{NONCE}\"");
    let uncovered = |name| Err(Problem::NotCovered(name));
    for (method, target, fields, components, nonce, expected) in [
        ("GET", "/a", &none, r#""@method" "@target-uri""#, "", Ok(())),
        ("HEAD", "/a", &none, r#""@target-uri" "@method""#, "", Ok(())),
        ("GET", "/a", &none, r#""@method" "@authority" "@path""#, "", Ok(())),
        ("GET", "/a?b", &none, r#""@method" "@authority" "@path" "@query""#, "", Ok(())),
        ("GET", "/a?b", &none, r#""@method" "@authority" "@path""#, "", uncovered("@query")),
        ("GET", "/a?", &none, r#""@method" "@authority" "@path""#, "", uncovered("@query")),
        (
            "GET",
            "/a?b=1",
            &none,
            r#""@method" "@authority" "@path" "@query-param";name="b""#,
            "",
            uncovered("@query"),
        ),
        ("GET", "/a", &none, r#""@method" "@authority""#, "", uncovered("@path")),
        ("GET", "/a", &none, r#""@method" "@path""#, "", uncovered("@authority")),
        ("GET", "/a", &none, r#""@method" "@request-target" "@scheme""#, "", uncovered("@target-uri")),
        ("GET", "/a", &none, r#""@target-uri""#, "", uncovered("@method")),
        ("GET", "/a", &none, "", "", uncovered("@method")),
        ("POST", "/a", &none, r#""@method" "@target-uri""#, &*nonce, Ok(())),
        ("POST", "/a", &none, r#""@method" "@target-uri""#, "", Err(Problem::NoParameter("nonce"))),
        ("DELETE", "/a", &none, r#""@method" "@target-uri""#, "", Err(Problem::NoParameter("nonce"))),
        ("get", "/a", &none, r#""@method" "@target-uri""#, "", Err(Problem::NoParameter("nonce"))),
        ("POST", "/a", &digest, r#""@method" "@target-uri" "content-digest""#, &*nonce, Ok(())),
        ("POST", "/a", &digest, r#""@method" "@target-uri" "content-digest";sf"#, &*nonce, Ok(())),
        ("POST", "/a", &digest, r#""@method" "@target-uri" "content-digest";bs"#, &*nonce, Ok(())),
        ("POST", "/a", &digest, r#""@method" "@target-uri""#, &*nonce, uncovered("content-digest")),
        (
            "POST",
            "/a",
            &digest,
            r#""@method" "@target-uri" "content-digest";key="sha-256""#,
            &*nonce,
            uncovered("content-digest"),
        ),
        ("GET", "/a", &digest, r#""@method" "@target-uri""#, "", uncovered("content-digest")),
    ] {
        let input = format!("({components});created={NOW};keyid=\"k\"{nonce}");
        assert_eq!(
            sign_and_judge(&head(method, target, fields), &input),
            expected,
            "{method} {target} {input}"
        );
    }
}

#[test]
fn parameters_have_types_and_bounds() {
    let none = HeaderMap::new();
    let no = |name, must| Err(Problem::Parameter { name, must });
    let nonce = "a string of 16 to 128 visible characters";
    let keyid = "a string of 1 to 256 visible characters";
    let seconds = "seconds since the epoch, a whole number";
    let created = format!("created={NOW}");
    for (parameters, expected) in [
        (format!("{created};keyid=\"k\";alg=\"rsa-pss-sha512\""), Ok(())),
        (format!("{created};keyid=\"k\";alg=\"rsa-v1_5-sha256\""), Ok(())),
        (format!("keyid=\"k\";tag=\"any tag\";{created}"), Ok(())),
        (format!("{created};keyid=\"k\";nonce=\"{}\"", "n".repeat(128)), Ok(())),
        (format!("{created};keyid=\"k\";nonce=\"{}\"", "n".repeat(129)), no("nonce", nonce)),
        (format!("{created};keyid=\"k\";nonce=\"{}\"", "n".repeat(15)), no("nonce", nonce)),
        (format!("{created};keyid=\"k\";nonce=\"a space is not visible\""), no("nonce", nonce)),
        (format!("{created};keyid=\"k\";nonce=:AAAAAAAAAAAAAAAAAAAAAAAA:"), no("nonce", nonce)),
        (format!("{created};keyid=\"{}\"", "k".repeat(257)), no("keyid", keyid)),
        (format!("{created};keyid=\"\""), no("keyid", keyid)),
        (format!("{created};keyid=k"), no("keyid", keyid)),
        (created.clone(), Err(Problem::NoParameter("keyid"))),
        ("keyid=\"k\"".into(), Err(Problem::NoParameter("created"))),
        ("keyid=\"k\";created=\"1618884473\"".into(), no("created", seconds)),
        ("keyid=\"k\";created=1618884473.5".into(), no("created", seconds)),
        ("keyid=\"k\";created=@1618884473".into(), no("created", seconds)),
        ("keyid=\"k\";created=-1".into(), no("created", seconds)),
        (format!("{created};keyid=\"k\";expires=?1"), no("expires", seconds)),
        (format!("{created};keyid=\"k\";tag=partner-api"), no("tag", "a string")),
        (format!("{created};keyid=\"k\";alg=\"hmac-sha256\""), Err(Problem::Algorithm("hmac-sha256".into()))),
        (format!("{created};keyid=\"k\";alg=\"ed25519\""), Err(Problem::Algorithm("ed25519".into()))),
        (
            format!("{created};keyid=\"k\";alg=\"RSA-PSS-SHA512\""),
            Err(Problem::Algorithm("RSA-PSS-SHA512".into())),
        ),
        (format!("{created};keyid=\"k\";context=\"x\""), Err(Problem::UnknownParameter("context".into()))),
        (format!("{created};keyid=\"k\";keyid=\"l\""), Err(Problem::NotADictionary("signature-input"))),
    ] {
        let input = format!("(\"@method\" \"@target-uri\");{parameters}");
        assert_eq!(sign_and_judge(&head("GET", "/", &none), &input), expected, "{input}");
    }
}

#[test]
fn a_signature_passes_for_three_hundred_seconds_on_either_side() {
    let none = HeaderMap::new();
    let read = |parameters: &str| {
        let here = head("GET", "/", &none);
        let input = format!("(\"@method\" \"@target-uri\");created={NOW};keyid=\"k\"{parameters}");
        let headers = signed_headers(&here, &input).unwrap();
        Signed::parse(&RequestHead { headers: &headers, ..here }).unwrap().unwrap()
    };
    let signed = read("");
    assert_eq!(signed.usable_until(), NOW + 300);
    for (now, expected) in [
        (NOW, Ok(())),
        (NOW + 300, Ok(())),
        (NOW - 300, Ok(())),
        (NOW + 301, Err(Problem::Late(301))),
        (NOW - 301, Err(Problem::Early(301))),
        (i64::MAX, Err(Problem::Late(i64::MAX - NOW))),
        (i64::MIN + NOW, Err(Problem::Early(i64::MAX))),
    ] {
        assert_eq!(signed.check_time(now), expected, "{now}");
    }
    let signed = read(&format!(";expires={}", NOW + 10));
    assert_eq!(signed.usable_until(), NOW + 9);
    assert_eq!(signed.check_time(NOW + 9), Ok(()));
    assert_eq!(signed.check_time(NOW + 10), Err(Problem::Expired(0)));
    assert_eq!(signed.check_time(NOW + 17), Err(Problem::Expired(7)));
    assert_eq!(read(&format!(";expires={}", NOW + 1000)).usable_until(), NOW + 300);
    assert_eq!(read(&format!(";expires={}", NOW - 1)).check_time(NOW), Err(Problem::Expired(1)));
    let far = read(";expires=999999999999999");
    assert_eq!(far.check_time(NOW), Ok(()));
}

#[test]
fn one_signature_counts() {
    let ours = r#"("@method");created=1;keyid="k";tag="partner-api""#;
    let theirs = r#"("@method");created=1;keyid="l";tag="proxy""#;
    let none = r#"("@method");created=1;keyid="m""#;
    for (inputs, expected) in [
        (vec![("a", ours)], Ok("a")),
        (vec![("a", theirs)], Ok("a")),
        (vec![("a", none)], Ok("a")),
        (vec![("a", theirs), ("b", ours)], Ok("b")),
        (vec![("a", ours), ("b", none), ("c", theirs)], Ok("a")),
        (vec![("a", "1"), ("b", ours)], Ok("b")),
        (vec![("a", theirs), ("b", none)], Err(Problem::Label { labels: 2, tagged: 0 })),
        (vec![("a", ours), ("b", ours)], Err(Problem::Label { labels: 2, tagged: 2 })),
        (vec![("a", "\"@method\";created=1")], Err(Problem::NotAList("a".into()))),
        (vec![("z", ours)], Err(Problem::NoSignature("z".into()))),
        (vec![], Err(Problem::Label { labels: 0, tagged: 0 })),
    ] {
        let input =
            inputs.iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(", ");
        let headers = headers(&[("signature", "a=:AA==:, b=:AQ==:, c=:Ag==:"), ("signature-input", &input)]);
        let signed = Signed::parse(&head("GET", "/", &headers));
        assert_eq!(signed.map(|it| it.unwrap().label().to_owned()), expected.map(str::to_owned), "{input}");
    }
}

#[test]
fn fields_of_several_lines_are_one_dictionary() {
    let here = HeaderMap::new();
    let input = format!("(\"@method\" \"@target-uri\");created={NOW};keyid=\"k\";tag=\"partner-api\"");
    let mut sent = signed_headers(&head("GET", "/", &here), &input).unwrap();
    sent.append("signature-input", "proxy=(\"@path\");created=1".parse().unwrap());
    sent.append("signature", "proxy=:AAAA:".parse().unwrap());
    assert_eq!(judge(&head("GET", "/", &sent)), Ok(()));
    sent.append("signature", "sig=:AAAA:".parse().unwrap());
    assert_eq!(judge(&head("GET", "/", &sent)), Err(Problem::NotADictionary("signature")));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let input = r#"sig=("@method");created=1;keyid="k""#;
    let long = format!("sig=:{}:", "A".repeat(9000));
    let many = format!("sig=({});created=1;keyid=\"k\"", r#""@query-param";name="a" "#.repeat(65));
    let not_bytes = || Problem::NotBytes("sig".into());
    for (fields, expected) in [
        (vec![("signature-input", input)], Problem::Missing("signature")),
        (vec![("signature", "sig=:AA==:")], Problem::Missing("signature-input")),
        (vec![("signature-input", input), ("signature", "sig")], not_bytes()),
        (vec![("signature-input", input), ("signature", "sig=\"AA==\"")], not_bytes()),
        (vec![("signature-input", input), ("signature", "sig=(:AA==:)")], not_bytes()),
        (vec![("signature-input", input), ("signature", "sig=:AA==:;a")], not_bytes()),
        (vec![("signature-input", input), ("signature", "sig=:A:")], Problem::NotADictionary("signature")),
        (vec![("signature-input", input), ("signature", "sig=AA==")], Problem::NotADictionary("signature")),
        (
            vec![("signature-input", "sig=("), ("signature", "sig=:AA==:")],
            Problem::NotADictionary("signature-input"),
        ),
        (
            vec![("signature-input", input), ("signature", &*long)],
            Problem::FieldTooLong { field: "signature", limit: 8192 },
        ),
        (vec![("signature-input", &*many), ("signature", "sig=:AA==:")], Problem::TooMuch),
    ] {
        let headers = headers(&fields);
        let got = Signed::parse(&head("GET", "/", &headers));
        assert_eq!(got.map(|_| ()), Err(expected), "{fields:?}");
    }
    assert!(Signed::parse(&head("GET", "/", &HeaderMap::new())).unwrap().is_none());
}

#[test]
fn more_than_can_be_signed_is_refused() {
    let value = "x".repeat(20_000);
    let fields = headers(&[("a", &*value), ("b", &*value), ("c", &*value), ("d", &*value)]);
    let input = format!("(\"@method\" \"@target-uri\" \"a\" \"b\" \"c\");created={NOW};keyid=\"k\"");
    assert_eq!(sign_and_judge(&head("GET", "/", &fields), &input), Ok(()));
    let input = input.replace("\"c\"", "\"c\" \"d\"");
    assert_eq!(sign_and_judge(&head("GET", "/", &fields), &input), Err(Problem::TooMuch));
}

/// Each component parses its field anew, so there is a limit to how often a long one may be named.
#[test]
fn a_long_field_is_not_parsed_again_and_again() {
    let long = format!("a=1, b=2, c=\"{}\"", "x".repeat(30_000));
    let fields = headers(&[("x-long", &long)]);
    for (components, expected) in [
        ("\"x-long\";key=\"a\" \"x-long\";key=\"b\"", Ok(())),
        ("\"x-long\";key=\"a\" \"x-long\";key=\"b\" \"x-long\";key=\"c\"", Err(Problem::TooMuch)),
        ("\"x-long\";key=\"a\" \"x-long\";key=\"b\" \"x-long\";sf", Err(Problem::TooMuch)),
    ] {
        let input = format!("(\"@method\" \"@target-uri\" {components});created={NOW};keyid=\"k\"");
        assert_eq!(sign_and_judge(&head("GET", "/", &fields), &input), expected, "{components}");
    }
}

#[test]
fn no_part_of_the_head_breaks_out_of_its_line() {
    let input = r#"sig=("@method" "@target-uri");created=1;keyid="k""#;
    let fields = headers(&[("signature-input", input), ("signature", "sig=:AA==:")]);
    for (method, target) in [
        ("GET", "/a\n\"@path\": /b"),
        ("GET\n\"@path\": /b", "/a"),
        ("GET", "/ä"),
        ("GET", "/a b"),
        ("GET", "/a#b"),
    ] {
        assert_eq!(
            Signed::parse(&head(method, target, &fields)).map(|_| ()),
            Err(Problem::Target),
            "{target}"
        );
    }
}

#[test]
fn the_signature_is_of_the_named_algorithm_and_of_this_key() {
    let none = HeaderMap::new();
    let here = head("GET", "/", &none);
    let input = format!("(\"@method\" \"@target-uri\");created={NOW};keyid=\"k\";alg=\"rsa-v1_5-sha256\"");
    let sent = signed_headers(&here, &input).unwrap();
    let signed = Signed::parse(&RequestHead { headers: &sent, ..here }).unwrap().unwrap();
    assert_eq!(signed.algorithm(), Algorithm::RsaV15Sha256);
    assert_eq!(signed.verify(&public_key()), Ok(()));
    assert_eq!(signed.verify(&VerifyingKey::new(b"no key".to_vec())), Err(Problem::Signature));
    // The same signature under the other name.
    let mut sent = sent;
    sent.insert(
        "signature-input",
        format!("sig={}", input.replace("rsa-v1_5-sha256", "rsa-pss-sha512")).parse().unwrap(),
    );
    assert_eq!(judge(&RequestHead { headers: &sent, ..here }), Err(Problem::Signature));
}

#[test]
fn problems_are_words_for_an_engineer() {
    for (problem, words) in [
        (Problem::NotCovered("content-digest"), "`content-digest` is not covered"),
        (Problem::Late(412), "`created` is 412 s in the past; 300 s are accepted"),
        (
            Problem::Label { labels: 2, tagged: 0 },
            "0 of 2 signatures have `tag=\"partner-api\"`; exactly one must",
        ),
        (Problem::TooMuch, "more than 64 components, or more than 65536 bytes to sign or to parse"),
        (Problem::NoParameter("nonce"), "parameter `nonce` is missing"),
        (Problem::Absent("\"date\"".into()), "\"date\" is covered and not in the request"),
    ] {
        assert_eq!(problem.to_string(), words);
    }
}
