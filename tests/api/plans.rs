//! Every statement has one plan for all of its parameters, which never reads a large table from end to end. Connections
//! rely on that: they plan a statement once (`db::session`). The tables are empty here, so that any plan would be cheap:
//! an index is used because the connection is set up so.

use partner_api::db::session::{self, Purpose};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::Database;

/// Tables that grow with users, events, requests or time.
const LARGE: [&str; 15] = [
    "announcements",
    "audit_log",
    "event_queues",
    "events",
    "idempotency_keys",
    "orgs",
    "public_keys",
    "queue_minutes",
    "report_chunks",
    "signature_nonces",
    "signing_secrets",
    "tenant_key_hours",
    "tenant_key_sources",
    "tenant_keys",
    "users",
];

/// Statements that read all of a table on purpose, by what is in their text and nowhere else.
const READS_ALL: &[(&str, &str)] = &[
    ("NOT starts_with(encode(sealed", "a command that seals everything anew"),
    ("FROM tenant_keys WHERE pepper < $1", "a command counts the keys under an old pepper"),
    ("DELETE FROM tenant_key_sources", "an index would be written with every count of a request"),
    (
        "FROM event_queues WHERE held_until > $1 AND holder",
        "a page of the console counts what each replica holds",
    ),
    ("q.held_until > $7", "a replica's search reads all queues once, which are few rows beside their events"),
    (r#"AS "queues!", count(*) FILTER (WHERE failing_since"#, "the metrics count all queues"),
    (r#"AS "working!", count(*) FILTER"#, "the metrics count all queues"),
    ("SELECT DISTINCT settings FROM event_queues", "a command tries every host"),
    (
        "WHEN expires_at <= $1 + interval '1 day' THEN 1",
        "once an hour, of all queues those whose credential ends",
    ),
    (r#"AS "suspended!", count(frozen_at)"#, "a page of the console counts all orgs"),
    (r#"AS "frozen!", (SELECT count(*)"#, "the metrics count all orgs and what of theirs ends soon"),
    ("position(lower($8) IN lower(o.name))", "somebody searches for a part of an org's name"),
    (r#"AS "kind!", e.id AS "id!""#, "a page of the console shows what ends soon, of all orgs"),
];

#[tokio::test]
async fn no_statement_reads_a_large_table_from_end_to_end() {
    let database = Database::of_one_node().await;
    let mut connection = database.connect().await;
    session::set_up(&mut connection, Purpose::Requests).await.expect("it is set up as the service's own");
    let mut reads = Vec::new();
    let mut reasons: Vec<_> = READS_ALL.iter().map(|(part, _)| *part).collect();
    for (text, parameters) in statements() {
        let plan = generic_plan(&mut connection, &text, parameters).await;
        let mut tables = Vec::new();
        whole_reads(&plan, &mut tables);
        if tables.is_empty() {
            continue;
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match READS_ALL.iter().find(|(part, _)| text.contains(part)) {
            Some((part, _)) => reasons.retain(|reason| reason != part),
            None => reads.push(format!("{tables:?}: {text}")),
        }
    }
    assert_eq!(reads, [""; 0], "\n{}\n", reads.join("\n\n"));
    assert_eq!(reasons, [""; 0], "no statement has this reason any more");
}

/// Every statement that is checked at compile time, and how many parameters it has.
fn statements() -> Vec<(String, usize)> {
    let kept = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx")).expect("they are kept");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        let parameters = kept["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len);
        (kept["query"].as_str().expect("its text").to_owned(), parameters)
    };
    // What has no plan is not planned.
    let statements: Vec<_> = kept.map(read).filter(|(text, _)| !text.starts_with("LOCK ")).collect();
    assert!(statements.len() > 200, "{}", statements.len());
    statements
}

async fn generic_plan(connection: &mut PgConnection, text: &str, parameters: usize) -> Value {
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let mut tx = connection.begin().await.expect("it begins");
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE planned AS {text}")))
        .execute(&mut *tx)
        .await
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE planned{arguments}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(&mut *tx)
        .await
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    sqlx::raw_sql("DEALLOCATE planned").execute(&mut *tx).await.expect("it goes");
    tx.rollback().await.expect("it ends");
    plan
}

/// The large tables that a plan reads from end to end.
fn whole_reads(plan: &Value, tables: &mut Vec<String>) {
    match plan {
        Value::Array(parts) => parts.iter().for_each(|part| whole_reads(part, tables)),
        Value::Object(node) => {
            let table = node.get("Relation Name").and_then(Value::as_str).unwrap_or_default();
            if node.get("Node Type").is_some_and(|kind| kind == "Seq Scan") && LARGE.contains(&table) {
                tables.push(table.to_owned());
            }
            node.values().for_each(|part| whole_reads(part, tables));
        }
        _ => {}
    }
}
