//! The OpenAPI document, as a list of operations to try and as the judge of their answers.

use std::collections::HashMap;
use std::sync::Mutex;

use jsonschema::Validator;
use partner_api::app;
use partner_api::openapi::to_json;
use serde_json::{Map, Value, json};

use super::Reply;

/// The document that the code makes.
pub struct Document {
    json: Value,
    /// `components` as replies are held to: no field that is not documented.
    closed: Value,
    validators: Mutex<HashMap<String, Validator>>,
}

/// A method on a path.
#[derive(Clone)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub id: String,
    pub spec: Value,
}

impl Document {
    pub fn generated() -> Self {
        let json: Value = serde_json::from_str(&to_json(&app::document())).expect("it is JSON");
        let mut closed = json["components"].clone();
        closed["schemas"]
            .as_object_mut()
            .expect("schemas")
            .values_mut()
            .for_each(|schema| close(schema, false));
        Self { json, closed, validators: Mutex::default() }
    }

    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Every operation there is.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.json["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").iter();
            methods.map(|(method, spec)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                id: spec["operationId"].as_str().unwrap_or_default().to_owned(),
                spec: spec.clone(),
            })
        });
        operations.collect()
    }

    /// Follows a reference into the document.
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        self.json.pointer(reference.strip_prefix('#')?)
    }

    /// The example of the operation's body, or one made of the examples of its fields.
    pub fn example_body(&self, operation: &Operation) -> Option<Value> {
        let schema = operation.spec.pointer("/requestBody/content/application~1json/schema")?;
        let schema =
            schema["$ref"].as_str().and_then(|reference| self.resolve(reference)).expect("a named body");
        if let Some(example) = schema.get("example") {
            return Some(example.clone());
        }
        let properties = schema["properties"].as_object().expect("a body is an object");
        let example = |(name, field): (&String, &Value)| {
            let named = field["$ref"].as_str().and_then(|reference| self.resolve(reference));
            let example = field.get("example").or_else(|| named?.get("example"))?;
            Some((name.clone(), example.clone()))
        };
        Some(Value::Object(properties.iter().filter_map(example).collect::<Map<_, _>>()))
    }

    /// What a reply says that the document does not promise; nothing if all is well.
    pub fn objections(&self, operation: &Operation, reply: &Reply) -> Vec<String> {
        let Some(promised) = operation.spec["responses"].get(reply.status.to_string()) else {
            return vec![format!("the status {} is not documented", reply.status)];
        };
        let mut objections = Vec::new();
        for header in promised["headers"].as_object().into_iter().flat_map(Map::keys) {
            if reply.header(header).is_none() {
                objections.push(format!("the header {header} is missing"));
            }
        }
        if operation.takes_lines() && reply.status == 200 && reply.body.is_empty() {
            // No lines, no results.
            return objections;
        }
        match promised["content"].as_object().and_then(|content| content.iter().next()) {
            None if reply.body.is_empty() => {}
            None => objections.push("there is a body, where none is documented".to_owned()),
            Some((media_type, content)) => {
                if reply.header("content-type") != Some(media_type) {
                    objections.push(format!("the content type is not {media_type}"));
                }
                objections.extend(self.schema_errors(&content["schema"], reply));
            }
        }
        objections
    }

    fn schema_errors(&self, schema: &Value, reply: &Reply) -> Vec<String> {
        let Ok(body) = serde_json::from_slice(&reply.body) else {
            return vec!["the body is not JSON".to_owned()];
        };
        let mut validators = self.validators.lock().expect("no panic");
        let validator = validators.entry(schema.to_string()).or_insert_with(|| self.validator(schema));
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        close(&mut schema, true);
        schema["components"] = self.closed.clone();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).expect("a schema")
    }
}

/// Closes every schema to fields that it does not name, where it is used: a schema of its own, or
/// a part of an `allOf`, is open, so that others can build on it.
fn close(schema: &mut Value, is_used: bool) {
    let Value::Object(object) = schema else { return };
    for (keyword, inner) in object.iter_mut() {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(|field| close(field, true)),
            ("items" | "additionalProperties", inner) => close(inner, true),
            ("oneOf" | "anyOf", Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| close(part, is_used))
            }
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| close(part, false)),
            _ => {}
        }
    }
    if is_used && ["properties", "$ref", "allOf"].iter().any(|keyword| object.contains_key(*keyword)) {
        object.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

impl Operation {
    /// Whether it answers 503 until it is built.
    pub fn is_planned(&self) -> bool {
        self.spec["tags"] == json!(["Not live yet"])
    }

    /// Whether it takes one JSON body; lines of JSON have tests of their own.
    pub fn has_body(&self) -> bool {
        self.spec.pointer("/requestBody/content/application~1json").is_some()
    }

    /// Whether it takes JSON line by line.
    pub fn takes_lines(&self) -> bool {
        self.spec.pointer("/requestBody/content/application~1x-ndjson").is_some()
    }

    /// Whether it asks for credentials.
    pub fn is_guarded(&self) -> bool {
        self.spec["security"] != json!([])
    }

    /// Whether it makes what its path names.
    pub fn chooses_a_name(&self) -> bool {
        self.method == "POST" && self.path.ends_with('}')
    }

    /// The names in the path's braces.
    pub fn path_parameters(&self) -> Vec<&str> {
        self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }

    /// The path with its parameters filled in.
    pub fn path_with(&self, values: &HashMap<String, String>) -> String {
        self.path_parameters()
            .into_iter()
            .fold(self.path.clone(), |path, name| path.replace(&format!("{{{name}}}"), &values[name]))
    }

    /// The path with the same text for every parameter.
    pub fn path_of(&self, value: &str) -> String {
        let values = self.path_parameters().into_iter().map(|name| (name.to_owned(), value.to_owned()));
        self.path_with(&values.collect())
    }
}
