//! Reads a request's parts field by field and collects every problem, where serde would stop at
//! the first and quote the input.

use std::borrow::Cow;
use std::mem;

use chrono::{DateTime, Utc};

use super::field::{Field, Value};
use super::json::Json;
use crate::error::{Loc, Problem, ProblemKind, Problems};

/// Unknown names that are told of one object, or of a query: a head of 64 KiB has room for thousands.
const MAX_UNKNOWN: usize = 50;

/// A request's path parameters, query and body, of which nothing is valid until
/// [`Reader::finish`] says so.
pub struct Reader {
    path: Option<Pairs>,
    query: Pairs,
    /// The query parameters that the route knows.
    known: Vec<&'static str>,
    body: Object,
    problems: Problems,
}

/// Text parameters by name.
#[derive(Default)]
pub struct Pairs(pub Vec<(String, String)>);

impl Pairs {
    /// Takes what was sent under `name`; twice is ambiguous and refused.
    fn take(&self, name: &str) -> Value {
        let mut sent = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value);
        match (sent.next(), sent.next()) {
            (None, _) => Value::Absent,
            (Some(value), None) => Value::Text(value.clone()),
            (Some(_), Some(_)) => Value::Repeated,
        }
    }
}

impl Reader {
    /// `path` is `None` where a parameter is not UTF-8 once decoded; `now` decides what is in the future.
    pub fn new(path: Option<Pairs>, query: Pairs, now: DateTime<Utc>) -> Self {
        let problems = Problems { found: Vec::new(), now };
        Self { path, query, known: Vec::new(), body: Object::unknown(), problems }
    }

    /// Sets the body, once it was parsed.
    pub fn set_body(&mut self, body: Json) {
        match body {
            Json::Object(entries) => self.body = Object::new(vec![name("body")], entries, &mut self.problems),
            _ => self.body_problem(ProblemKind::ModelAttributesType, "must be a JSON object"),
        }
    }

    /// Notes that the body as a whole is wrong; its fields are then not reported as missing.
    pub fn body_problem(&mut self, kind: ProblemKind, msg: &'static str) {
        self.body = Object::unknown();
        self.problems.note(vec![name("body")], kind, msg);
    }

    /// A path parameter.
    pub fn path(&mut self, field: &'static str) -> Field<'_> {
        // A replacement character is in no valid id or name, so undecodable bytes fail as text does.
        let value = match &self.path {
            Some(path) => path.take(field),
            None => Value::Text(char::REPLACEMENT_CHARACTER.to_string()),
        };
        Field::new(vec![name("path"), name(field)], value, &mut self.problems)
    }

    /// A query parameter. Those never asked for are refused by [`Reader::finish`].
    pub fn query(&mut self, field: &'static str) -> Field<'_> {
        self.known.push(field);
        Field::new(vec![name("query"), name(field)], self.query.take(field), &mut self.problems)
    }

    /// A field of the body. Those never asked for are refused by [`Reader::finish`].
    pub fn body(&mut self, field: &'static str) -> Field<'_> {
        self.body.field(field, &mut self.problems)
    }

    /// Notes what only several fields together show.
    pub fn refuse(&mut self, field: &'static str, msg: &'static str) {
        self.problems.note(vec![name("body"), name(field)], ProblemKind::ValueError, msg);
    }

    /// The instant that the request is judged by.
    pub fn now(&self) -> DateTime<Utc> {
        self.problems.now
    }

    /// Returns `true` if the body has a field, and not as `null`.
    pub fn has_body(&self, field: &str) -> bool {
        self.body.has(field)
    }

    /// The input, if nothing was wrong; else every problem.
    ///
    /// # Errors
    /// The problems.
    pub fn finish<T>(self, input: Option<T>) -> Result<T, Vec<Problem>> {
        let problems = self.into_problems();
        match input {
            Some(input) if problems.is_empty() => Ok(input),
            _ => {
                debug_assert!(!problems.is_empty(), "a field was refused without a problem");
                Err(problems)
            }
        }
    }

    /// Every problem there is.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.close_query();
        self.body.close(&mut self.problems);
        self.problems.in_order()
    }

    /// Refuses what nobody asked for, each name once.
    fn close_query(&mut self) {
        let mut told: Vec<&str> = Vec::new();
        for (key, _) in &self.query.0 {
            if self.known.contains(&key.as_str()) || told.contains(&key.as_str()) {
                continue;
            }
            if told.len() == MAX_UNKNOWN {
                break;
            }
            told.push(key);
            let (kind, msg) = (ProblemKind::ExtraForbidden, "is not a parameter of this request");
            self.problems.note(below(&[name("query")], key), kind, msg);
        }
    }
}

/// An object of the body, whose fields are taken by name.
pub(super) struct Object {
    at: Vec<Loc>,
    /// `None` while nothing is known of the object, because it was broken.
    entries: Option<Vec<(String, Json)>>,
}

impl Object {
    /// The object at `at`; a name given twice is a problem at once.
    pub(super) fn new(at: Vec<Loc>, entries: Vec<(String, Json)>, problems: &mut Problems) -> Self {
        let mut kept: Vec<(String, Json)> = Vec::with_capacity(entries.len());
        let mut repeated: Vec<String> = Vec::new();
        for (key, value) in entries {
            if kept.iter().any(|(k, _)| *k == key) {
                if !repeated.contains(&key) {
                    problems.note(below(&at, &key), ProblemKind::ValueError, "is given more than once");
                    repeated.push(key);
                }
            } else {
                kept.push((key, value));
            }
        }
        Self { at, entries: Some(kept) }
    }

    fn unknown() -> Self {
        Self { at: Vec::new(), entries: None }
    }

    /// Takes a field.
    fn field<'p>(&mut self, field: &'static str, problems: &'p mut Problems) -> Field<'p> {
        let value = match &mut self.entries {
            None => Value::Unknown,
            Some(entries) => match entries.iter().position(|(key, _)| key == field) {
                None => Value::Absent,
                Some(found) => Value::Json(entries.swap_remove(found).1),
            },
        };
        let mut loc = self.at.clone();
        loc.push(name(field));
        Field::new(loc, value, problems)
    }

    fn has(&self, field: &str) -> bool {
        self.entries.iter().flatten().any(|(key, value)| key == field && !matches!(value, Json::Null))
    }

    /// Refuses what nobody asked for.
    pub(super) fn close(&mut self, problems: &mut Problems) {
        for (key, _) in mem::take(&mut self.entries).into_iter().flatten().take(MAX_UNKNOWN) {
            problems.note(
                below(&self.at, &key),
                ProblemKind::ExtraForbidden,
                "is not a field of this request",
            );
        }
    }
}

/// The fields of a nested object.
pub struct Fields<'o> {
    pub(super) object: &'o mut Object,
    pub(super) problems: &'o mut Problems,
}

impl Fields<'_> {
    /// Takes a field.
    pub fn field(&mut self, field: &'static str) -> Field<'_> {
        self.object.field(field, self.problems)
    }
}

fn name(name: &'static str) -> Loc {
    Loc::Name(Cow::Borrowed(name))
}

/// The place of a name the client chose, as far as it is told.
fn below(at: &[Loc], key: &str) -> Vec<Loc> {
    at.iter().cloned().chain(Loc::plain(key)).collect()
}
