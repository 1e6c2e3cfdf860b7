//! Values of a body whose bytes are kept as they were sent: what is signed later must say 1.0 where 1.0 was said, and
//! in the order in which it was said.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::json::Json;

/// Any JSON object, for the document.
pub struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        let any = Some(AdditionalProperties::FreeForm(true));
        let object = ObjectBuilder::new().schema_type(Type::Object).additional_properties(any);
        object.description(Some("Any object.")).into()
    }
}

impl ToSchema for AnyObject {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AnyObject")
    }
}

/// A JSON object, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAsSent(pub(super) String);

impl ObjectAsSent {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keeps the bytes of the fields `names` of a body that was read from `sent`.
pub fn keep(body: Json, sent: &[u8], names: &[&str]) -> Json {
    let mut fields = match body {
        Json::Object(fields) if !names.is_empty() => fields,
        other => return other,
    };
    // Fields stand in the order in which they were sent, so the n-th value is the n-th field's.
    let values = values(sent);
    for ((name, value), range) in fields.iter_mut().zip(values) {
        if names.contains(&name.as_str())
            && *value != Json::Null
            && let Ok(text) = std::str::from_utf8(&sent[range])
        {
            let says = std::mem::replace(value, Json::Null);
            *value = Json::AsSent(text.to_owned(), Box::new(says));
        }
    }
    Json::Object(fields)
}

/// Where the values of an object's fields stand in its text, which is known to be valid JSON.
fn values(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0_usize, None);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let here = at;
        at += 1;
        match byte {
            b'"' => at = end_of_text(text, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        let ends = depth == 0 || (depth == 1 && byte == b',');
        match (byte, begin) {
            (b':', None) if depth == 1 => begin = Some(at),
            (_, Some(first)) if ends => {
                found.push(trimmed(text, first, here));
                begin = None;
            }
            _ => {}
        }
    }
    found
}

/// After the text whose first byte is at `at`.
fn end_of_text(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn trimmed(text: &[u8], mut begin: usize, mut end: usize) -> std::ops::Range<usize> {
    while begin < end && text[begin].is_ascii_whitespace() {
        begin += 1;
    }
    while begin < end && text[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    begin..end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(body: &str) -> Option<String> {
        let json = serde_json::from_str(body).expect("it is JSON");
        let Json::Object(fields) = keep(json, body.as_bytes(), &["data"]) else { return None };
        fields.into_iter().find_map(|(_, value)| match value {
            Json::AsSent(text, _) => Some(text),
            _ => None,
        })
    }

    #[test]
    fn the_bytes_of_a_field_are_those_that_were_sent() {
        for data in [
            "{}",
            r#"{"b":1.0,"a":1e3}"#,
            "{ \"a\" :\n\t[ 1 , {\"}\": \"]\\\"}\"} ] }",
            r#"{"data":{"data":"\u0041\\"}}"#,
            "[1,2]",
            "\"a,b\"",
            "12.50",
        ] {
            assert_eq!(kept(&format!(r#"{{"data":{data}}}"#)).as_deref(), Some(data));
            assert_eq!(
                kept(&format!(r#" {{ "x" : ["," ,{{}}] , "data" : {data} , "y":"data" }} "#)).as_deref(),
                Some(data)
            );
            assert_eq!(kept(&format!("{{\"d\\u0061ta\":\n{data}\n}}")).as_deref(), Some(data));
        }
        assert_eq!(kept(r#"{"data":null,"other":{"data":1}}"#), None);
        assert_eq!(kept("[1]"), None);
    }

    proptest! {
        #[test]
        fn every_value_is_found_again(fields in proptest::collection::vec((".*", any::<Option<i32>>(), ".*"), 0..8)) {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, number, text)| (name, serde_json::json!({"n": number, "t": [text, {}]}).to_string()))
                .collect();
            let body: Vec<_> =
                fields.iter().map(|(name, value)| format!("{} :{value}", serde_json::json!(name))).collect();
            let body = format!("{{{}}}", body.join(" ,"));
            let found: Vec<_> = values(body.as_bytes()).into_iter().map(|range| body[range].to_owned()).collect();
            prop_assert_eq!(found, fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        }
    }
}
