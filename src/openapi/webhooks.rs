//! The `webhooks` of the document (OpenAPI 3.1): what a queue of type `webhook` gets of our own streams. The platform's
//! types are not in it: the document is the same wherever it is served and read by anybody, and what the platform tells
//! its partners is theirs to know (`GET /v1/event-types`).

use std::sync::LazyLock;

use serde_json::{Value, json};
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, Paths};

use crate::events::EventType;
use crate::events::schemas::{body_schema, data_schema, describe};

/// They are the same in every document, and each is made from all that a subject may be.
static WEBHOOKS: LazyLock<Paths> = LazyLock::new(|| {
    let mut webhooks = Paths::new();
    for kind in EventType::ALL {
        let item: PathItem = serde_json::from_value(item(*kind)).expect("a path item");
        webhooks.paths.insert(kind.name().to_owned(), item);
    }
    webhooks
});

/// Adds one webhook a type.
///
/// # Panics
/// When a webhook is no path item: a test makes the document.
pub fn add(document: &mut OpenApi) {
    document.webhooks = Some(WEBHOOKS.clone());
}

fn item(kind: EventType) -> Value {
    let header = |name: &str, description: &str, example: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": description,
            "schema": {"type": "string"}, "example": example,
        })
    };
    json!({"post": {
        "tags": ["Events"],
        "operationId": format!("on_{}", kind.name().replace('.', "_")),
        "summary": describe(kind),
        "description": "Signed as Standard Webhooks has it, sent at least once. Answer with any 2xx once it is safe.",
        "security": [],
        "parameters": [
            header("webhook-id", "The event's id: the same for every attempt.", "evt_0192f0c123457abc8def0123456789ab"),
            header("webhook-timestamp", "When it was signed, in seconds since 1970.", "1795248000"),
            header("webhook-signature", "Signatures, separated by spaces.", "v1,s7w4/Nvh4Eqw2ZRuEoPd5iRnA83c6r4O31nI9EwYtZg="),
        ],
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": body_schema(kind.name(), &data_schema(kind))}},
        },
        "responses": {"2XX": {"description": "You have it."}},
    }})
}
