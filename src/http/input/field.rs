//! One field of a request, and the rules it can be held to.
//!
//! Every reading returns `Option`: `None` is an absent optional field, or a problem already
//! noted. Which of the two it was no longer matters once [`Reader::finish`] has passed.
//!
//! [`Reader::finish`]: super::Reader::finish

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, Months, SubsecRound, Utc};
use uuid::Uuid;

use super::as_sent::ObjectAsSent;
use super::json::Json;
use super::reader::{Fields, Object};
use crate::error::Code;
use crate::error::{Loc, ProblemKind, Problems};
use crate::ids::parse_uuid;
use crate::streams::schema::{Refused, TypeSchema};

/// The value that was sent.
pub enum Value {
    /// The enclosing object was broken, so nothing can be said.
    Unknown,
    Absent,
    /// A path or query parameter.
    Text(String),
    /// A query parameter sent more than once.
    Repeated,
    /// Something in the body.
    Json(Json),
}

/// A field that has not been judged yet.
#[must_use = "a field is only checked when it is read"]
pub struct Field<'p> {
    value: Value,
    location: FieldLocation<'p>,
}

/// The location of a field, and the list that its problems go to.
struct FieldLocation<'p> {
    loc: Vec<Loc>,
    problems: &'p mut Problems,
}

impl FieldLocation<'_> {
    fn refuse<T>(self, kind: ProblemKind, msg: impl Into<Cow<'static, str>>) -> Option<T> {
        self.problems.note(self.loc, kind, msg);
        None
    }
}

/// The effect of a PATCH on a field (contract 1: `null` clears).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch<T> {
    /// Absent: stays as it is.
    Keep,
    /// `null`.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns `true` if the column is written at all.
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// The value to write, where [`Patch::is_change`].
    pub fn value(&self) -> Option<&T> {
        if let Self::Set(value) = self { Some(value) } else { None }
    }
}

impl<'p> Field<'p> {
    pub(super) fn new(loc: Vec<Loc>, value: Value, problems: &'p mut Problems) -> Self {
        Self { value, location: FieldLocation { loc, problems } }
    }

    /// Notes a missing field.
    pub fn required(mut self) -> Self {
        if matches!(self.value, Value::Absent | Value::Json(Json::Null)) {
            let FieldLocation { loc, problems } = &mut self.location;
            problems.note(loc.clone(), ProblemKind::Missing, "is required");
            self.value = Value::Unknown;
        }
        self
    }

    /// A UUID, written 8-4-4-4-12.
    pub fn uuid(self) -> Option<Uuid> {
        self.parsed(ProblemKind::UuidParsing, "must be a UUID, written 8-4-4-4-12", parse_uuid)
    }

    /// An RFC 3339 instant with an offset, cut to microseconds.
    pub fn datetime(self) -> Option<DateTime<Utc>> {
        const MSG: &str = "must be an RFC 3339 date and time with an offset, such as 2027-01-31T12:00:00Z";
        self.parsed(ProblemKind::DatetimeParsing, MSG, |text| {
            let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            // Outside these years it is a typing error, and Postgres or a client may not hold it.
            (1970..=9999).contains(&instant.year()).then(|| instant.trunc_subsecs(6))
        })
    }

    /// An instant that has not come yet.
    pub fn future(self) -> Option<DateTime<Utc>> {
        self.future_within(None, "")
    }

    /// An instant that has not come yet, at most `limit` from now; `msg` says how far that is.
    pub fn future_within(self, limit: Option<Months>, msg: &'static str) -> Option<DateTime<Utc>> {
        let Self { value, location: FieldLocation { loc, problems } } = self;
        let instant = Field::new(loc.clone(), value, problems).datetime()?;
        let latest = limit.and_then(|limit| problems.now.checked_add_months(limit));
        if instant <= problems.now {
            return FieldLocation { loc, problems }.refuse(ProblemKind::ValueError, "must be in the future");
        }
        if latest.is_some_and(|latest| instant > latest) {
            return FieldLocation { loc, problems }.refuse(ProblemKind::ValueError, msg);
        }
        Some(instant)
    }

    /// Refuses `null` where a field cannot be cleared.
    pub fn not_null(mut self) -> Self {
        if matches!(self.value, Value::Json(Json::Null)) {
            let FieldLocation { loc, problems } = &mut self.location;
            problems.note(loc.clone(), ProblemKind::ValueError, "cannot be cleared");
            self.value = Value::Unknown;
        }
        self
    }

    /// One of a closed set; `msg` lists the set.
    pub fn choice<T>(self, msg: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.parsed(ProblemKind::Enum, msg, parse)
    }

    /// Text of `length` characters (Unicode scalar values), without NUL, which Postgres cannot store.
    pub fn text(self, length: RangeInclusive<usize>) -> Option<String> {
        self.checked_text(length, |_| true, "")
    }

    /// The same without control characters: it is shown as one line.
    pub fn line(self, length: RangeInclusive<usize>) -> Option<String> {
        let is_line = |text: &str| !text.chars().any(char::is_control);
        self.checked_text(length, is_line, "must not contain control characters")
    }

    /// An e-mail address of at most 254 characters (RFC 5321 4.5.3).
    pub fn email(self) -> Option<String> {
        self.checked_text(0..=254, email_address::EmailAddress::is_valid, "must be an e-mail address")
    }

    /// Text that `decode` makes something of, or says why not. The text is wiped afterwards.
    pub fn decoded<T>(self, decode: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let (value, location) = self.present()?;
        let decoded = match &value {
            Value::Text(text) => decode(text),
            Value::Json(Json::Text(text)) => decode(text.as_str()),
            _ => return location.refuse(ProblemKind::StringType, "must be a string"),
        };
        match decoded {
            Ok(decoded) => Some(decoded),
            Err(msg) => location.refuse(ProblemKind::ValueError, msg),
        }
    }

    /// Text that `judge` makes something of, or refuses with a code of its own. The text is wiped
    /// afterwards.
    pub fn judged<T>(
        self,
        judge: impl FnOnce(&str) -> Result<T, (Option<Code>, Cow<'static, str>)>,
    ) -> Option<T> {
        let (value, FieldLocation { loc, problems }) = self.present()?;
        let Value::Json(Json::Text(text)) = &value else {
            return FieldLocation { loc, problems }.refuse(ProblemKind::StringType, "must be a string");
        };
        match judge(text.as_str()) {
            Ok(judged) => Some(judged),
            Err((code, msg)) => {
                problems.note_coded(loc, code, msg);
                None
            }
        }
    }

    /// The text as it is, for what is looked up: whatever is not found is a 404, not a problem.
    pub fn looked_up(self) -> Option<String> {
        self.decoded(|text| Ok(text.to_owned()))
    }

    /// A whole number in `range`. In a body `"60"` and `60.0` are not numbers of this kind.
    pub fn integer(self, range: RangeInclusive<i64>) -> Option<i64> {
        let (value, location) = self.present()?;
        let number = match &value {
            Value::Text(text) => match parse_integer(text) {
                Some(number) => number,
                None => return location.refuse(ProblemKind::IntParsing, "must be a whole number"),
            },
            Value::Json(Json::Number(number)) if number.is_u64() => number.as_i64().unwrap_or(i64::MAX),
            Value::Json(Json::Number(number)) if number.is_i64() => number.as_i64().unwrap_or(i64::MIN),
            _ => return location.refuse(ProblemKind::IntType, "must be a whole number"),
        };
        if number < *range.start() {
            return location
                .refuse(ProblemKind::GreaterThanEqual, format!("must be at least {}", range.start()));
        }
        if number > *range.end() {
            return location.refuse(ProblemKind::LessThanEqual, format!("must be at most {}", range.end()));
        }
        Some(number)
    }

    /// `true` or `false`: a JSON boolean in a body, the word in a query.
    pub fn boolean(self) -> Option<bool> {
        let (value, location) = self.present()?;
        match &value {
            Value::Json(Json::Bool(value)) => Some(*value),
            Value::Text(text) if text == "true" => Some(true),
            Value::Text(text) if text == "false" => Some(false),
            _ => location.refuse(ProblemKind::ValueError, "must be true or false"),
        }
    }

    /// A nested object; `read` takes its fields, and what it leaves is refused.
    pub fn object<T>(self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let (value, location) = self.present()?;
        let Value::Json(Json::Object(entries)) = value else {
            return location.refuse(ProblemKind::ModelAttributesType, "must be a JSON object");
        };
        let FieldLocation { loc, problems } = location;
        let mut object = Object::new(loc, entries, problems);
        let inner = read(&mut Fields { object: &mut object, problems });
        object.close(problems);
        inner
    }

    /// A list of `length` items, each judged by `read` in its place.
    pub fn list<T>(
        self,
        length: RangeInclusive<usize>,
        mut read: impl FnMut(Field<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (value, location) = self.present()?;
        let Value::Json(Json::List(items)) = value else {
            return location.refuse(ProblemKind::ValueError, "must be a list");
        };
        if !length.contains(&items.len()) {
            let msg = format!("must have {} to {} items", length.start(), length.end());
            return location.refuse(ProblemKind::ValueError, msg);
        }
        let FieldLocation { loc, problems } = location;
        let read_one = |(index, item)| {
            let mut loc = loc.clone();
            loc.push(Loc::Index(index));
            // `null` is no item.
            read(Field::new(loc, Value::Json(item), &mut *problems).required())
        };
        let read: Vec<_> = items.into_iter().enumerate().map(read_one).collect();
        read.into_iter().collect()
    }

    /// An object of at most `max` bytes whose very bytes are kept: one of [`Input::AS_SENT`]. A name that one of its
    /// objects has twice is refused, for readers differ in which they take.
    ///
    /// [`Input::AS_SENT`]: super::Input::AS_SENT
    pub fn object_as_sent(self, max: usize) -> Option<ObjectAsSent> {
        let (value, location) = self.present()?;
        let (text, says) = match value {
            Value::Json(Json::AsSent(text, says)) => (text, says),
            _ => return location.refuse(ProblemKind::ModelAttributesType, "must be a JSON object"),
        };
        if !matches!(*says, Json::Object(_)) {
            return location.refuse(ProblemKind::ModelAttributesType, "must be a JSON object");
        }
        if text.len() > max {
            return location.refuse(ProblemKind::StringTooLong, format!("must have at most {max} bytes"));
        }
        if says.repeats_a_name() {
            return location.refuse(ProblemKind::ValueError, "must give no name twice in an object");
        }
        Some(ObjectAsSent(text))
    }

    /// A JSON Schema that can be compiled, of at most `max` bytes written without spaces; gives its text.
    pub fn schema(self, max: usize) -> Option<String> {
        let (value, location) = self.present()?;
        let Value::Json(json @ (Json::Object(_) | Json::Bool(_))) = value else {
            return location.refuse(ProblemKind::ModelAttributesType, "must be a JSON Schema: an object");
        };
        if json.repeats_a_name() {
            return location.refuse(ProblemKind::ValueError, "must give no name twice in an object");
        }
        let text = json.to_text();
        if text.len() > max {
            return location.refuse(ProblemKind::StringTooLong, format!("must have at most {max} bytes"));
        }
        match TypeSchema::compile(&text) {
            Ok(_) => Some(text),
            Err(Refused { path, why }) => {
                let FieldLocation { mut loc, problems } = location;
                loc.extend(path.iter().map_while(|name| Loc::plain(name)));
                problems.note(loc, ProblemKind::ValueError, why);
                None
            }
        }
    }

    /// Accepts whatever it is.
    pub fn ignored(self) {}

    /// Refuses the field where another one excludes it.
    pub fn excluded(self, msg: &'static str) {
        if !matches!(self.value, Value::Absent | Value::Unknown | Value::Json(Json::Null)) {
            self.location.refuse::<()>(ProblemKind::ValueError, msg);
        }
    }

    /// The same, unless the field says no more than its default does.
    pub fn excluded_but(self, default: &str, msg: &'static str) {
        if !matches!(&self.value, Value::Text(text) if text == default) {
            self.excluded(msg);
        }
    }

    /// Returns the effect of a PATCH on this field; `read` judges a new value.
    pub fn change<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Patch<T>> {
        match self.value {
            Value::Absent => Some(Patch::Keep),
            Value::Json(Json::Null) => Some(Patch::Clear),
            _ => read(self).map(Patch::Set),
        }
    }

    /// Refuses the field if it is there at all: it exists, but cannot be changed.
    pub fn immutable(self) {
        if !matches!(self.value, Value::Absent | Value::Unknown) {
            self.location.refuse::<()>(ProblemKind::ImmutableField, "cannot be changed");
        }
    }

    fn checked_text(
        self,
        length: RangeInclusive<usize>,
        is_valid: impl FnOnce(&str) -> bool,
        msg: &'static str,
    ) -> Option<String> {
        let (value, location) = self.present()?;
        let text = match value {
            Value::Text(text) => text,
            Value::Json(Json::Text(text)) => text.take(),
            _ => return location.refuse(ProblemKind::StringType, "must be a string"),
        };
        let count = text.chars().count();
        if text.contains('\0') {
            return location.refuse(ProblemKind::ValueError, "must not contain a NUL character");
        }
        if count < *length.start() {
            return location.refuse(
                ProblemKind::StringTooShort,
                format!("must have at least {} characters", length.start()),
            );
        }
        if count > *length.end() {
            return location.refuse(
                ProblemKind::StringTooLong,
                format!("must have at most {} characters", length.end()),
            );
        }
        if !is_valid(&text) {
            return location.refuse(ProblemKind::ValueError, msg);
        }
        Some(text)
    }

    fn parsed<T>(
        self,
        kind: ProblemKind,
        msg: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (value, location) = self.present()?;
        let parsed = match &value {
            Value::Text(text) => parse(text),
            Value::Json(Json::Text(text)) => parse(text.as_str()),
            _ => None,
        };
        parsed.or_else(|| location.refuse(kind, msg))
    }

    /// The value, where there is one to judge. `null` is absent (contract 1).
    fn present(self) -> Option<(Value, FieldLocation<'p>)> {
        match self.value {
            Value::Unknown | Value::Absent | Value::Json(Json::Null) => None,
            Value::Repeated => self.location.refuse(ProblemKind::ValueError, "is given more than once"),
            value => Some((value, self.location)),
        }
    }
}

/// Digits with an optional minus, as in JSON; a number too long for 64 bits saturates, so that it
/// is reported as out of range.
fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let limit = if text.len() == digits.len() { i64::MAX } else { i64::MIN };
    Some(text.parse().unwrap_or(limit))
}
