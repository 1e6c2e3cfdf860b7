//! Problems with one part of a request, in pydantic's words (contract 1).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Code;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where: `body`, `path`, `query` or `header`, then names and list positions.
    #[schema(value_type = Vec<LocItem>, example = json!(["body", "user_id"]), min_items = 1)]
    pub loc: Vec<Loc>,
    /// For people; never repeats input.
    #[schema(value_type = String, example = "must be a UUID, written 8-4-4-4-12")]
    pub msg: Cow<'static, str>,
    /// For programs, from a closed set.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// Names the whole reply where the shape has room for one code (contract 9).
    #[serde(skip)]
    pub code: Option<Code>,
}

impl Problem {
    /// The field's name where a shape has no room for a path.
    #[must_use]
    pub fn field(&self) -> String {
        let names: Vec<_> = self.loc.iter().skip(1).map(ToString::to_string).collect();
        if names.is_empty() {
            self.loc.first().map(ToString::to_string).unwrap_or_default()
        } else {
            names.join(".")
        }
    }
}

impl Problem {
    /// The outermost field: what a flat map of reasons is keyed by.
    #[must_use]
    pub fn top_field(&self) -> String {
        self.loc.get(1).or(self.loc.first()).map(ToString::to_string).unwrap_or_default()
    }

    /// A problem with a field of the body that only the stored state shows.
    #[must_use]
    pub fn body(field: &'static str, kind: ProblemKind, msg: &'static str) -> Self {
        Self::within_body([field], kind, msg)
    }

    /// The same for a parameter of the query.
    #[must_use]
    pub fn query(name: &'static str, kind: ProblemKind, msg: &'static str) -> Self {
        let loc = ["query", name].map(|name| Loc::Name(name.into())).into();
        Self { loc, msg: msg.into(), kind, code: None }
    }

    /// The same for a field further inside.
    #[must_use]
    pub fn within_body<const N: usize>(
        path: [&'static str; N],
        kind: ProblemKind,
        msg: &'static str,
    ) -> Self {
        let loc = std::iter::once("body").chain(path).map(|name| Loc::Name(name.into())).collect();
        Self { loc, msg: msg.into(), kind, code: None }
    }
}

/// The problems found so far, and the time that they are judged by.
#[derive(Debug)]
pub struct Problems {
    pub(crate) found: Vec<Problem>,
    pub(crate) now: DateTime<Utc>,
}

impl Problems {
    /// Path first, then query, then body, each in the order read.
    pub(crate) fn in_order(mut self) -> Vec<Problem> {
        const PARTS: [&str; 3] = ["path", "query", "body"];
        let part = |problem: &Problem| match problem.loc.first() {
            Some(Loc::Name(name)) => PARTS.iter().position(|part| part == name),
            _ => None,
        };
        self.found.sort_by_key(part);
        self.found
    }

    pub(crate) fn note(&mut self, loc: Vec<Loc>, kind: ProblemKind, msg: impl Into<Cow<'static, str>>) {
        self.found.push(Problem { loc, msg: msg.into(), kind, code: None });
    }

    pub(crate) fn note_coded(&mut self, loc: Vec<Loc>, code: Option<Code>, msg: Cow<'static, str>) {
        self.found.push(Problem { loc, msg, kind: ProblemKind::ValueError, code });
    }
}

/// A step of [`Problem::loc`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Loc {
    /// A part of the request, or a field.
    Name(Cow<'static, str>),
    /// A position in a list.
    Index(usize),
}

/// A step on the way to what is wrong: a name, or a position in a list.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = Loc)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum LocItem {
    #[schema(value_type = String)]
    Name(String),
    Index(u64),
}

/// The longest field name worth echoing: shorter than any key, secret or token of ours, so that one that was sent as
/// a name is not repeated.
const MAX_ECHOED_NAME: usize = 40;

impl Loc {
    /// The step to a name that the client chose; none to one that cannot be a field's name: it may be a value in the
    /// wrong place.
    #[must_use]
    pub fn plain(name: &str) -> Option<Self> {
        // The signs are those of `page[size]`, `$top` and `user.name`.
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.$[]".contains(&b));
        let is_plain = plain && !name.is_empty() && name.len() <= MAX_ECHOED_NAME;
        is_plain.then(|| Self::Name(Cow::Owned(name.to_owned())))
    }
}

impl std::fmt::Display for Loc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => index.fmt(f),
        }
    }
}

/// The closed set of problem types, named as pydantic names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProblemType)]
pub enum ProblemKind {
    /// A required value is not there.
    Missing,
    /// The body is not JSON.
    JsonInvalid,
    /// Something is not a JSON object.
    ModelAttributesType,
    /// A field or parameter that there is none of.
    ExtraForbidden,
    /// Not a string.
    StringType,
    /// Fewer characters than allowed.
    StringTooShort,
    /// More characters than allowed.
    StringTooLong,
    /// Not a UUID.
    UuidParsing,
    /// Not a number.
    IntType,
    /// Not a whole number, written out.
    IntParsing,
    /// Below the least.
    GreaterThanEqual,
    /// Above the most.
    LessThanEqual,
    /// Not an instant.
    DatetimeParsing,
    /// Not one of the values there are.
    Enum,
    /// Breaks another rule of its field.
    ValueError,
    /// Cannot be changed after creation.
    ImmutableField,
}
