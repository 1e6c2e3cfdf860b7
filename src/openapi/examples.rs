//! Examples of errors, rendered as the service renders them.

use serde_json::Value;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat};
use utoipa::openapi::{Components, RefOr};

use super::schemas::{fields, resolve};
use crate::error::shape::{Shape, body};
use crate::error::{ApiError, Code, Loc, Problem, ProblemKind};

/// The request id of every example.
const REQUEST_ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
/// The time when something ends in an example.
const ENDS: &str = "2026-12-21T08:00:00.000000Z";

/// A request that breaks a rule of its operation.
#[derive(Default)]
pub struct InvalidRequest(Vec<Problem>);

/// Examples of an error response: one for each code that its description names, and of a 422 under
/// `/v1` one that has no code but problems. `invalid` is what goes wrong with the request where
/// it can be told from the operation.
pub fn of_errors(
    description: &str,
    status: &str,
    shape: Shape,
    invalid: &InvalidRequest,
) -> Vec<(String, RefOr<Example>)> {
    if shape == Shape::Oauth {
        return in_oauths_words(description, status);
    }
    let mut examples = Vec::new();
    if matches!((status, shape), ("422", Shape::V1 | Shape::Platform)) {
        let error = ApiError::Invalid(invalid.0.clone());
        examples.push(example("validation", "A field that breaks its rules.", &error, shape));
    }
    for code in named(description).filter(|code| code.status().as_str() == status) {
        let error = match code {
            Code::InvalidRequest if shape == Shape::PublicKey && !invalid.0.is_empty() => {
                ApiError::Invalid(invalid.0.clone())
            }
            code => detailed(code),
        };
        examples.push(example(code.name(), code.default_message(), &error, shape));
    }
    examples
}

/// The same of the token endpoint. Several codes have one name there; the first is the example.
fn in_oauths_words(description: &str, status: &str) -> Vec<(String, RefOr<Example>)> {
    let mut examples: Vec<(String, RefOr<Example>)> = Vec::new();
    for code in Code::ALL.iter().filter(|code| code.status().as_str() == status) {
        let name = code.oauth_name();
        let is_named = quoted(description).any(|word| word == name);
        if is_named && !examples.iter().any(|(known, _)| known == name) {
            let error = ApiError::new(*code);
            examples.push(example(name, code.default_message(), &error, Shape::Oauth));
        }
    }
    examples
}

fn example(name: &str, summary: &str, error: &ApiError, shape: Shape) -> (String, RefOr<Example>) {
    let rendered = body(error, shape, REQUEST_ID);
    let value: Value = serde_json::from_slice(&rendered).expect("what was just rendered as JSON is JSON");
    (name.to_owned(), RefOr::T(ExampleBuilder::new().summary(summary).value(Some(value)).build()))
}

/// Of a body that can be one of several, the example of each.
pub fn add_variants(operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = operation.request_body.as_mut() else { return };
    let Some(RefOr::T(content)) = body.content.get_mut("application/json") else { return };
    let schema = content.schema.as_ref().and_then(|schema| resolve(schema, components));
    let Some(Schema::OneOf(either)) = schema else { return };
    let variants = either.items.iter().filter_map(|item| match resolve(item, components)? {
        Schema::Object(object) => Some(object),
        _ => None,
    });
    for (number, object) in variants.enumerate() {
        let summary = object.description.clone().unwrap_or_default();
        let example = ExampleBuilder::new().summary(summary).value(object.example.clone()).build();
        content.examples.insert(format!("{}", number + 1), RefOr::T(example));
    }
}

/// The codes that a description names in backticks.
fn named(description: &str) -> impl Iterator<Item = Code> {
    quoted(description).flat_map(|word| Code::ALL.iter().copied().filter(move |code| code.name() == word))
}

fn quoted(description: &str) -> impl Iterator<Item = &str> {
    description.split('`').skip(1).step_by(2)
}

/// An error with the details that its code comes with.
fn detailed(code: Code) -> ApiError {
    let error = ApiError::new(code);
    match code {
        Code::TooManyLiveKeys | Code::TooManyLiveSecrets => {
            error.detail("expires_at", "next_expiry", ENDS.to_owned())
        }
        Code::SecretNoLongerAvailable => error.detail("key_id", "made", REQUEST_ID.to_owned()),
        Code::InsufficientScope => error.detail("scope", "insufficient_scope", "users:write".to_owned()),
        Code::WeakKey => refused(code, "has fewer than 2048 bits"),
        Code::PrivateKey => refused(code, "is a private key; this pair is burnt: make a new one"),
        Code::DuplicateKey => error.detail("PublicKey", "duplicate_key", "is alive already".to_owned()),
        _ => error,
    }
}

fn refused(code: Code, msg: &'static str) -> ApiError {
    let problem = Problem::body("PublicKey", ProblemKind::ValueError, msg);
    ApiError::Invalid(vec![Problem { code: Some(code), ..problem }])
}

/// The likeliest mistake: a required field that is missing, a field that there is not, or a
/// parameter that cannot be read.
pub fn invalid(operation: &Operation, components: &Components) -> InvalidRequest {
    let problem = in_body(operation, components).or_else(|| in_parameters(operation)).unwrap_or_else(|| {
        at("query", "page", ProblemKind::ExtraForbidden, "is not a parameter of this request")
    });
    InvalidRequest(vec![problem])
}

fn in_body(operation: &Operation, components: &Components) -> Option<Problem> {
    let RefOr::T(body) = operation.request_body.as_ref()? else { return None };
    let RefOr::T(content) = body.content.get("application/json")? else { return None };
    let schema = resolve(content.schema.as_ref()?, components)?;
    let required = fields(schema, components)?.required.first();
    Some(match required {
        Some(field) => at("body", field, ProblemKind::Missing, "is required"),
        None => at("body", "colour", ProblemKind::ExtraForbidden, "is not a field of this request"),
    })
}

fn in_parameters(operation: &Operation) -> Option<Problem> {
    let parameters = || {
        operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
    };
    let id = parameters().find(|parameter| is_id(parameter));
    let id =
        id.map(|id| at("path", &id.name, ProblemKind::UuidParsing, "must be a UUID, written 8-4-4-4-12"));
    let limit = || parameters().find(|parameter| parameter.name == "limit");
    id.or_else(|| limit().map(|_| at("query", "limit", ProblemKind::LessThanEqual, "must be at most 100")))
}

fn is_id(parameter: &Parameter) -> bool {
    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else { return false };
    parameter.parameter_in == ParameterIn::Path
        && schema.format == Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))
}

fn at(part: &'static str, field: &str, kind: ProblemKind, msg: &'static str) -> Problem {
    let loc = vec![Loc::Name(part.into()), Loc::Name(field.to_owned().into())];
    Problem { loc, msg: msg.into(), kind, code: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_a_description_names_them() {
        let codes: Vec<_> = named("`not_found`: no `key_id`, or `key_not_live`.").collect();
        assert_eq!(codes, [Code::NotFound, Code::KeyNotLive, Code::PublicKeyNotLive]);
    }
}
