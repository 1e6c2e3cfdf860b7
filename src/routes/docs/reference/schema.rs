//! A schema as rows of a table.

use serde_json::Value;

use super::{Reference, list};

/// How deep objects within objects are shown.
const DEPTH: usize = 4;

/// A row.
pub enum Row {
    /// A field: its name with those of the objects around it, its type, whether it must be there, and what it is for.
    Field { name: String, kind: String, is_required: bool, told: String },
    /// What follows is one of several forms, by its title.
    Form(String),
}

/// The rows of an object, or of what a list holds.
pub fn rows(reference: &Reference, schema: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    walk(reference, schema, "", DEPTH, &mut rows);
    rows
}

fn walk(reference: &Reference, schema: &Value, prefix: &str, depth: usize, rows: &mut Vec<Row>) {
    let schema = reference.resolve(schema);
    for part in list(&schema["allOf"]) {
        walk(reference, part, prefix, depth, rows);
    }
    let forms: Vec<_> = forms(reference, schema).collect();
    for form in &forms {
        if forms.len() > 1 {
            let title = ["title", "description"].iter().find_map(|name| form[name].as_str());
            rows.push(Row::Form(title.unwrap_or("One form").trim_end_matches('.').to_owned()));
        }
        walk(reference, form, prefix, depth, rows);
    }
    if let Some(items) = schema.get("items") {
        walk(reference, items, &format!("{prefix}[]."), depth, rows);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = list(&schema["required"]).any(|required| required == name);
        let name = format!("{prefix}{name}");
        let told = told(reference, property);
        rows.push(Row::Field { name: name.clone(), kind: kind(reference, property), is_required, told });
        if depth > 0 {
            let inner = reference.resolve(property);
            let prefix = if inner.get("items").is_some() { name } else { format!("{name}.") };
            walk(reference, inner, &prefix, depth - 1, rows);
        }
    }
}

/// The forms that a schema may have, but for null.
fn forms<'a>(reference: &'a Reference, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
    let all = list(&schema["oneOf"]).chain(list(&schema["anyOf"])).map(|form| reference.resolve(form));
    all.filter(|form| form["type"] != "null")
}

/// The type, for people.
pub fn kind(reference: &Reference, schema: &Value) -> String {
    let schema = reference.resolve(schema);
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is_nullable = types.contains(&"null") || list(&schema["oneOf"]).any(|form| form["type"] == "null");
    let mut kinds: Vec<_> =
        types.iter().filter(|name| **name != "null").map(|name| plain(reference, schema, name)).collect();
    for form in forms(reference, schema) {
        let form = kind(reference, form);
        if !kinds.contains(&form) {
            kinds.push(form);
        }
    }
    if kinds.is_empty() {
        kinds.push(if list(&schema["allOf"]).next().is_some() { "object" } else { "any" }.to_owned());
    }
    if is_nullable {
        kinds.push("null".to_owned());
    }
    kinds.join(" or ")
}

fn plain(reference: &Reference, schema: &Value, name: &str) -> String {
    match (name, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(reference, &schema["items"])),
        ("string", Some(format)) => format.to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// What a value is for, and what it may be.
pub fn told(reference: &Reference, schema: &Value) -> String {
    let resolved = reference.resolve(schema);
    let mut told: Vec<String> = Vec::new();
    let description = schema["description"].as_str().or(resolved["description"].as_str());
    told.extend(description.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")));
    let values = [resolved, reference.resolve(&resolved["items"])]
        .map(|of| list(&of["enum"]).map(quoted).collect::<Vec<_>>());
    told.extend(
        values
            .iter()
            .filter(|values| !values.is_empty())
            .map(|values| format!("One of {}.", values.join(", "))),
    );
    for (least, most, unit) in [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minimum", "maximum", ""),
    ] {
        told.extend(range(&resolved[least], &resolved[most], unit));
    }
    if let Some(pattern) = resolved["pattern"].as_str() {
        told.push(format!("As `{pattern}`."));
    }
    if let Some(default) = resolved.get("default") {
        told.push(format!("By default {}.", quoted(default)));
    }
    told.join(" ")
}

fn range(least: &Value, most: &Value, unit: &str) -> Option<String> {
    match (least.as_u64(), most.as_u64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}.")),
        (Some(0 | 1), None) | (None, None) => None,
        (Some(least), None) => Some(format!("At least {least}{unit}.")),
        (None, Some(most)) => Some(format!("At most {most}{unit}.")),
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}
