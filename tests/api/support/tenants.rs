//! All that orgs have in the database, whatever its tables are: read from the catalogue, so that a
//! new table counts from its first day.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{Org, TestApp};

/// In every text of a [`twin`] that is free to hold it; nobody else may ever see it.
pub const MARK: &str = "zeta";

/// What of a twin's rows is its own: a table, and an object of columns, in SQL. All else is the
/// other's, ids, names of queues and `user_id`s too.
const ITS_OWN: &[(&str, &str)] = &[
    ("users", "'first_name', 'zeta', 'last_name', 'zeta', 'email', 'zeta@zeta.example'"),
    // A digest names one key in all orgs.
    ("tenant_keys", "'name', 'zeta', 'prefix', 'zeta', 'digest', sha256(gen_random_uuid()::text::bytea)"),
    ("tenant_key_sources", "'user_agent', 'zeta ' || left(user_agent, 90)"),
    // Later, so that of two it is the one that a usage would choose.
    (
        "public_keys",
        "'algorithm', 'zeta', 'fingerprint', 'zeta', 'related_client_id', 'zeta', 'public_key', 'zeta',
         'created_at', created_at + interval '1 second'",
    ),
    ("event_queues", "'settings', '{\"url\": \"http://127.0.0.1:1/zeta\"}'::jsonb"),
    ("events", "'body', '\"zeta\"', 'last_error', 'zeta'"),
    ("event_losses", "'lost', 4242"),
    ("reports", "'fingerprint', 'zeta'"),
    ("report_chunks", "'bytes', overlay(bytes PLACING 'zeta'::bytea FROM 1 FOR 4)"),
    ("idempotency_keys", "'body', CASE WHEN body IS NOT NULL THEN '\"zeta\"' END"),
    (
        "portal_sessions",
        "'link_digest', sha256(gen_random_uuid()::text::bytea), 'actor_id', 'zeta',
         'token_digest', CASE WHEN token_digest IS NOT NULL THEN sha256(gen_random_uuid()::text::bytea) END",
    ),
    ("audit_log", "'request_id', 'zeta', 'subject', 'zeta'"),
];

/// The tables that hold tenants' rows.
pub async fn tables(database: &mut PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'org_id' ORDER BY 1",
    )
    .fetch_all(database)
    .await
    .expect("the catalogue answers");
    assert!(tables.len() >= 8, "the catalogue has lost its tables: {tables:?}");
    tables
}

/// Every row of an org, by table.
pub async fn rows_of(app: &TestApp, org: &Org) -> BTreeMap<String, Value> {
    let mut database = app.database.connect().await;
    let mut tables: Vec<_> = tables(&mut database).await.into_iter().map(|table| (table, "org_id")).collect();
    tables.push(("orgs".to_owned(), "id"));
    let mut rows = BTreeMap::new();
    for (table, column) in tables {
        let query = format!(
            "SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY to_jsonb(r)::text), '[]') FROM {table} r WHERE {column} = $1"
        );
        let all = sqlx::query_scalar(AssertSqlSafe(query)).bind(org.id).fetch_one(&mut database).await;
        rows.insert(table, all.expect("the rows"));
    }
    rows
}

/// Another org that has what `org` has, row by row and under the same ids, but for [`ITS_OWN`].
pub async fn twin(app: &TestApp, org: &Org) -> Org {
    let mut database = app.database.connect().await;
    let (id, key) = (Uuid::new_v4(), format!("{MARK}-{}", org.key));
    sqlx::query(
        "INSERT INTO orgs SELECT (jsonb_populate_record(NULL::orgs, to_jsonb(o)
             || jsonb_build_object('id', $2::uuid, 'key', $3::text, 'name', $3::text))).*
         FROM orgs o WHERE id = $1",
    )
    .bind(org.id)
    .bind(id)
    .bind(&key)
    .execute(&mut database)
    .await
    .expect("the org");
    for table in tables(&mut database).await {
        let own = ITS_OWN.iter().find(|(named, _)| *named == table).map_or("", |(_, columns)| columns);
        let query = format!(
            "INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(r)
                 || jsonb_build_object({own}) || jsonb_build_object('org_id', $2::uuid))).*
             FROM {table} r WHERE org_id = $1"
        );
        let copied = sqlx::query(AssertSqlSafe(query)).bind(org.id).bind(id).execute(&mut database).await;
        copied.unwrap_or_else(|error| panic!("{table} cannot be copied; see `ITS_OWN`: {error}"));
    }
    Org::known(app, id, &key)
}
