//! What a type's data keeps to: a JSON Schema of the platform's (2020-12 or draft-07), compiled once. Whoever writes
//! one may be wrong, or worse, so nothing in it can make the service hang, crash or ask the network: references stay
//! in the schema, patterns match in linear time, and work and stack are counted (`work`) wherever a subschema meets
//! a value.

mod prepared;
#[cfg(test)]
mod tests;
mod work;

use std::borrow::Cow;
use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::error::{Loc, Problem, ProblemKind};

/// The largest compiled pattern, in bytes; its cache may be as large.
const MAX_PATTERN: usize = 64 * 1024;
/// Problems told of one event.
const MAX_PROBLEMS: usize = 5;

/// A compiled schema.
#[derive(Clone)]
pub struct TypeSchema(Arc<Validator>);

impl std::fmt::Debug for TypeSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypeSchema(..)")
    }
}

impl TypeSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Says what is wrong with it, and where; never what it says.
    pub fn compile(text: &str) -> Result<Self, Refused> {
        let schema =
            serde_json::from_str(text).map_err(|_| Refused::root("must be JSON that can be read"))?;
        let prepared = prepared::prepare(&schema)?;
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            // Formats are annotations, as 2020-12 has them by default.
            .should_validate_formats(false)
            .with_keyword(work::KEYWORD, work::keyword)
            .build(&prepared);
        validator.map(|validator| Self(Arc::new(validator))).map_err(|error| Refused::of(&error))
    }

    /// What is wrong with an event's data, at most five problems, located in its body. Nothing of the data is told but
    /// plain names.
    ///
    /// # Errors
    /// The problems.
    pub fn check(&self, data: &Value) -> Result<(), Vec<Problem>> {
        match work::bounded(|| self.0.is_valid(data)) {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => return Err(vec![too_much()]),
        }
        let told = work::bounded(|| {
            let errors = self.0.iter_errors(data).take(MAX_PROBLEMS);
            errors.map(|error| problem(&error)).collect::<Vec<_>>()
        });
        Err(told.unwrap_or_else(|| vec![too_much()]))
    }
}

/// A schema that is not taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where in the schema.
    pub path: Vec<String>,
    /// Why, for people.
    pub why: Cow<'static, str>,
}

impl Refused {
    fn root(why: &'static str) -> Self {
        Self { path: Vec::new(), why: why.into() }
    }

    /// The library's refusal: the keyword that is wrong, for its own words quote the schema.
    fn of(error: &ValidationError<'_>) -> Self {
        let path = error.instance_path().as_str().split('/').skip(1).map(str::to_owned);
        // What was added to it is no part of what was sent.
        let path: Vec<_> = path.filter(|segment| segment != "allOf" && segment != "1").collect();
        let why = match path.last() {
            Some(_) => {
                "does not keep to the rules of JSON Schema, or is a pattern too large or not supported"
            }
            None => "does not keep to the rules of JSON Schema",
        };
        Self { path, why: why.into() }
    }
}

fn too_much() -> Problem {
    let msg = "takes too much work to be checked by the schema of its type";
    Problem::body("data", ProblemKind::ValueError, msg)
}

fn problem(error: &ValidationError<'_>) -> Problem {
    use jsonschema::error::ValidationErrorKind as Kind;
    let mut loc: Vec<_> = ["body", "data"].map(|name| Loc::Name(name.into())).into();
    loc.extend(error.instance_path().iter().map_while(|segment| match segment {
        jsonschema::paths::LocationSegment::Index(index) => Some(Loc::Index(index)),
        jsonschema::paths::LocationSegment::Property(name) => Loc::plain(&name),
    }));
    let keyword = error.kind().keyword();
    let (kind, msg) = match error.kind() {
        Kind::Required { property } => {
            loc.extend(property.as_str().and_then(Loc::plain));
            (ProblemKind::Missing, "is required".into())
        }
        Kind::AdditionalProperties { .. } => {
            (ProblemKind::ExtraForbidden, "has a field that the schema of its type does not know".into())
        }
        Kind::Enum { .. } | Kind::Constant { .. } => {
            (ProblemKind::Enum, "is none of the values that the schema of its type allows".into())
        }
        _ => (
            ProblemKind::ValueError,
            format!("does not keep to `{keyword}` of the schema of its type").into(),
        ),
    };
    Problem { loc, msg, kind, code: None }
}
