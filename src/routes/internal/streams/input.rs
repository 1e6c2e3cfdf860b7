//! The input of the routes of streams.

use utoipa::{IntoParams, ToSchema};

use crate::events::{EventType, StreamName};
use crate::http::input::{AnyObject, Body, Fields, Input, Reader};

/// The largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// Types on one stream.
const MAX_TYPES: usize = 200;
/// Bytes of a schema, written without spaces.
const MAX_SCHEMA: usize = 32 * 1024;
const NAME: &str = "must be 1 to 63 of a-z, 0-9 and _, a letter first";
const TYPE: &str = "must be words of letters, digits and _ with dots between them, of at most 100 characters";
const RESERVED: &str = "must not begin as the service's own types do";

/// A stream in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StreamPath {
    /// The stream's name.
    #[param(value_type = StreamName, example = "orders")]
    pub name: String,
}

impl Input for StreamPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let name = |name: &str| StreamName::is_one(name).then(|| name.to_owned());
        Some(Self { name: request.path("name").choice(NAME, name)? })
    }
}

/// A stream, whole.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({
    "description": "What becomes of orders.",
    "types": [{
        "description": "An order was paid.",
        "schema": {"properties": {"amount": {"minimum": 0, "type": "number"}}, "required": ["amount"], "type": "object"},
        "type": "order.paid",
    }],
}))]
pub struct PutStream {
    /// For people.
    #[schema(min_length = 1, max_length = 1_000)]
    pub description: String,
    /// The types of events on it.
    #[schema(max_items = 200)]
    pub types: Vec<PutType>,
}

/// A type of events.
#[derive(Clone, Debug, ToSchema)]
pub struct PutType {
    /// The `type` on the wire: words of letters, digits and `_` with dots between them, as Standard Webhooks has it.
    /// Those that begin as the service's own types do (`user.`, `tenant_key.` ..) are reserved.
    #[schema(
        pattern = "^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$",
        min_length = 1,
        max_length = 100,
        example = "order.paid"
    )]
    pub r#type: String,
    /// For people.
    #[schema(min_length = 1, max_length = 1_000)]
    pub description: String,
    /// What its data keeps to: a JSON Schema (2020-12, or draft-07 by `$schema`) of at most 32 KiB; without one any
    /// object will do. References stay in the schema (`#/...`), patterns are without look-around and back-references,
    /// `format` is an annotation; `$dynamicRef`, `$anchor` and `unevaluated...` are not supported.
    #[schema(value_type = AnyObject, required = false)]
    pub schema: Option<String>,
}

impl Input for PutStream {
    const BODY: Body = Body::Required;
    const LIMIT: usize = MAX_BODY;
    // Schemas are compiled.
    const IS_HEAVY: bool = true;

    fn read(request: &mut Reader) -> Option<Self> {
        let description = request.body("description").required().text(1..=1_000);
        let mut seen = Vec::new();
        let types = request.body("types").required().list(0..=MAX_TYPES, |item| {
            item.object(|fields| {
                let read = read_type(fields, &seen);
                seen.extend(read.as_ref().map(|read| read.r#type.clone()));
                read
            })
        });
        Some(Self { description: description?, types: types? })
    }
}

fn read_type(fields: &mut Fields<'_>, seen: &[String]) -> Option<PutType> {
    let name = fields.field("type").required();
    let name = name.decoded(|name| match name {
        name if !is_type(name) => Err(TYPE),
        name if is_reserved(name) => Err(RESERVED),
        name if seen.iter().any(|seen| seen == name) => Err("is given more than once"),
        name => Ok(name.to_owned()),
    });
    let description = fields.field("description").required().text(1..=1_000);
    let schema = fields.field("schema").schema(MAX_SCHEMA);
    Some(PutType { r#type: name?, description: description?, schema })
}

/// The rule of Standard Webhooks for types.
fn is_type(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.len() <= 100 && name.split('.').all(is_word)
}

fn is_reserved(name: &str) -> bool {
    let head = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    EventType::ALL.iter().any(|kind| head(kind.name()) == head(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_words_with_dots_between_them() {
        for good in ["order.paid", "order", "com.Acme.order_2.paid", &"a".repeat(100)] {
            assert!(is_type(good) && !is_reserved(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "order.",
            ".order",
            "order..paid",
            "order paid",
            "order-paid",
            "örder",
            "\"",
            &"a".repeat(101),
        ] {
            assert!(!is_type(bad), "{bad}");
        }
        for reserved in ["user", "user.paid", "User.created", "queue.test", "tenant_key.x.y", "report.ready"]
        {
            assert!(is_type(reserved) && is_reserved(reserved), "{reserved}");
        }
        assert!(!is_reserved("users.paid") && !is_reserved("order.user"));
    }
}
