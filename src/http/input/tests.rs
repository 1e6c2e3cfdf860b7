//! The reader's promises, without a server.

use proptest::prelude::*;
use serde_json::json;

use super::json::Json;
use super::*;
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::error::Problems;

/// A request with a bit of everything.
struct Probe;

impl Input for Probe {
    const BODY: Body = Body::Required;

    fn read(r: &mut Reader) -> Option<Self> {
        let id = r.path("id").required().uuid();
        let limit = r.query("limit").integer(1..=100);
        let name = r.body("name").required().text(1..=5);
        let age = r.body("age").integer(0..=150);
        let email = r.body("email").email();
        let at = r.body("at").datetime();
        let flag = r.body("flag").boolean();
        let inner = r.body("inner").object(|o| o.field("x").required().integer(0..=9));
        r.body("fixed").immutable();
        let _ = (limit, age, email, at, flag, inner);
        let _ = (id?, name?);
        Some(Self)
    }
}

fn judge(path: &str, query: &str, body: &[u8]) -> serde_json::Value {
    let path = Some(Pairs(vec![("id".into(), path.into())]));
    let query = Pairs(form_urlencoded::parse(query.as_bytes()).into_owned().collect());
    let mut reader = Reader::new(path, query, chrono::DateTime::UNIX_EPOCH);
    parse::<Probe>(&mut reader, body);
    let input = Probe::read(&mut reader);
    match reader.finish(input) {
        Ok(Probe) => json!([]),
        Err(problems) => json!(problems.iter().map(|p| json!([p.loc, p.kind])).collect::<Vec<_>>()),
    }
}

const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

#[test]
fn all_problems_of_path_query_and_body_come_together() {
    let body = br#"{"name": "", "age": 151, "email": "nobody", "at": "yesterday", "flag": "true",
        "inner": {"x": 10, "y": 1}, "fixed": null, "extra": 1}"#;
    assert_eq!(
        judge("x", "limit=0", body),
        json!([
            [["path", "id"], "uuid_parsing"],
            [["query", "limit"], "greater_than_equal"],
            [["body", "name"], "string_too_short"],
            [["body", "age"], "less_than_equal"],
            [["body", "email"], "value_error"],
            [["body", "at"], "datetime_parsing"],
            [["body", "flag"], "value_error"],
            [["body", "inner", "x"], "less_than_equal"],
            [["body", "inner", "y"], "extra_forbidden"],
            [["body", "fixed"], "immutable_field"],
            [["body", "extra"], "extra_forbidden"],
        ])
    );
}

#[test]
fn a_key_in_the_place_of_a_name_is_refused_and_not_repeated() {
    let key = TenantKey::generate(KeyEnv::Test);
    let body =
        format!(r#"{{"{}": 1, "whsec_{}": 1, "a_name_of_some_length": 1}}"#, key.expose(), "A".repeat(44));
    let problems = judge(ID, "", body.as_bytes());
    for loc in [json!(["body"]), json!(["body", "a_name_of_some_length"])] {
        assert!(problems.as_array().unwrap().contains(&json!([loc, "extra_forbidden"])), "{problems}");
    }
    assert!(!problems.to_string().contains("tk_test") && !problems.to_string().contains("whsec"));
}

#[test]
fn a_broken_body_is_one_problem_and_hides_no_other_part() {
    for (body, kind) in [
        (&b""[..], "missing"),
        (b"{", "json_invalid"),
        (b"{\"name\": \"\xff\"}", "json_invalid"),
        (b"{\"name\": \"\\ud800\"}", "json_invalid"),
        (b"\xef\xbb\xbf{}", "json_invalid"),
        (b"{} {}", "json_invalid"),
        (b"[]", "model_attributes_type"),
        (b"null", "model_attributes_type"),
    ] {
        assert_eq!(judge("x", "", body), json!([[["path", "id"], "uuid_parsing"], [["body"], kind]]));
    }
}

#[test]
fn numbers_are_read_as_json_means_them() {
    let judge = |age: &str| judge(ID, "", format!(r#"{{"name": "a", "age": {age}}}"#).as_bytes());
    assert_eq!(judge("60"), json!([]));
    assert_eq!(judge("null"), json!([]));
    for not_an_integer in ["\"60\"", "60.0", "6e1", "true", "[60]", "{}"] {
        assert_eq!(judge(not_an_integer), json!([[["body", "age"], "int_type"]]), "{not_an_integer}");
    }
    assert_eq!(judge("-1"), json!([[["body", "age"], "greater_than_equal"]]));
    assert_eq!(judge("18446744073709551615"), json!([[["body", "age"], "less_than_equal"]]));
}

#[test]
fn query_numbers_are_digits_once() {
    let judge = |query: &str| judge(ID, query, br#"{"name": "a"}"#);
    assert_eq!(judge("limit=100"), json!([]));
    assert_eq!(judge("limit=100&other=1"), json!([[["query", "other"], "extra_forbidden"]]));
    assert_eq!(judge("limit=101"), json!([[["query", "limit"], "less_than_equal"]]));
    assert_eq!(judge("limit=99999999999999999999"), json!([[["query", "limit"], "less_than_equal"]]));
    assert_eq!(judge("limit=1&limit=2"), json!([[["query", "limit"], "value_error"]]));
    for text in ["", "%00", "1.0", "+1", "0x1", "%FF", "one"] {
        assert_eq!(judge(&format!("limit={text}")), json!([[["query", "limit"], "int_parsing"]]), "{text}");
    }
}

#[test]
fn a_name_given_twice_is_refused_once() {
    assert_eq!(
        judge(ID, "", br#"{"name": "a", "name": "b", "name": "c"}"#),
        json!([[["body", "name"], "value_error"]])
    );
}

#[test]
fn text_is_counted_in_characters_and_has_no_nul() {
    let judge = |name: &str| judge(ID, "", json!({ "name": name }).to_string().as_bytes());
    assert_eq!(judge("äöü€😀"), json!([]));
    assert_eq!(judge("äöü€😀!"), json!([[["body", "name"], "string_too_long"]]));
    assert_eq!(judge("a\0b"), json!([[["body", "name"], "value_error"]]));
}

#[test]
fn content_types_are_json_or_not() {
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert!(is_of_type(&HeaderValue::from_static(good), "application/json"), "{good}");
    }
    for bad in [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "",
    ] {
        assert!(!is_of_type(&HeaderValue::from_static(bad), "application/json"), "{bad}");
    }
}

#[test]
fn a_patch_tells_absent_from_null() {
    let change = |value: Value| {
        let mut problems = Problems { found: Vec::new(), now: chrono::DateTime::UNIX_EPOCH };
        Field::new(vec![], value, &mut problems).change(|field| field.text(1..=9))
    };
    use super::field::Value;
    assert_eq!(change(Value::Absent), Some(Patch::Keep));
    assert_eq!(change(Value::Json(Json::Null)), Some(Patch::Clear));
    assert_eq!(change(Value::Json(serde_json::from_str("\"a\"").unwrap())), Some(Patch::Set("a".into())));
    assert_eq!(change(Value::Json(Json::Bool(true))), None);
}

/// Any JSON value, with a marker wherever text can be.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|v| json!(v)),
        any::<i64>().prop_map(|v| json!(v)),
        any::<f64>().prop_map(|v| json!(v)),
        ".*".prop_map(|v| json!(format!("MARK {v}"))),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|v| json!(v)),
            prop::collection::vec(("(name|age|email|at|flag|inner|fixed|x)|MARK .*", inner), 0..6)
                .prop_map(|v| serde_json::Value::Object(v.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_is_repeated_in_a_problem(body in any_json(), path in "MARK.*", limit in ".*") {
        let problems = judge(&path, &format!("limit={limit}"), body.to_string().as_bytes());
        prop_assert!(!problems.to_string().contains("MARK"), "{problems}");
    }

    #[test]
    fn no_bytes_break_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(ID, "", &body);
    }
}
