use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn compiled(schema: &Value) -> TypeSchema {
    TypeSchema::compile(&schema.to_string()).expect("it is a schema")
}

fn problems(schema: &Value, data: &Value) -> Vec<(Value, Value)> {
    let found = compiled(schema).check(data).err().unwrap_or_default();
    let found = found.iter().map(|problem| serde_json::to_value(problem).expect("plain data"));
    found.map(|problem| (problem["loc"].clone(), problem["type"].clone())).collect()
}

fn refused(schema: &Value) -> String {
    TypeSchema::compile(&schema.to_string()).expect_err("it is refused").path.join("/")
}

/// In a thread of the size that tokio's have, and in no time.
fn quickly(check: impl FnOnce() + Send + 'static) {
    let began = Instant::now();
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(check).expect("a thread");
    thread.join().expect("it ends well");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_problem_is_located_in_the_body_and_its_value_is_not_told() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/order",
        "type": "object", "required": ["amount"], "additionalProperties": false,
        "properties": {
            "amount": {"type": "integer", "minimum": 1}, "currency": {"enum": ["EUR", "CHF"]},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        },
        "$defs": {"line": {"type": "object", "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{3}\\d+$"}}}},
    });
    let of = |data: Value| problems(&schema, &data);
    assert_eq!(of(json!({"amount": 1, "currency": "EUR", "lines": [{"sku": "ABC1"}]})), []);
    assert_eq!(of(json!({"amount": 0})), [(json!(["body", "data", "amount"]), json!("value_error"))]);
    assert_eq!(of(json!({})), [(json!(["body", "data", "amount"]), json!("missing"))]);
    assert_eq!(
        of(json!({"amount": 1, "lines": [{}, {"sku": "secret"}]})),
        [(json!(["body", "data", "lines", 1, "sku"]), json!("value_error"))]
    );
    assert_eq!(of(json!({"amount": 1, "other": 1})), [(json!(["body", "data"]), json!("extra_forbidden"))]);
    assert_eq!(
        of(json!({"amount": 1, "currency": "XXX"})),
        [(json!(["body", "data", "currency"]), json!("enum"))]
    );
    let told = compiled(&schema)
        .check(&json!({"amount": 1, "lines": [{"sku": "secret"}]}))
        .expect_err("it breaks it");
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
}

#[test]
fn draft_07_is_read_as_draft_07() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"pair": {"items": [{"type": "string"}, {"type": "integer"}]}},
        "properties": {"pair": {"$ref": "#/definitions/pair"}, "a~/b": {"type": "null"}},
    });
    assert_eq!(problems(&schema, &json!({"pair": ["a", 1], "a~/b": null})), []);
    assert_eq!(problems(&schema, &json!({"pair": ["a", "b"]})).len(), 1);
}

#[test]
fn references_stay_in_the_schema_and_lead_to_subschemas() {
    for reference in [
        "https://example.com/schema",
        "http://127.0.0.1:9/x",
        "file:///etc/passwd",
        "other.json",
        "#/nowhere",
        "#name",
        "#/properties",
        "#/properties/a/enum/0",
        "",
    ] {
        let schema = json!({"properties": {"a": {"enum": [{}]}, "b": {"$ref": reference}}});
        assert_eq!(refused(&schema), "properties/b/$ref", "{reference}");
    }
    for reference in ["#", "#/properties/a", "#/properties/a%2520b~1c", "#/$defs/x/allOf/0"] {
        let schema = json!({
            "properties": {"a": {"type": ["integer", "object"]}, "a%20b/c": {}, "b": {"$ref": reference}},
            "$defs": {"x": {"allOf": [{"type": ["object", "string"]}]}},
        });
        compiled(&schema);
    }
    assert_eq!(
        problems(&json!({"properties": {"a": {"$ref": "#"}}, "required": ["b"]}), &json!({"b": 1, "a": {}}))
            .len(),
        1
    );
    // A value is no reference.
    assert_eq!(
        problems(&json!({"const": {"$ref": "https://example.com"}}), &json!({"$ref": "https://example.com"})),
        []
    );
}

#[test]
fn what_is_no_schema_or_not_supported_is_refused_where_it_stands() {
    for (schema, place) in [
        (json!({"properties": {"a": {"$dynamicRef": "#x"}}}), "properties/a/$dynamicRef"),
        (json!({"unevaluatedProperties": false}), "unevaluatedProperties"),
        (json!({"properties": {"a": {"$id": "https://example.com/a"}}}), "properties/a/$id"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), "$schema"),
        (json!({"x-partner-api-work": [0, 0, false]}), "x-partner-api-work"),
    ] {
        assert_eq!(refused(&schema), place, "{schema}");
    }
    for schema in [
        json!({"type": "strng"}),
        json!({"properties": {"a": {"minimum": "1"}}}),
        json!({"pattern": "("}),
        json!({"pattern": "^(?=a)b"}),
        json!({"pattern": "((a{1,1000}){1,1000}){1,1000}"}),
        json!({"required": "a"}),
        json!({"items": 1}),
        json!({"allOf": {}}),
    ] {
        refused(&schema);
    }
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({"items": deep});
    }
    refused(&deep);
    refused(&json!({"anyOf": (0..33).map(|n| json!({"pattern": format!("^{n}$")})).collect::<Vec<_>>()}));
}

#[test]
fn a_schema_that_never_ends_neither_hangs_nor_crashes() {
    quickly(|| {
        let endless = [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
        ];
        for schema in endless {
            if let Ok(schema) = TypeSchema::compile(&schema.to_string()) {
                drop(schema.check(&json!({"a": 1})));
            }
        }
    });
}

#[test]
fn a_schema_that_doubles_the_work_is_given_up() {
    quickly(|| {
        // Within one value: 2^200 ways.
        let mut defs = serde_json::Map::new();
        for n in 0..200 {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            defs.insert(
                format!("d{n}"),
                json!({"anyOf": [{"allOf": [next, {"not": {}}]}, {"allOf": [next, {"not": {}}]}]}),
            );
        }
        defs.insert("d200".to_owned(), json!({}));
        let schema = compiled(&json!({"$ref": "#/$defs/d0", "$defs": defs}));
        schema.check(&json!({"a": 1})).expect_err("it is not valid, or too much");
        // With the depth of the data: 2^100 ways.
        let inner = json!({"properties": {"x": {"$ref": "#"}}, "required": ["y"]});
        let schema = compiled(&json!({"anyOf": [inner, inner]}));
        let mut data = json!({"y": 1});
        for _ in 0..100 {
            data = json!({"x": data, "y": 1});
        }
        *data.pointer_mut(&"/x".repeat(100)).expect("the innermost") = json!({});
        let problems = schema.check(&data).expect_err("it is not valid, or too much");
        assert!(problems.len() <= 5);
    });
}

#[test]
fn long_texts_and_lists_meet_patterns_and_comparisons_for_a_while_only() {
    quickly(|| {
        let text = "a".repeat(190_000);
        let pattern = json!({"pattern": format!("^({})*b$", "(a|aa|aaa)".repeat(60))});
        let many = json!({"anyOf": vec![pattern; 30]});
        if let Ok(schema) = TypeSchema::compile(&json!({"properties": {"t": many}}).to_string()) {
            schema.check(&json!({"t": text})).expect_err("it does not match, or is too much");
        }
        let unique = json!({"uniqueItems": true, "not": {}});
        let schema = compiled(&json!({"properties": {"l": {"anyOf": vec![unique; 500]}}}));
        let items: Vec<_> = (0..40_000).collect();
        schema.check(&json!({"l": items})).expect_err("too much");
    });
}

#[test]
fn huge_numbers_are_judged_like_any_other() {
    let schema = json!({"properties": {"n": {"type": "integer", "maximum": 1e300, "multipleOf": 0.01}}});
    for number in ["1e308", "-1e308", "123456789012345678901234567890", "0.1e-300", "9007199254740993"] {
        let data = serde_json::from_str(&format!("{{\"n\": {number}}}")).expect("JSON");
        drop(compiled(&schema).check(&data));
    }
}
