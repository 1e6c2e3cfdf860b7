//! The OpenAPI document, as a list of operations to try and as the judge of their answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use jsonschema::Validator;
use partner_api::app;
use partner_api::openapi::to_json;
use serde_json::{Map, Value, json};

use super::Reply;

const NDJSON: &str = "application/x-ndjson";

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
        Self::of(&to_json(&app::document()))
    }

    /// That of the platform's own side.
    pub fn internal() -> Self {
        Self::of(&to_json(&app::internal_document()))
    }

    fn of(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).expect("it is JSON");
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
                spec: self.with_its_answers(spec),
            })
        });
        operations.collect()
    }

    /// An operation that holds its answers itself, where it shares them with others.
    fn with_its_answers(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        for response in spec["responses"].as_object_mut().expect("responses").values_mut() {
            if let Some(shared) = response["$ref"].as_str().and_then(|reference| self.resolve(reference)) {
                *response = shared.clone();
            }
        }
        spec
    }

    /// Follows a reference into the document.
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        self.json.pointer(reference.strip_prefix('#')?)
    }

    /// The first example of the operation's body, if that is JSON.
    pub fn example_body(&self, operation: &Operation) -> Option<Value> {
        let mut examples = operation.has_body().then(|| self.examples(operation))?;
        (!examples.is_empty()).then(|| examples.remove(0))
    }

    /// The examples of the operation's body: those that it names, or its schema's, or one made of the
    /// examples of its fields.
    pub fn examples(&self, operation: &Operation) -> Vec<Value> {
        let Some(content) = operation.body_content() else { return Vec::new() };
        if let Some(examples) = content["examples"].as_object() {
            return examples.values().map(|example| example["value"].clone()).collect();
        }
        let schema = self.followed(&content["schema"]);
        if let Some(example) = content.get("example").or_else(|| schema.get("example")) {
            return vec![example.clone()];
        }
        let example = |(name, field): (&String, &Value)| {
            let example = field.get("example").or_else(|| self.followed(field).get("example"))?;
            Some((name.clone(), example.clone()))
        };
        let properties = schema["properties"].as_object().expect("a body is an object");
        vec![Value::Object(properties.iter().filter_map(example).collect::<Map<_, _>>())]
    }

    /// The names of all fields that the operation's body can have.
    pub fn fields(&self, operation: &Operation) -> BTreeSet<String> {
        let Some(content) = operation.body_content() else { return BTreeSet::new() };
        let schema = self.followed(&content["schema"]);
        let variants = schema["oneOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
        let variants = variants.iter().map(|variant| self.followed(variant));
        variants
            .filter_map(|variant| variant["properties"].as_object())
            .flat_map(Map::keys)
            .cloned()
            .collect()
    }

    /// The schema itself, where this is a reference to one.
    pub fn followed<'d>(&'d self, schema: &'d Value) -> &'d Value {
        schema["$ref"].as_str().map_or(schema, |reference| self.resolve(reference).expect("it is there"))
    }

    /// What is wrong with a body that is sent, by the document.
    pub fn body_errors(&self, operation: &Operation, body: &Value) -> Vec<String> {
        let content = operation.body_content().expect("it takes a body");
        self.errors(&content["schema"], body)
    }

    /// What is wrong with a value, by a schema of the document.
    pub fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().expect("no panic");
        let validator = validators.entry(schema.to_string()).or_insert_with(|| self.validator(schema));
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
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
                if !content_is_json(media_type) {
                    return objections;
                }
                objections.extend(if media_type == NDJSON {
                    self.line_errors(&content["schema"], reply)
                } else {
                    self.reply_errors(&content["schema"], &reply.body)
                });
            }
        }
        objections
    }

    fn reply_errors(&self, schema: &Value, body: &[u8]) -> Vec<String> {
        match serde_json::from_slice(body) {
            Ok(body) => self.errors(schema, &body),
            Err(_) => vec!["the body is not JSON".to_owned()],
        }
    }

    /// Each line is an item of the list that the text stands for.
    fn line_errors(&self, schema: &Value, reply: &Reply) -> Vec<String> {
        let line = &self.followed(schema)["contentSchema"]["items"];
        assert!(line.is_object(), "lines are described: {schema}");
        let lines = reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.flat_map(|text| self.reply_errors(line, text)).collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        close(&mut schema, true);
        schema["components"] = self.closed.clone();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).expect("a schema")
    }
}

/// What is encrypted has no schema to be held to.
fn content_is_json(media_type: &str) -> bool {
    media_type == NDJSON || media_type == "application/json"
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

    /// What the document says of its body.
    pub fn body_content(&self) -> Option<&Value> {
        self.spec["requestBody"]["content"].as_object()?.values().next()
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
