//! The catalogue of the migrated database, held to the rules of the house (architecture 3).

use partner_api::db::distribution::{Placement, TABLES, violated};
use partner_api::db::migrating;
use serde_json::json;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgConnection, Row as _, SqlSafeStr as _};
use uuid::Uuid;

use crate::support::{Database, TestApp};

/// Tables that hold no tenant's rows, and why.
const NOT_OF_A_TENANT: &[(&str, &str)] = &[
    ("announcements", "every replica reads what is new of every org"),
    ("console_sessions", "the platform's own people see every org"),
    ("key_patterns", "the forms of imported keys are every org's"),
    ("orgs", "the tenants themselves"),
    ("platform_tokens", "the platform's own services act for every org"),
    ("service_keys", "the service's own keys, sealed"),
    ("passphrase_salt", "one row, for the whole service"),
    ("streams", "the platform's streams are every org's"),
    ("stream_types", "the types of events on them"),
    ("_sqlx_migrations", "sqlx's own"),
];

/// Tables of a tenant that stay when it goes, and why.
const OUTLIVES_ITS_ORG: &[(&str, &str)] = &[("audit_log", "who deleted the org, among others")];

#[tokio::test]
async fn every_table_is_a_tenants_or_has_a_reason_not_to_be() {
    let database = Database::of_one_node().await;
    let without = rows(
        &mut database.connect().await,
        "SELECT table_name::text FROM information_schema.tables AS t
         WHERE table_schema = 'public' AND NOT EXISTS (
             SELECT FROM information_schema.columns AS c
             WHERE c.table_name = t.table_name AND c.table_schema = 'public' AND c.column_name = 'org_id')
         ORDER BY 1",
    )
    .await;
    assert_eq!(without, excused(NOT_OF_A_TENANT));
}

#[tokio::test]
async fn every_tenants_table_leads_its_primary_key_with_the_org() {
    let database = Database::of_one_node().await;
    let wrong = rows(
        &mut database.connect().await,
        "SELECT c.relname || ': ' || coalesce(pg_get_constraintdef(k.oid), 'no primary key')
         FROM pg_class AS c
         JOIN pg_attribute AS org ON org.attrelid = c.oid AND org.attname = 'org_id'
         LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
           AND (k.oid IS NULL OR k.conkey[1] <> org.attnum OR NOT org.attnotnull)",
    )
    .await;
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_tenants_table_ends_with_its_org_or_has_a_reason_not_to() {
    let database = Database::of_one_node().await;
    let without = rows(
        &mut database.connect().await,
        "SELECT c.relname::text FROM pg_class AS c
         JOIN pg_attribute AS org ON org.attrelid = c.oid AND org.attname = 'org_id'
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM pg_constraint AS k
             WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = 'orgs'::regclass
               AND k.conkey = ARRAY[org.attnum] AND k.confdeltype = 'c')
         ORDER BY 1",
    )
    .await;
    assert_eq!(without, excused(OUTLIVES_ITS_ORG));
}

/// What a migration adds must be placed on a distributed database as well (`partner-api distribute`).
#[tokio::test]
async fn every_table_has_its_place_on_a_distributed_database() {
    let database = Database::of_one_node().await;
    let tables = rows(
        &mut database.connect().await,
        "SELECT c.relname::text FROM pg_class AS c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    .await;
    let mut placed: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    placed.sort_unstable();
    assert_eq!(tables, placed);
    assert!(TABLES.iter().all(|table| !table.why.is_empty()));
}

#[tokio::test]
async fn what_is_distributed_by_org_is_unique_within_its_org() {
    let database = Database::of_one_node().await;
    let across = rows(
        &mut database.connect().await,
        "SELECT i.indrelid::regclass || ': ' || i.indexrelid::regclass FROM pg_index AS i
         JOIN pg_attribute AS org ON org.attrelid = i.indrelid AND org.attname = 'org_id'
         WHERE i.indisunique AND NOT org.attnum = ANY (i.indkey::int2[]) AND i.indrelid::regclass::text <> 'orgs'",
    )
    .await;
    let is_by_org = |index: &&String| {
        let table = index.split(':').next().unwrap_or_default();
        TABLES.iter().any(|it| it.name == table && it.placement == Placement::ByOrg)
    };
    assert_eq!(across.iter().find(is_by_org), None);
    assert!(!across.is_empty(), "digests are unique over all orgs");
}

#[tokio::test]
async fn every_constraint_is_named_by_its_kind() {
    let database = Database::of_one_node().await;
    let wrong = rows(
        &mut database.connect().await,
        "SELECT conname || ' on ' || conrelid::regclass FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND conrelid <> '_sqlx_migrations'::regclass AND NOT (
             starts_with(conname, conrelid::regclass || '_') AND CASE contype
                 WHEN 'p' THEN conname = conrelid::regclass || '_pkey'
                 WHEN 'f' THEN conname LIKE '%\\_fkey'
                 -- These say what they are for; Postgres's own names say only which kind they are of.
                 WHEN 'u' THEN conname NOT LIKE '%\\_key'
                 WHEN 'c' THEN conname NOT LIKE '%\\_check%'
                 ELSE true END)",
    )
    .await;
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_index_is_named_after_its_table_and_not_by_postgres() {
    let database = Database::of_one_node().await;
    let wrong = rows(
        &mut database.connect().await,
        "SELECT indexname::text FROM pg_indexes
         WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
           AND (NOT starts_with(indexname, tablename || '_') OR indexname LIKE '%\\_idx%')",
    )
    .await;
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_foreign_key_has_an_index_to_find_its_rows_by() {
    let database = Database::of_one_node().await;
    let wrong = rows(
        &mut database.connect().await,
        "SELECT conname || ' on ' || conrelid::regclass FROM pg_constraint AS k
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM pg_index AS i
             WHERE i.indrelid = k.conrelid
               -- What is null refers to nothing.
               AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
                   SELECT '(' || attname || ' IS NOT NULL)' FROM pg_attribute
                   WHERE attrelid = k.conrelid AND attnum = ANY (k.conkey)))
               AND (i.indkey::int2[])[0:array_length(k.conkey, 1) - 1] @> k.conkey)",
    )
    .await;
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_list_has_an_index_in_its_order() {
    let database = Database::of_one_node().await;
    let indexes = rows(
        &mut database.connect().await,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE '%\\_by\\_creation'",
    )
    .await;
    let users = "CREATE INDEX users_by_creation ON public.users USING btree (org_id, created_at, user_id)";
    assert!(indexes.iter().any(|index| index == users), "{indexes:?}");
}

#[tokio::test]
async fn instants_are_kept_with_their_zone() {
    let database = Database::of_one_node().await;
    let wrong = rows(
        &mut database.connect().await,
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'",
    )
    .await;
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let database = Database::empty().await;
    let db = database.db();
    db.migrate().await.expect("an empty database takes the schema");
    assert_eq!(db.pending_migrations().await.unwrap(), 0);
    db.migrate().await.expect("a second time there is nothing to do");
    db.close().await;
}

/// What a migration to come may hold.
const TO_COME: &str = "-- Why; as ever.
    ALTER TABLE users ADD COLUMN weight integer NOT NULL DEFAULT 7;
    ALTER TABLE users ADD CONSTRAINT users_weight_positive CHECK (weight > 0);
    CREATE INDEX users_by_weight ON users (org_id, weight);
    ALTER TABLE tenant_keys ADD COLUMN weight integer NOT NULL DEFAULT 7;
    CREATE TABLE parcels (
        org_id uuid NOT NULL CONSTRAINT parcels_org_id_fkey REFERENCES orgs (id) ON DELETE CASCADE,
        id uuid NOT NULL,
        CONSTRAINT parcels_pkey PRIMARY KEY (org_id, id)
    );
    UPDATE users SET weight = 8;";

#[tokio::test]
async fn a_migration_to_come_is_applied_statement_by_statement_where_tables_are_distributed() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let user = json!({"user_id": Uuid::from_u128(1)});
    acme.post("/v1/users", user).await.expect(201);
    let to_come = Migration::new(
        30_000_101_000_000,
        "to come".into(),
        MigrationType::Simple,
        TO_COME.into_sql_str(),
        false,
    );
    let to_come = Migrator { migrations: vec![to_come].into(), ignore_missing: true, ..Migrator::DEFAULT };
    let mut database = app.database.connect().await;
    migrating::one_by_one(&to_come).run(&mut database).await.expect("it is applied");
    to_come.run(&mut database).await.expect("it is the same one, and there already");
    let weights: Vec<i32> =
        sqlx::query_scalar("SELECT weight FROM users").fetch_all(&mut database).await.expect("a column");
    assert_eq!(weights, [8]);
    let too_light = sqlx::query("UPDATE users SET weight = 0").execute(&mut database).await;
    assert_eq!(violated(&too_light.expect_err("it is checked")), Some("users_weight_positive"));
    sqlx::query("INSERT INTO parcels SELECT id, id FROM orgs").execute(&mut database).await.expect("a table");
    // The version before goes on.
    acme.post("/v1/users", json!({"user_id": Uuid::from_u128(2)})).await.expect(201);
}

#[tokio::test]
async fn the_release_before_starts_on_the_schema_of_the_one_after() {
    let database = Database::of_one_node().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (29991231000001, 'of a later release', true, '\\x00', 1)",
    )
    .execute(&mut database.connect().await)
    .await
    .expect("a later release was here");
    let db = database.db();
    db.migrate().await.expect("the way back is open");
    assert_eq!(db.pending_migrations().await.unwrap(), 0);
    db.close().await;
}

/// The names in a list of exceptions, in order.
fn excused(tables: &[(&'static str, &str)]) -> Vec<&'static str> {
    let mut names: Vec<_> = tables.iter().map(|(table, _)| *table).collect();
    names.sort_unstable();
    names
}

/// The first column of what a query finds, as text.
async fn rows(database: &mut PgConnection, query: &'static str) -> Vec<String> {
    let rows = sqlx::query(query).fetch_all(database).await.expect("the catalogue answers");
    rows.iter().map(|row| row.get(0)).collect()
}
