//! The place of every table on a distributed database, and why. Closed: a test holds it to the catalogue, so that the
//! table of a new migration is placed on its first day.

/// The place of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A copy on every node: what distributed tables refer to, or are joined with.
    Reference,
    /// With the other rows of its org, on one of the workers.
    ByOrg,
    /// On the coordinator alone.
    Coordinator,
}

use Placement::{ByOrg, Coordinator, Reference};

/// A table with its place.
#[derive(Clone, Copy, Debug)]
pub struct TablePlace {
    /// Of the table.
    pub name: &'static str,
    /// Where its rows are.
    pub placement: Placement,
    /// For whoever wonders.
    pub why: &'static str,
}

const fn place(name: &'static str, placement: Placement, why: &'static str) -> TablePlace {
    TablePlace { name, placement, why }
}

/// Every table of the schema, in the order in which they are placed: whatever is referred to comes first.
pub const TABLES: &[TablePlace] = &[
    place("orgs", Reference, "what every row belongs to, and a row of any node may refer to"),
    place("users", ByOrg, "most of the rows, and most of the requests"),
    place("events", ByOrg, "most of the writes: one or more a change"),
    place("event_queues", ByOrg, "a worker finds the queues whose events it has"),
    place("event_losses", ByOrg, "read with its queue"),
    place("queue_minutes", ByOrg, "read with its queue"),
    place("audit_log", ByOrg, "grows without end"),
    place("idempotency_keys", ByOrg, "a row for each request that may be repeated"),
    place("report_chunks", ByOrg, "as much as all that was asked for"),
    place("reports", Coordinator, "few rows; makers claim them across orgs"),
    place("tenant_keys", Coordinator, "found by a digest that is unique over all orgs"),
    place("tenant_key_hours", Coordinator, "written with their key, a few rows each"),
    place("tenant_key_sources", Coordinator, "written with their key, a few rows each"),
    place("tenant_key_scopes", Coordinator, "written with their key, a few rows each"),
    place("key_patterns", Coordinator, "few rows, of no org, read with tenant keys"),
    place("signing_secrets", Coordinator, "at most five live ones an org"),
    place("public_keys", Coordinator, "found by their id alone; few rows an org"),
    place("public_key_challenges", Coordinator, "one a public key, and gone in minutes"),
    place("signature_nonces", Coordinator, "gone in minutes"),
    place("queue_notices", Coordinator, "gone in seconds; publishers take them across orgs"),
    place("portal_sessions", Coordinator, "found by digests that are unique over all orgs"),
    place("claims", Coordinator, "found by a digest that is unique over all orgs"),
    place("streams", Coordinator, "of no org"),
    place("stream_types", Coordinator, "of no org"),
    place("platform_tokens", Coordinator, "of no org"),
    place("console_sessions", Coordinator, "of no org"),
    place("service_keys", Coordinator, "of no org, and no worker should have them"),
    place("passphrase_salt", Coordinator, "one row"),
    place("announcements", Coordinator, "of no org; gone in a minute"),
    place("_sqlx_migrations", Coordinator, "sqlx's own"),
];
