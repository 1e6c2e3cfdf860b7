//! What the data and the body of our own events are, as JSON Schemas: made from the types that write them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::{EventType, Subject};

/// The field by which each subject's variant is known, by how the types begin.
const SUBJECTS: [(&str, &str); 11] = [
    ("user.", "user_id"),
    // Before the other events of keys.
    ("tenant_key.leaked", "source"),
    ("tenant_key.", "key_id"),
    ("signing_secret.", "secret_id"),
    ("public_key.", "unique_id"),
    ("org.", "by_key_id"),
    ("report.", "report_id"),
    ("claim.", "claim_id"),
    // Before the other events of queues.
    ("queue.failing", "since"),
    ("queue.recovered", "since"),
    ("queue.", "queue_name"),
];

/// The schema of the `data` of a type of ours: all that it refers to is in it.
///
/// # Panics
/// When the type's subject has no variant of [`Subject`]: a test asks every type.
#[must_use]
pub fn data_schema(kind: EventType) -> Value {
    let field = SUBJECTS.iter().find(|(head, _)| kind.name().starts_with(head)).map(|(_, field)| *field);
    let variants = in_full(to_json(&Subject::schema()), &named());
    let variants = variants["oneOf"].as_array().into_iter().flatten();
    let mut candidates =
        variants.filter(|variant| field.is_some_and(|field| !variant["properties"][field].is_null()));
    let mut schema = candidates.next().cloned().expect("every type has a subject");
    // Of keys, the first is the usual one: the leaked ones are asked for by a field of theirs.
    let properties = schema["properties"].as_object_mut().expect("an object");
    properties.insert("occurred_at".to_owned(), instant("The same as `timestamp`."));
    let version = "Counts the changes of this subject: of two events the higher version is the later one.";
    properties
        .insert("version".to_owned(), json!({"type": "integer", "format": "int64", "description": version}));
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let required: Vec<_> = required.into_iter().chain(["occurred_at", "version"].map(Value::from)).collect();
    let description = describe(kind);
    json!({"type": "object", "description": description, "properties": schema["properties"], "required": required})
}

/// The schema of the whole body, around that of its data.
#[must_use]
pub fn body_schema(kind: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": [kind], "description": "What happened."},
            "timestamp": instant("When."),
            "org_id": {"type": "string", "format": "uuid", "description": "To whom: the org."},
            "data": data,
        },
        "required": ["type", "timestamp", "org_id", "data"],
    })
}

fn instant(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn to_json(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).expect("plain data with string keys")
}

/// The schemas that a subject refers to.
fn named() -> BTreeMap<String, Value> {
    let mut schemas = Vec::new();
    Subject::schemas(&mut schemas);
    schemas.into_iter().map(|(name, schema)| (name, to_json(&schema))).collect()
}

/// The schema with what it refers to in place of the references.
fn in_full(schema: Value, named: &BTreeMap<String, Value>) -> Value {
    match schema {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let target = reference.and_then(|reference| named.get(reference.rsplit('/').next()?));
            if let Some(target) = target {
                let mut target = in_full(target.clone(), named);
                if let (Some(target), Some(own)) = (target.as_object_mut(), fields.get("description")) {
                    target.insert("description".to_owned(), own.clone());
                }
                return target;
            }
            let inner = fields.into_iter().map(|(name, value)| (name, in_full(value, named)));
            Value::Object(inner.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| in_full(item, named)).collect()),
        other => other,
    }
}

/// What a type of ours tells, for people.
#[must_use]
pub fn describe(kind: EventType) -> &'static str {
    match kind.name() {
        "user.created" => "A user was created.",
        "user.updated" => "A user's profile was changed.",
        "user.deleted" => "A user was deleted.",
        "tenant_key.created" => "An API key was made.",
        "tenant_key.updated" => "An API key's name, end, scopes or networks were changed.",
        "tenant_key.rotated" => "An API key has a successor.",
        "tenant_key.rotation_started" => "A successor waits for its confirmation.",
        "tenant_key.rotation_abandoned" => "A successor was not confirmed, and has ended.",
        "tenant_key.leaked" => "An API key was found where others can read it.",
        "tenant_key.revoked" => "An API key was ended.",
        "tenant_key.expiring" => "An API key ends in 30, 7 or 1 days.",
        "tenant_key.expired" => "An API key has come to its end.",
        "signing_secret.rotated" => "There is a new signing secret.",
        "signing_secret.rotation_started" => "A new signing secret waits for its confirmation.",
        "signing_secret.rotation_abandoned" => "A new signing secret was not confirmed, and has ended.",
        "signing_secret.revoked" => "A previous signing secret was ended.",
        "signing_secret.expired" => "A previous signing secret has come to its end.",
        "public_key.registered" => "A public key was registered, or a pair was generated.",
        "public_key.updated" => "A public key's end was changed.",
        "public_key.proven" => "A public key's private half was shown to be there.",
        "public_key.deleted" => "A public key was ended.",
        "public_key.expiring" => "A public key ends in 30, 7 or 1 days.",
        "public_key.expired" => "A public key has come to its end.",
        "org.administration_frozen" => "Nothing of the administration changes any more.",
        "org.administration_thawed" => "The administration may be changed again.",
        "report.ready" => "A report can be fetched.",
        "report.failed" => "A report could not be made.",
        "claim.reopened" => "Somebody tried to open a claim that was opened already.",
        "queue.replaced" => "An event queue was replaced.",
        "queue.deleted" => "An event queue was removed.",
        "queue.paused" => "An event queue stands still until it is resumed.",
        "queue.failing" => "An event queue's deliveries fail.",
        "queue.recovered" => "An event queue takes events again.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_described_and_its_schema_stands_alone() {
        for kind in EventType::ALL {
            let schema = data_schema(*kind);
            assert!(schema["description"].as_str().is_some_and(|text| text.ends_with('.')), "{kind:?}");
            assert!(!schema.to_string().contains("$ref"), "{schema}");
            let required = schema["required"].as_array().expect("a list");
            assert!(
                required.contains(&json!("occurred_at")) && required.contains(&json!("version")),
                "{schema}"
            );
        }
        let leaked = data_schema(EventType::TenantKeyLeaked);
        assert!(
            !leaked["properties"]["url"].is_null()
                && data_schema(EventType::TenantKeyCreated)["properties"]["url"].is_null()
        );
    }
}
