//! Arguments are held to the rules of the API's own bodies, and refused in its words.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::CliError;
use crate::error::Problem;
use crate::http::input::{Input, judge};

/// Reads arguments as the body that the API would take.
///
/// # Errors
/// Every rule that they break.
pub fn judged<T: Input>(arguments: &Value, now: DateTime<Utc>) -> Result<T, CliError> {
    let (input, problems) = judge::<T>(arguments.to_string().as_bytes(), now);
    match input {
        Some(input) if problems.is_empty() => Ok(input),
        _ => Err(problems.iter().map(described).collect::<Vec<_>>().join("; ").into()),
    }
}

/// Reads the body of a file as the API would take it.
///
/// # Errors
/// Every rule that it breaks, after the file's name.
pub fn judged_text<T: Input>(file: &str, body: &str, now: DateTime<Utc>) -> Result<T, CliError> {
    let (input, problems) = judge::<T>(body.as_bytes(), now);
    match input {
        Some(input) if problems.is_empty() => Ok(input),
        _ => {
            let said: Vec<_> =
                problems.iter().map(|problem| format!("{} {}", problem.field(), problem.msg)).collect();
            Err(format!("{file}: {}", said.join("; ")).into())
        }
    }
}

/// With the argument's name for the field's. A position in a list is the position of the argument.
fn described(problem: &Problem) -> String {
    let field = problem.top_field();
    let argument = if field == "allowed_networks" { "network".to_owned() } else { field.replace('_', "-") };
    format!("--{argument} {}", problem.msg)
}
