//! Values that a schema allows, to be shown and sent.

use serde_json::{Map, Value, json};

use super::{Reference, list};

/// How deep an example goes.
const DEPTH: usize = 6;

/// The example of a body of this content: the one that the document gives, else one made of its fields' examples.
pub fn of_request(reference: &Reference, content: &Value) -> Value {
    let schema = reference.resolve(&content["schema"]);
    let named = content["examples"].as_object().and_then(|examples| examples.values().next());
    let given = [named.map(|example| &example["value"]), content.get("example"), schema.get("example")];
    if let Some(given) = given.into_iter().flatten().next() {
        return given.clone();
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, field)| {
        let example = field.get("example").or_else(|| reference.resolve(field).get("example"))?;
        Some((name.clone(), example.clone()))
    });
    Value::Object(fields.collect())
}

/// The example of a parameter, as it is written in a URL or a header.
pub fn of_parameter(reference: &Reference, parameter: &Value) -> String {
    let schema = &parameter["schema"];
    let value = parameter.get("example").cloned().unwrap_or_else(|| of_response(reference, schema));
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The example of a reply: every field that there may be.
pub fn of_response(reference: &Reference, schema: &Value) -> Value {
    made(reference, schema, DEPTH)
}

fn made(reference: &Reference, schema: &Value, depth: usize) -> Value {
    let own = schema.get("example").or_else(|| schema["examples"].get(0));
    let schema = reference.resolve(schema);
    if let Some(example) = own.or_else(|| schema.get("example")).or_else(|| schema["examples"].get(0)) {
        return example.clone();
    }
    if depth == 0 {
        return Value::Null;
    }
    if let Some(form) =
        list(&schema["oneOf"]).chain(list(&schema["anyOf"])).find(|form| form["type"] != "null")
    {
        return made(reference, form, depth - 1);
    }
    let mut fields = Map::new();
    for part in list(&schema["allOf"]) {
        if let Value::Object(part) = made(reference, part, depth - 1) {
            fields.extend(part);
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields.insert(name.clone(), made(reference, field, depth - 1));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        _ if !fields.is_empty() => Value::Object(fields),
        Some("array") => Value::Array(vec![made(reference, &schema["items"], depth - 1)]),
        Some("string") => text(schema),
        Some("integer" | "number") => {
            schema.get("minimum").or(schema.get("default")).cloned().unwrap_or(json!(1))
        }
        Some("boolean") => schema.get("default").cloned().unwrap_or(json!(true)),
        _ => Value::Object(fields),
    }
}

fn text(schema: &Value) -> Value {
    let of_set = schema.get("const").or_else(|| schema["enum"].get(0));
    let plain = match schema["format"].as_str() {
        Some("uuid") => "0192f0c1-2345-7abc-8def-0123456789ab",
        Some("date-time") => "2026-11-21T08:00:00Z",
        Some("uri") => "https://example.com/",
        Some("email") => "ada@example.com",
        _ => "...",
    };
    of_set.cloned().unwrap_or_else(|| plain.into())
}
