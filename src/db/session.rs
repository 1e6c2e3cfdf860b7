//! The settings that our SQL relies on, made on every connection. A role, a database or the server
//! may carry a DBA's settings: a stricter isolation turns conflicts into serialization failures, a
//! short `lock_timeout` a wait into an error, a `search_path` one table into another.
//!
//! By one statement when a connection is made, and by the simple protocol: parameters of the
//! connection are refused by PgBouncer, and a prepared statement is not carried by an old one. A
//! pooler in transaction mode hands a statement's effects to whichever server it pleases; behind
//! one the settings must be the role's (see [`missing_behind_a_pooler`]).

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// The time that a statement may take in the server, once nobody waits for it any more; as long as
/// a request may by default.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that a transaction of a process that stopped half-way may hold its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that a statement over a whole snapshot may take: counting it, above all.
const SNAPSHOT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Short statements.
    Requests,
    /// LISTEN, and one statement again and again beside it.
    Listening,
    /// Migrations, and looking at a database before it is one of ours: these take and wait as long as they do.
    Session,
    /// Reading all that an org has, at one moment.
    Snapshot,
}

impl Purpose {
    /// Names and values, of which those are set that the server knows.
    fn settings(self) -> Vec<(&'static str, String)> {
        let [statement, idle] = match self {
            Self::Requests => [STATEMENT_TIMEOUT, IDLE_IN_TRANSACTION_TIMEOUT],
            Self::Listening | Self::Session => [Duration::ZERO; 2],
            Self::Snapshot => [SNAPSHOT_STATEMENT_TIMEOUT, IDLE_IN_TRANSACTION_TIMEOUT],
        };
        let planned = match self {
            Self::Requests | Self::Listening => PLANNED_ONCE,
            Self::Session | Self::Snapshot => &[],
        };
        let fixed = RELIED_ON.iter().chain(planned).map(|(name, value)| (*name, (*value).to_owned()));
        fixed
            .chain([
                ("statement_timeout", statement.as_millis().to_string()),
                ("idle_in_transaction_session_timeout", idle.as_millis().to_string()),
            ])
            .collect()
    }
}

/// A statement is planned when a connection first sees it, and then no more. Left to itself Postgres plans statements
/// over arrays anew each time, since it knows the length of each, and takes longer to plan a change of a key than to make
/// it. Each of ours has one good plan, whatever its parameters are (`tests/api/plans.rs`); compiling one never pays.
/// Nor does reading a table from end to end, where there is an index: a plan that is made while the table is small, or
/// while its statistics say so, is kept when it has grown.
const PLANNED_ONCE: &[(&str, &str)] =
    &[("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];

/// The settings that the SQL itself relies on.
const RELIED_ON: [(&str, &str); 11] = [
    ("default_transaction_isolation", "read committed"),
    ("lock_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("row_security", "on"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("exit_on_error", "off"),
    ("IntervalStyle", "postgres"),
    ("client_min_messages", "warning"),
    // Of a distributed database: rows there refer to those of tables that every node has, and a transaction that
    // writes both may not do it on several connections to a node.
    ("citus.multi_shard_modify_mode", "sequential"),
];

/// Prepares a connection; tells whether its server is a standby, which takes no writes.
///
/// `search_path` becomes the one schema that our tables are in, so that nothing comes between;
/// before there are any, the first that exists of what is configured. What the URL itself says
/// (`options`) stays. A role or database that is read-only by default is not meant for a service
/// that writes, while a server that is says that it cannot now: that is left, and observed.
///
/// # Errors
/// When the server cannot be asked.
pub async fn set_up(connection: &mut PgConnection, purpose: Purpose) -> Result<bool, sqlx::Error> {
    let wanted: Vec<_> =
        purpose.settings().into_iter().map(|(name, value)| format!("('{name}', '{value}')")).collect();
    let statement = format!(
        "SELECT pg_catalog.pg_is_in_recovery() AS is_standby,
                pg_catalog.count(pg_catalog.set_config(name, value, false)) AS changed
         FROM (
             VALUES {}
             UNION ALL
             SELECT 'search_path', coalesce(
                 (SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_class AS ours
                  JOIN pg_catalog.pg_namespace AS schema ON schema.oid = ours.relnamespace
                  WHERE ours.oid = pg_catalog.to_regclass('service_keys')),
                 pg_catalog.quote_ident(nullif(pg_catalog.current_schema()::text, 'pg_catalog')),
                 'public')
             FROM pg_catalog.pg_settings WHERE name = 'search_path' AND source <> 'client'
             UNION ALL
             -- Last of what is said of it: which worker a statement is for, its parameters tell.
             SELECT 'plan_cache_mode', 'force_custom_plan' FROM pg_catalog.pg_extension WHERE extname = 'citus'
             UNION ALL
             -- As such it passes a worker's warning on that no standby confirmed a commit (`super::notices`).
             SELECT 'client_min_messages', 'debug1' FROM pg_catalog.pg_extension WHERE extname = 'citus'
             UNION ALL
             SELECT name, 'off' FROM pg_catalog.pg_settings
             WHERE name = 'default_transaction_read_only' AND source IN ('database', 'user', 'database user')
         ) AS wanted (name, value)
         WHERE pg_catalog.current_setting(name, true) IS NOT NULL",
        wanted.join(", ")
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(connection).await?;
    row.try_get("is_standby")
}

/// Has everything that the connection reads from now on be as it is at the first read.
///
/// # Errors
/// When the server cannot be asked.
pub async fn begin_snapshot(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(connection).await?;
    Ok(())
}

/// The settings that statements would run under behind a pooler in transaction mode and should
/// not, as `name = value` of what they should be.
///
/// # Errors
/// When the server cannot be asked.
pub async fn missing_behind_a_pooler(fresh: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let wanted: Vec<_> = RELIED_ON.iter().map(|(name, value)| format!("('{name}', '{value}')")).collect();
    let statement = format!(
        "SELECT pg_catalog.format('%s = ''%s''', name, value) AS setting
         FROM (VALUES {}, ('default_transaction_read_only', 'off')) AS wanted (name, value)
         WHERE pg_catalog.current_setting(name, true) <> value
           AND name NOT IN ('client_min_messages', 'IntervalStyle')",
        wanted.join(", ")
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(fresh).await?;
    rows.iter().map(|row| row.try_get("setting")).collect()
}
