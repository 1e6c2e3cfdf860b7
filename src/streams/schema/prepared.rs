//! A schema made ready: looked through once, every subschema behind the keyword that counts its work, and every
//! reference led to where its subschema then stands.
//!
//! `S` becomes `{"allOf": [{"x-partner-api-work": ..}, S]}`, because only the order of `allOf` is sure.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Refused;
use super::work::{Cost, KEYWORD};

/// Levels of subschemas.
const MAX_DEPTH: usize = 32;
/// Patterns of one schema.
const MAX_PATTERNS: usize = 32;

/// Dialects, and how they are written.
const DIALECTS: [&str; 3] = [
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-07/schema",
];

/// Keywords that lead out of the schema, or whose work cannot be counted.
const REFUSED: [&str; 10] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "contentSchema",
    "unevaluatedItems",
    "unevaluatedProperties",
    KEYWORD,
];

const ONE: [&str; 9] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
];
const LISTS: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
const MAPS: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Where a subschema was, and where it is.
#[derive(Clone)]
struct Place {
    depth: usize,
    was: Vec<String>,
    is: String,
}

impl Place {
    fn at(&self, segments: &[&str]) -> Self {
        let escaped = |segment: &&str| format!("/{}", segment.replace('~', "~0").replace('/', "~1"));
        let mut was = self.was.clone();
        was.extend(segments.iter().map(|segment| (*segment).to_owned()));
        let is = self.is.clone() + "/allOf/1" + &segments.iter().map(escaped).collect::<String>();
        Self { depth: self.depth + 1, was, is }
    }

    fn refuse<T>(&self, keyword: &str, why: &'static str) -> Result<T, Refused> {
        let mut path = self.was.clone();
        path.push(keyword.to_owned());
        Err(Refused { path, why: why.into() })
    }
}

#[derive(Default)]
struct Walk {
    /// Where each subschema stands, by where it stood.
    places: HashMap<String, String>,
    patterns: usize,
}

/// Makes a schema ready to be compiled.
pub fn prepare(schema: &Value) -> Result<Value, Refused> {
    let root = Place { depth: 0, was: Vec::new(), is: String::new() };
    let mut walk = Walk::default();
    let mut prepared = walk.subschema(schema, &root)?;
    walk.lead(&mut prepared)?;
    if let (Value::Object(prepared), Some(dialect)) = (&mut prepared, schema.get("$schema")) {
        prepared.insert("$schema".to_owned(), dialect.clone());
    }
    Ok(prepared)
}

impl Walk {
    fn subschema(&mut self, schema: &Value, place: &Place) -> Result<Value, Refused> {
        if place.depth > MAX_DEPTH {
            return Err(Refused { path: place.was.clone(), why: "nests too deep: at most 32 levels".into() });
        }
        self.places.insert(place.was.join("\u{0}"), place.is.clone());
        let Value::Object(schema) = schema else { return Ok(schema.clone()) };
        let mut inner = Map::new();
        for (keyword, value) in schema {
            if let Some(value) = self.keyword(keyword, value, place)? {
                inner.insert(keyword.clone(), value);
            }
        }
        Ok(json!({ "allOf": [{ KEYWORD: cost(schema).to_json() }, inner] }))
    }

    /// A keyword's value as it is compiled; none where it says nothing that counts.
    fn keyword(&mut self, keyword: &str, value: &Value, place: &Place) -> Result<Option<Value>, Refused> {
        match (keyword, value) {
            (refused, _) if REFUSED.contains(&refused) => {
                return place.refuse(refused, "is not supported here");
            }
            ("$schema", Value::String(dialect))
                if DIALECTS.contains(&dialect.as_str()) && place.depth == 0 =>
            {
                return Ok(None);
            }
            ("$schema", _) => return place.refuse(keyword, "must be 2020-12 or draft-07, at the root"),
            ("$id", _) if place.depth == 0 => return Ok(None),
            ("$id", _) => return place.refuse(keyword, "is supported at the root only"),
            ("pattern", Value::String(_)) => self.note_pattern(place, keyword)?,
            ("patternProperties", Value::Object(patterns)) => {
                for _ in patterns {
                    self.note_pattern(place, keyword)?;
                }
            }
            _ => {}
        }
        let value = match value {
            Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword) => {
                self.subschema(value, &place.at(&[keyword]))?
            }
            Value::Array(items) if LISTS.contains(&keyword) => {
                let read = |(at, item): (usize, &Value)| {
                    self.subschema(item, &place.at(&[keyword, &at.to_string()]))
                };
                Value::Array(items.iter().enumerate().map(read).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) if MAPS.contains(&keyword) => {
                let mut inner = Map::new();
                for (name, value) in fields {
                    // `dependencies` has lists of names as well.
                    let value = match value {
                        Value::Object(_) | Value::Bool(_) => {
                            self.subschema(value, &place.at(&[keyword, name]))?
                        }
                        other => other.clone(),
                    };
                    inner.insert(name.clone(), value);
                }
                Value::Object(inner)
            }
            other => other.clone(),
        };
        Ok(Some(value))
    }

    fn note_pattern(&mut self, place: &Place, keyword: &str) -> Result<(), Refused> {
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            place.refuse(keyword, "is one too many: at most 32 patterns")
        } else {
            Ok(())
        }
    }

    /// Leads every reference to where its subschema stands. Only what was walked is looked at: a `$ref` among the
    /// values of `const` is a value.
    fn lead(&self, prepared: &mut Value) -> Result<(), Refused> {
        let places: Vec<_> = self.places.iter().map(|(was, is)| (was.clone(), is.clone())).collect();
        for (was, is) in places {
            let Some(Value::Object(schema)) = prepared.pointer_mut(&format!("{is}/allOf/1")) else {
                continue;
            };
            let Some(reference) = schema.get_mut("$ref") else { continue };
            let led = reference.as_str().and_then(segments).and_then(|to| self.places.get(&to.join("\u{0}")));
            let Some(led) = led else {
                let mut path: Vec<_> =
                    was.split('\u{0}').filter(|part| !part.is_empty()).map(str::to_owned).collect();
                path.push("$ref".to_owned());
                return Err(Refused {
                    path,
                    why: "must lead to a subschema of this schema, as in #/$defs/name".into(),
                });
            };
            *reference = Value::String(format!("#{}", encoded(led)));
        }
        Ok(())
    }
}

/// The segments of a reference into the same document (RFC 6901 6); `None` for any other.
fn segments(reference: &str) -> Option<Vec<String>> {
    let pointer = reference.strip_prefix('#')?;
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let unescaped = |segment: &str| {
        let decoded = form_urlencoded::parse(format!("k={}", segment.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned());
        Some(decoded?.replace("~1", "/").replace("~0", "~"))
    };
    pointer.strip_prefix('/')?.split('/').map(unescaped).collect()
}

/// A pointer as a fragment: what may not stand in one is percent-encoded.
fn encoded(pointer: &str) -> String {
    pointer.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~$".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

fn cost(schema: &Map<String, Value>) -> Cost {
    let length = |keyword: &str| schema.get(keyword).map_or(0, |value| value.to_string().len());
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let pattern = schema.get("pattern").and_then(Value::as_str).map_or(0, str::len)
        + patterns.map_or(0, |patterns| patterns.keys().map(|pattern| pattern.len() + 1).sum());
    let compared = length("const") + length("enum");
    Cost { pattern, compared, unique: schema.get("uniqueItems") == Some(&Value::Bool(true)) }
}
