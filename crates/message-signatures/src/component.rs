//! One covered component: its identifier, and its value in a request (RFC 9421 2).

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderName;
use sfv::{BareItem, Dictionary, FieldType as _, Item, ItemSerializer, List, ListEntry, Parser};

use crate::request::RequestHead;
use crate::{Problem, fields};

/// How the value of a component is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Plain,
    /// `sf`: parsed and serialised.
    Structured,
    /// `bs`: every line as a byte sequence.
    Bytes,
    /// `key=`: one member of a dictionary.
    Member(String),
    /// `name=`: one parameter of the query.
    Parameter(String),
}

/// A component as `Signature-Input` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    name: String,
    form: Form,
    identifier: String,
}

impl Component {
    /// Reads one item of the list.
    ///
    /// # Errors
    /// What has no meaning in a request, `req` and `tr` among it, and every parameter beside the one that fits.
    pub fn parse(item: &Item) -> Result<Self, Problem> {
        let identifier = item.serialize();
        let BareItem::String(name) = &item.bare_item else { return Err(Problem::NotAName(identifier)) };
        let form = form(item).ok_or_else(|| Problem::ComponentParameter(identifier.clone()))?;
        let fits = match name.as_str() {
            "@query-param" => matches!(form, Form::Parameter(_)),
            "@method" | "@target-uri" | "@authority" | "@scheme" | "@request-target" | "@path" | "@query" => {
                form == Form::Plain
            }
            derived if derived.starts_with('@') => return Err(Problem::UnknownComponent(identifier)),
            field if is_field_name(field) => !matches!(form, Form::Parameter(_)),
            _ => return Err(Problem::FieldName(identifier)),
        };
        if !fits {
            return Err(Problem::ComponentParameter(identifier));
        }
        Ok(Self { name: name.as_str().to_owned(), form, identifier })
    }

    /// The name with its parameters, as a line of the signature base begins.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether the whole of `name` is covered, and not one member of it.
    pub fn is_whole(&self, name: &str) -> bool {
        self.name == name && !matches!(self.form, Form::Member(_) | Form::Parameter(_))
    }

    /// How many bytes of `head` are parsed for the value; copying them costs much less.
    pub fn parses(&self, head: &RequestHead<'_>) -> usize {
        match self.form {
            Form::Plain | Form::Bytes => 0,
            Form::Parameter(_) => head.query().map_or(0, str::len),
            Form::Structured | Form::Member(_) => {
                head.headers.get_all(&self.name).iter().map(http::HeaderValue::len).sum()
            }
        }
    }

    /// The value in `head`.
    ///
    /// # Errors
    /// [`Problem::Absent`] and what keeps a value from being one line of ASCII.
    pub fn value<'a>(&self, head: &RequestHead<'a>) -> Result<Cow<'a, str>, Problem> {
        Ok(match self.name.as_str() {
            "@method" => Cow::Borrowed(head.method),
            "@target-uri" => Cow::Owned(head.target_uri()),
            "@authority" => head.base.normal_authority(),
            "@scheme" => Cow::Borrowed(head.base.scheme),
            "@request-target" => Cow::Borrowed(head.target),
            "@path" => Cow::Borrowed(head.path()),
            "@query" => Cow::Owned(format!("?{}", head.query().unwrap_or_default())),
            "@query-param" => Cow::Owned(self.query_parameter(head.query().unwrap_or_default())?),
            _ => Cow::Owned(self.field(head)?),
        })
    }

    /// The value of the one query parameter with our name, encoded anew (RFC 9421 2.2.8).
    fn query_parameter(&self, query: &str) -> Result<String, Problem> {
        let Form::Parameter(name) = &self.form else { return Err(self.absent()) };
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| encoded(key) == *name);
        let (key, value) = values.next().ok_or_else(|| self.absent())?;
        if values.next().is_some() {
            return Err(Problem::Twice(self.identifier.clone()));
        }
        // What is no UTF-8 would all become one replacement character, and so one value.
        if [key, value.clone()].iter().any(|part| part.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Problem::NotAscii(self.identifier.clone()));
        }
        Ok(encoded(&value))
    }

    fn field(&self, head: &RequestHead<'_>) -> Result<String, Problem> {
        if self.form == Form::Bytes {
            return self.lines_as_bytes(head);
        }
        let joined = fields::joined(head.headers, &self.name).ok_or_else(|| self.absent())?;
        if !joined.iter().all(|byte| *byte == b' ' || *byte == b'\t' || byte.is_ascii_graphic()) {
            return Err(Problem::NotAscii(self.identifier.clone()));
        }
        match &self.form {
            Form::Structured => {
                reserialised(&joined).ok_or_else(|| Problem::NotStructured(self.identifier.clone()))
            }
            Form::Member(key) => {
                let dictionary: Dictionary = Parser::new(&joined)
                    .parse()
                    .map_err(|_| Problem::NotStructured(self.identifier.clone()))?;
                dictionary.get(key.as_str()).and_then(serialised).ok_or_else(|| self.absent())
            }
            _ => String::from_utf8(joined).map_err(|_| Problem::NotAscii(self.identifier.clone())),
        }
    }

    fn lines_as_bytes(&self, head: &RequestHead<'_>) -> Result<String, Problem> {
        let mut value = String::new();
        for line in head.headers.get_all(&self.name) {
            let separator = if value.is_empty() { "" } else { ", " };
            let bytes = ItemSerializer::new().bare_item(fields::trimmed(line)).finish();
            // Writing to a string cannot fail.
            let _ = write!(value, "{separator}{bytes}");
        }
        if value.is_empty() { Err(self.absent()) } else { Ok(value) }
    }

    fn absent(&self) -> Problem {
        Problem::Absent(self.identifier.clone())
    }
}

/// The form that an item's only parameter asks for; none if it is not known, or not alone.
fn form(item: &Item) -> Option<Form> {
    let mut parameters = item.params.iter();
    let form = match parameters.next() {
        None => Form::Plain,
        Some((key, value)) => match (key.as_str(), value) {
            ("sf", BareItem::Boolean(true)) => Form::Structured,
            ("bs", BareItem::Boolean(true)) => Form::Bytes,
            ("key", BareItem::String(key)) => Form::Member(key.as_str().to_owned()),
            ("name", BareItem::String(name)) => Form::Parameter(name.as_str().to_owned()),
            _ => return None,
        },
    };
    parameters.next().is_none().then_some(form)
}

/// Whether `name` is a field name as it is signed: in lower case.
fn is_field_name(name: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok_and(|field| field.as_str() == name)
}

/// Percent-encoding of `application/x-www-form-urlencoded`, but with `%20` for a space.
fn encoded(decoded: &str) -> String {
    form_urlencoded::byte_serialize(decoded.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The canonical form of a structured field whose type we do not know.
///
/// Nearly always all types that it could be have the same form. Where they have not (a key that comes twice),
/// two verifiers could read two things, so there is none.
fn reserialised(text: &[u8]) -> Option<String> {
    let dictionary =
        Parser::new(text).parse::<Dictionary>().ok().map(|it| it.serialize().unwrap_or_default());
    let list = Parser::new(text).parse::<List>().ok().map(|it| it.serialize().unwrap_or_default());
    let item = Parser::new(text).parse::<Item>().ok().map(|it| it.serialize());
    let mut forms = [dictionary, list, item].into_iter().flatten();
    let first = forms.next()?;
    forms.all(|form| form == first).then_some(first)
}

/// A member's value alone, as a list of one.
pub fn serialised(member: &ListEntry) -> Option<String> {
    vec![member.clone()].serialize()
}
