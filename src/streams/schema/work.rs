//! The work of checking a value, counted: a keyword of ours stands before every subschema, and each time that one meets
//! a value it is charged for. Where the work or the stack runs out, the check is given up by unwinding, which is as
//! quick as it is sure: what the schema says cannot matter to it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};

/// The name of the keyword.
pub const KEYWORD: &str = "x-partner-api-work";
/// Steps that one check may take: some ten milliseconds.
const MAX_STEPS: usize = 200_000;
/// Stack that one check may take, in bytes: threads have 2 MiB.
const MAX_STACK: usize = 768 * 1024;

thread_local! {
    /// What is left of the steps, and where the stack was when the check began; `None` outside of one.
    static LEFT: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// What is thrown to give up.
struct GivenUp;

/// Runs a check; `None` where it was given up.
pub fn bounded<T>(check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(Some((MAX_STEPS, stack())));
    let outcome = catch_unwind(AssertUnwindSafe(check));
    LEFT.set(None);
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(thrown) if thrown.is::<GivenUp>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// About where the stack is.
#[inline(never)]
fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

fn charge(steps: usize) {
    let Some((left, base)) = LEFT.get() else { return };
    if left < steps || base.abs_diff(stack()) > MAX_STACK {
        resume_unwind(Box::new(GivenUp));
    }
    LEFT.set(Some((left - steps, base)));
}

/// What one subschema costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Characters of the patterns that strings, or names, are held against.
    pub pattern: usize,
    /// Bytes of the values that a value is compared with.
    pub compared: usize,
    /// Items are compared with each other.
    pub unique: bool,
}

impl Cost {
    /// The keyword's value.
    pub fn to_json(self) -> Value {
        json!([self.pattern, self.compared, self.unique])
    }

    fn of(value: &Value) -> Self {
        let number = |at: usize| value[at].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        Self { pattern: number(0), compared: number(1), unique: value[2] == true }
    }

    /// Steps for one value.
    fn for_value(self, value: &Value) -> usize {
        let matched = |text: &str| if self.pattern == 0 { 0 } else { text.len() * (self.pattern + 16) / 256 };
        let own = match value {
            Value::String(text) => text.len() / 1_024 + matched(text),
            Value::Array(items) if self.unique => items.iter().map(size).sum(),
            Value::Array(items) => items.len() / 64,
            Value::Object(fields) => {
                fields.len() / 16 + fields.keys().map(|name| matched(name)).sum::<usize>()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        1 + own + self.compared / 64
    }
}

/// About the steps that it takes to compare a value.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 64,
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>() + fields.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Makes the keyword.
pub fn keyword<'a>(
    _: &'a Map<String, Value>,
    value: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(Cost::of(value)))
}

impl<'i> Keyword<'i> for Cost {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        charge(self.for_value(value));
        Ok(())
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        charge(self.for_value(value));
        true
    }
}
