//! The associated data of every sealed value: its table and its row. Moved to another row it does
//! not open (architecture 6).

use std::fmt::Display;

use uuid::Uuid;

use crate::ids::OrgId;

/// Of a value in a tenant's row, by table and what names the row within its org, as text.
#[must_use]
pub fn row(table: &str, org_id: OrgId, name: impl Display) -> Vec<u8> {
    format!("{table}/{org_id}/{name}").into_bytes()
}

/// Of a signing secret.
#[must_use]
pub fn signing_secret(org_id: OrgId, id: Uuid) -> Vec<u8> {
    row("signing_secrets", org_id, id)
}

/// Of the private half of a pair.
#[must_use]
pub fn public_key(org_id: OrgId, unique_id: Uuid) -> Vec<u8> {
    row("public_keys", org_id, unique_id)
}

/// Of the write-only part of a queue's settings.
#[must_use]
pub fn event_queue(org_id: OrgId, stream: &str) -> Vec<u8> {
    row("event_queues", org_id, stream)
}

/// Of a kept reply that shows a secret.
#[must_use]
pub fn idempotency_key(org_id: OrgId, scope: &[u8]) -> Vec<u8> {
    row("idempotency_keys", org_id, hex::encode(scope))
}

/// Of the secret under hashes of imported keys.
#[must_use]
pub fn key_pattern(id: Uuid) -> Vec<u8> {
    service_key(&format!("key_patterns/{id}"))
}

/// Of a key of the service's own.
#[must_use]
pub fn service_key(name: &str) -> Vec<u8> {
    format!("service_keys/{name}").into_bytes()
}
