//! Every SQL statement of the service, held to its tenant: a table that has an `org_id` is bound by
//! it wherever it is read or written. The texts are those that were checked at compile time, so a
//! statement is held to it from the build it first appears in.

mod bound;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::bound::{Tenants, unbound};
use crate::support::{Database, tenants};

/// What reads or writes a table of tenants for all orgs at once: the table, words by which the
/// statement is known, and why. This list may only shrink; an entry that excuses nothing is refused.
const ACROSS_ORGS: &[(&str, &str, &str)] = &[
    ("tenant_keys", "WHERE digest = ANY($1::bytea[])", "a key is looked up to learn whose it is"),
    (
        "public_keys",
        "WHERE unique_id = ANY ($1::uuid[]) AND type = 'RSA'",
        "a signature's or an assertion's key is looked up to learn whose it is",
    ),
    (
        "tenant_keys",
        "WHERE k.pattern_id = p.id AND k.revoked_at IS NULL",
        "which forms of imported keys are in use",
    ),
    ("orgs", "(SELECT count(*) FROM orgs)", "`doctor` counts"),
    ("tenant_keys", "AND pending_of IS NULL AND expires_at BETWEEN $1 AND $2", "`doctor` counts"),
    ("public_keys", "AND expires_at BETWEEN $1 AND $2", "`doctor` counts"),
    ("event_queues", "count(*) FILTER (WHERE failing_since IS NOT NULL)", "`doctor` counts"),
    ("event_queues", "SELECT DISTINCT settings FROM event_queues", "`doctor` looks names of targets up"),
    ("claims", "WHERE digest = ANY ($1::bytea[]) FOR UPDATE", "a claim is looked up to learn whose it is"),
    ("claims", "SELECT ctid FROM claims", "retention"),
    ("claims", "FROM claims WHERE opened_at IS NULL AND expires_at > $2", "keys status"),
    (
        "portal_sessions",
        "WHERE s.token_digest = ANY ($1::bytea[])",
        "a session is looked up by its cookie to learn whose it is",
    ),
    ("orgs", "WHERE s.token_digest = ANY ($1::bytea[])", "the session's own org"),
    (
        "tenant_keys",
        "WHERE s.token_digest = ANY ($1::bytea[])",
        "the key that the session was asked for with",
    ),
    (
        "public_keys",
        "WHERE s.token_digest = ANY ($1::bytea[])",
        "the key that the session was asked for with",
    ),
    (
        "portal_sessions",
        "WHERE link_digest = ANY ($1::bytea[])",
        "a link to the portal is looked up to learn whose it is",
    ),
    ("portal_sessions", "SELECT ctid FROM portal_sessions", "retention"),
    ("signature_nonces", "SELECT ctid FROM signature_nonces", "retention"),
    ("tenant_key_hours", "SELECT ctid FROM tenant_key_hours", "retention"),
    ("tenant_key_sources", "SELECT ctid FROM tenant_key_sources", "retention"),
    ("tenant_key_scopes", "SELECT ctid FROM tenant_key_scopes", "retention"),
    ("public_key_challenges", "SELECT ctid FROM public_key_challenges", "retention"),
    (
        "tenant_keys",
        "AND expiry_told IS DISTINCT FROM 0 AND revoked_at IS NULL",
        "announces ends of all orgs",
    ),
    (
        "public_keys",
        "AND expiry_told IS DISTINCT FROM 0 AND deleted_at IS NULL",
        "announces ends of all orgs",
    ),
    (
        "signing_secrets",
        "AND NOT expiry_told AND pending_of IS NULL ORDER BY expires_at",
        "announces ends of all orgs",
    ),
    ("event_queues", "FROM event_queues WHERE expires_at <= $1", "announces ends of all orgs"),
    ("event_queues", "gap AS MATERIALIZED (", "the publisher serves all orgs"),
    ("events", "gap AS MATERIALIZED (", "it learns which orgs have events that wait; it takes none"),
    ("event_queues", "WHERE $2 OR (q.org_id, q.stream) IN", "the same, of a distributed database"),
    (
        "event_queues",
        "FROM event_queues WHERE is_woken",
        "the publisher wakes what waits, of all orgs in turn",
    ),
    ("event_queues", "WHERE ((failures >= 20 AND failing_since IS NULL)", "tells all orgs of their queues"),
    ("queue_minutes", "SELECT ctid FROM queue_minutes", "retention"),
    (
        "queue_minutes",
        "FROM queue_minutes WHERE minute < $1 LIMIT $2",
        "retention finds the orgs it goes through",
    ),
    (
        "queue_notices",
        "WITH old AS (DELETE FROM queue_notices",
        "the publisher tells old targets of all orgs, and forgets what is too old",
    ),
    ("events", "closed_at < $1 LIMIT $2", "retention"),
    ("events", "e.created_at < $1 AND e.state = 'pending'", "retention"),
    (
        "events",
        "FROM events WHERE created_at < $1 AND state = 'pending' LIMIT $2",
        "retention finds the orgs it goes through",
    ),
    ("idempotency_keys", "SET sealed = NULL WHERE ctid", "retention"),
    (
        "idempotency_keys",
        "SELECT DISTINCT org_id AS \"org_id: OrgId\" FROM idempotency_keys",
        "retention finds the orgs it goes through",
    ),
    (
        "reports",
        "WHERE r.state IN ('queued', 'running') AND r.due_at <= $1",
        "the makers serve all orgs in turn",
    ),
    ("reports", "SET state = 'expired' WHERE ctid", "retention"),
    ("reports", "AND has_content ORDER BY created_at", "retention"),
    ("reports", "AND (state = 'deleted' OR created_at < $1)", "retention"),
    ("reports", "sum(byte_count)", "metrics of the whole service"),
    ("idempotency_keys", "DELETE FROM idempotency_keys WHERE ctid", "retention"),
    ("events", "SELECT stream, count(*) FILTER (WHERE state = 'pending')", "metrics of the whole service"),
    (
        "event_queues",
        "SELECT queue.stream, count(*) FILTER (WHERE failures = 0)",
        "metrics of the whole service",
    ),
    ("idempotency_keys", "FROM idempotency_keys WHERE NOT starts_with(encode(sealed", "reseal"),
    ("signing_secrets", "FROM signing_secrets WHERE NOT starts_with(encode(sealed", "reseal"),
    ("signing_secrets", "SELECT sealed FROM signing_secrets WHERE sealed IS NOT NULL", "reseal"),
    ("event_queues", "FROM event_queues WHERE NOT starts_with(encode(sealed", "reseal"),
    ("event_queues", "SELECT sealed FROM event_queues WHERE sealed IS NOT NULL", "reseal"),
    ("public_keys", "FROM public_keys WHERE NOT starts_with(encode(sealed", "reseal"),
    ("public_keys", "SELECT sealed FROM public_keys WHERE sealed IS NOT NULL", "reseal"),
    (
        "audit_log",
        "FROM audit_log WHERE org_id > $1 ORDER BY org_id LIMIT 1",
        "`audit verify` goes from org to org",
    ),
    ("orgs", "FROM orgs WHERE id > $1 ORDER BY id LIMIT 1", "`audit verify` goes from org to org"),
    ("orgs", "leak_grace_seconds FROM orgs ORDER BY created_at, id", "`org list`"),
    ("orgs", "FROM (SELECT count(*) AS total FROM orgs o WHERE", "the platform's list of orgs"),
    ("orgs", "count(frozen_at) AS", "the console counts orgs"),
    (
        "event_queues",
        "ON o.id = q.org_id WHERE q.failures >= $1",
        "the console lists troubled queues of all orgs",
    ),
    ("orgs", "ON o.id = q.org_id WHERE q.failures >= $1", "and whose they are"),
    ("tenant_keys", "AS e JOIN orgs o ON o.id = e.org_id", "the console lists what ends soon, of all orgs"),
    ("public_keys", "AS e JOIN orgs o ON o.id = e.org_id", "the console lists what ends soon, of all orgs"),
    ("event_queues", "AS e JOIN orgs o ON o.id = e.org_id", "the console lists what ends soon, of all orgs"),
    ("tenant_keys", "ON o.id = k.org_id WHERE k.leaked_at < $1", "the console lists leaked keys of all orgs"),
    ("orgs", "ON o.id = k.org_id WHERE k.leaked_at < $1", "and whose they are"),
    ("event_queues", "WHERE held_until > $1 AND holder IS NOT NULL", "the console lists who delivers"),
    ("orgs", "FROM orgs WHERE id = $1 OR key = $2", "the platform names an org by its id or its key"),
    (
        "tenant_keys",
        "pending_of IS NOT NULL AND confirm_by <= $1",
        "`rotations` gives up what was not confirmed in time",
    ),
    (
        "signing_secrets",
        "pending_of IS NOT NULL AND confirm_by <= $1",
        "`rotations` gives up what was not confirmed in time",
    ),
    ("tenant_keys", "FROM tenant_keys WHERE pepper < $1", "`keys renew` counts what is left"),
    ("tenant_keys", "WHERE k.pepper < $1", "`keys renew` lists what is left"),
    ("orgs", "WHERE k.pepper < $1", "`keys renew` lists what is left"),
    ("orgs", "FROM orgs WHERE audit_key < $1", "`keys renew` goes from org to org"),
    ("orgs", "SELECT NOT EXISTS (SELECT 1 FROM orgs)", "whether there was ever an org"),
    ("audit_log", "NOT EXISTS (SELECT 1 FROM audit_log)", "whether there was ever an org"),
];

/// Where SQL is sent that no compiler has seen, and why. This list may only shrink.
const UNCHECKED: &[(&str, &str)] = &[
    ("crates/embedded-postgres/src/readiness.rs", "makes the database; there is none to check against"),
    ("src/cli/doctor/server.rs", "looks at a database whose schema may be any version's, or nobody's"),
    ("src/crypto/keyring/sample.rs", "tries the master key before there may be any table"),
    ("src/db/mod.rs", "asks for migrations before there may be any"),
    (
        "src/db/distribution/mod.rs",
        "asks an extension, which the database that statements are checked by lacks",
    ),
    ("src/db/distribution/shards.rs", "the same"),
    ("src/db/connect.rs", "asks for the server's encoding, before the service trusts it"),
    ("src/db/session.rs", "sets and reads the session's settings; no table"),
];

#[tokio::test]
async fn every_statement_binds_each_tenants_table_to_the_org() {
    let database = Database::of_one_node().await;
    let tenants = Tenants::named(tenants::tables(&mut database.connect().await).await);
    let mut unused: BTreeSet<_> = (0..ACROSS_ORGS.len()).collect();
    let mut wrong = Vec::new();
    for statement in statements() {
        for table in unbound(&statement, &tenants) {
            let excuses = |entry: &usize| {
                let (excused, words, _) = ACROSS_ORGS[*entry];
                excused == table && statement.contains(words)
            };
            match (0..ACROSS_ORGS.len()).find(excuses) {
                Some(entry) => drop(unused.remove(&entry)),
                None => wrong.push(format!("{table} is not bound by org_id in: {statement}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let unused: Vec<_> = unused.into_iter().map(|entry| ACROSS_ORGS[entry]).collect();
    assert!(unused.is_empty(), "these excuse nothing any more: {unused:?}");
}

#[test]
fn every_statement_is_checked_at_compile_time_or_has_a_reason_not_to_be() {
    let unchecked: BTreeSet<_> = ["src", "crates"]
        .into_iter()
        .flat_map(|folder| sources(Path::new(folder)))
        .filter(|path| !path.iter().any(|part| part == "tests"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| {
            let text = fs::read_to_string(root().join(path)).expect("a source file");
            ["query(", "query_as(", "query_scalar(", "query_with(", "raw_sql(", "QueryBuilder"]
                .iter()
                .any(|call| text.contains(&format!("sqlx::{call}")))
        })
        .map(|path| path.display().to_string())
        .collect();
    let excused: BTreeSet<_> = UNCHECKED.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(unchecked, excused);
}

#[test]
fn what_the_check_lets_through_and_what_it_does_not() {
    let tenants = Tenants::named(["users", "events"]);
    for bound in [
        "SELECT * FROM users WHERE org_id = $1 AND user_id = $2",
        "SELECT * FROM users u WHERE u.user_id = $2 AND (u.org_id = $1::uuid)",
        "SELECT * FROM users WHERE org_id = ANY($1)",
        "SELECT * FROM orgs o LEFT JOIN users u ON u.org_id = o.id WHERE o.id = $1",
        "SELECT * FROM users u JOIN events e USING (org_id, id) WHERE u.org_id = $1",
        "SELECT * FROM unnest($1::uuid[]) AS w (org_id) JOIN users u ON u.org_id = w.org_id",
        "SELECT * FROM orgs o CROSS JOIN LATERAL (SELECT * FROM users WHERE org_id = o.id) AS u WHERE o.key = $1",
        "UPDATE events e SET state = 'x' FROM gone WHERE e.org_id = gone.org_id AND e.id = gone.id",
        "WITH gone AS (DELETE FROM users u USING gate WHERE u.org_id = $1 RETURNING 1) SELECT 1 FROM gone",
        "INSERT INTO users (org_id, user_id) SELECT $1, id FROM gate",
        "WITH given AS (SELECT $1::uuid AS org_id) SELECT * FROM given JOIN orgs o ON o.id = given.org_id",
        "WITH given AS (SELECT $1::uuid AS org_id, $2::uuid AS id), change AS (UPDATE orgs o SET revision = 1 FROM given
         WHERE o.id = given.org_id RETURNING given.*), gone AS (DELETE FROM users u USING change
         WHERE u.org_id = change.org_id AND u.user_id = change.id) INSERT INTO events (org_id, id)
         SELECT org_id, id FROM change",
        "INSERT INTO users (org_id, user_id) VALUES ($1, $2)",
    ] {
        assert_eq!(unbound(bound, &tenants), [""; 0], "{bound}");
    }
    for (loose, table) in [
        ("SELECT * FROM users WHERE user_id = $1", "users"),
        ("SELECT * FROM users WHERE org_id = $1 OR user_id = $2", "users"),
        ("SELECT * FROM users WHERE NOT org_id = $1", "users"),
        ("SELECT * FROM users WHERE org_id = org_id AND user_id = $1", "users"),
        ("SELECT * FROM users WHERE org_id <> $1", "users"),
        ("SELECT * FROM orgs WHERE name = $1", "orgs"),
        ("SELECT 1 WHERE EXISTS (SELECT FROM users WHERE user_id = $1)", "users"),
        ("SELECT * FROM events e JOIN users u ON u.user_id = e.id WHERE e.org_id = $1", "users"),
        ("SELECT * FROM users u LEFT JOIN x ON u.org_id = $1", "users"),
        ("SELECT 1 FROM x UNION ALL (SELECT 1 FROM users LIMIT 1)", "users"),
        ("UPDATE users SET email = $2 WHERE user_id = $1", "users"),
        ("UPDATE users u SET email = $2 FROM gate WHERE u.user_id = gate.user_id", "users"),
        ("WITH gone AS (DELETE FROM users WHERE user_id = $1 RETURNING 1) SELECT 1 FROM gone", "users"),
        ("INSERT INTO users (user_id) VALUES ($1)", "users"),
        ("LOCK TABLE streams, users IN SHARE MODE", "users"),
        (
            "WITH given AS (SELECT $1 AS org_id) UPDATE orgs o SET name = 'x' FROM given WHERE o.key = given.name",
            "orgs",
        ),
        (
            "WITH change AS (SELECT $1 AS org_id, $2 AS id) DELETE FROM users u USING change WHERE u.user_id = change.id",
            "users",
        ),
        (
            "WITH x AS (SELECT id AS org_id FROM y) SELECT * FROM x JOIN users u ON u.org_id = x.org_id",
            "id AS org_id",
        ),
        ("INSERT INTO users (org_id, user_id) SELECT u.user_id, $1 FROM gate", "users"),
    ] {
        assert_eq!(unbound(loose, &tenants), [table], "{loose}");
    }
    let both = "SELECT * FROM users u JOIN events e ON e.org_id = u.org_id WHERE u.user_id = $1";
    assert_eq!(unbound(both, &tenants), ["users", "events"]);
}

/// All texts that the macros were given, on one line each.
fn statements() -> Vec<String> {
    let files = fs::read_dir(root().join(".sqlx")).expect("the offline data is committed");
    let mut statements: Vec<_> = files
        .map(|file| {
            let text = fs::read_to_string(file.expect("a file").path()).expect("it can be read");
            let data: Value = serde_json::from_str(&text).expect("it is JSON");
            let lines = data["query"].as_str().expect("it has a text").lines();
            let code = lines.map(|line| line.split_once("--").map_or(line, |(code, _)| code));
            code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
        })
        .collect();
    statements.sort_unstable();
    assert!(statements.len() >= 70, "the offline data has lost its statements");
    statements
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    entries
        .flat_map(|entry| {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() { sources(&path) } else { vec![path] }
        })
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
