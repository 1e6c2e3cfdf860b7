//! Errors in the document: one schema for each of the four shapes, an example for each code.

use partner_api::error::Code;
use serde_json::{Value, json};

use crate::support::document::{Document, Operation};

#[test]
fn every_error_has_an_example_of_its_own_which_its_schema_allows() {
    let document = Document::generated();
    for operation in document.operations() {
        for (status, response) in operation.spec["responses"].as_object().expect("responses") {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let content = &response["content"]["application/json"];
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{} {status} has no example", operation.id));
            for (name, example) in examples {
                let value = &example["value"];
                let errors = document.errors(&content["schema"], value);
                assert!(errors.is_empty(), "{} {status} {name}: {errors:?}", operation.id);
                assert_eq!(code(value).unwrap_or("validation"), name, "{}", operation.id);
            }
            let oauths = Code::OAUTH_NAMES.map(|name| format!("`{name}`"));
            let description = response["description"].as_str().expect("a description");
            if operation.path == "/v1/oauth/token" {
                let named = oauths.iter().filter(|name| description.contains(*name)).count();
                assert_eq!(examples.len(), named, "{status}");
                continue;
            }
            for named in codes_named(description, status) {
                assert!(examples.contains_key(named), "{} {status} has no example of {named}", operation.id);
            }
        }
    }
}

#[test]
fn errors_have_four_schemas_and_two_sets_of_codes() {
    let document = Document::generated();
    let mut schemas: Vec<String> = Vec::new();
    for operation in document.operations() {
        for (status, schema) in error_schemas(&operation) {
            let either = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
            assert!(either.len() == 1 || status == "422", "{} {status}", operation.id);
            schemas.extend(either.iter().map(|one| one["$ref"].as_str().expect("a name").to_owned()));
        }
    }
    schemas.sort();
    schemas.dedup();
    assert_eq!(
        schemas,
        ["ErrorEnvelope", "OauthError", "TracedError", "ValidationErrors"]
            .map(|name| format!("#/components/schemas/{name}"))
    );
    let codes = &document.json()["components"]["schemas"]["ErrorCode"]["enum"];
    let of_oauth = ["invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];
    let mut all: Vec<_> =
        Code::ALL.iter().map(|code| code.name()).filter(|c| !of_oauth.contains(c)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(codes, &json!(all));
    let codes = &document.json()["components"]["schemas"]["OauthErrorCode"]["enum"];
    assert_eq!(codes, &json!(Code::OAUTH_NAMES));
}

fn error_schemas(operation: &Operation) -> Vec<(String, Value)> {
    let responses = operation.spec["responses"].as_object().expect("responses").iter();
    let errors = responses.filter(|(status, _)| status.starts_with(['4', '5']));
    errors
        .map(|(status, error)| (status.clone(), error["content"]["application/json"]["schema"].clone()))
        .collect()
}

fn code(example: &Value) -> Option<&str> {
    example["error"]["code"].as_str().or(example["Error"]["Code"].as_str()).or(example["error"].as_str())
}

/// The codes that a description names.
fn codes_named<'d>(description: &'d str, status: &str) -> Vec<&'d str> {
    let is_code =
        |word: &&str| Code::ALL.iter().any(|code| code.name() == *word && code.status().as_str() == status);
    description.split('`').skip(1).step_by(2).filter(is_code).collect()
}
