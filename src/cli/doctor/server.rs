//! The database server: version, schema, rights of the role, room for connections, clock.

use chrono::{DateTime, TimeDelta, Utc};

use super::database::Took;
use super::finding::Report;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, MIGRATIONS};

const CHECK: &str = "database";
/// The oldest server that the tests ran on, as `server_version_num`.
const TESTED: i32 = 150_000;
/// Below, the migrations fail: `gen_random_uuid` came with it.
const OLDEST: i32 = 130_000;
/// A process's connections beside `DATABASE_MAX_CONNECTIONS` (docs/operations.md, Database).
const ASIDE: u32 = 14;
/// Kept for whoever looks after the server, and for commands.
const FOR_COMMANDS: u32 = 5;
/// Further apart, the service warns; and is not ready (docs/operations.md, Clocks).
const APART: [TimeDelta; 2] = [TimeDelta::milliseconds(500), TimeDelta::seconds(5)];

/// What later looks depend on.
pub struct ServerState {
    /// The schema is this build's.
    pub is_current: bool,
}

/// As the server says it.
#[derive(sqlx::FromRow)]
struct Server {
    version: String,
    number: i32,
    max_connections: i32,
    reserved: i32,
    role_limit: i32,
    in_use: i64,
    time_zone: String,
    is_superuser: bool,
    may_create: bool,
    is_read_only: bool,
    has_schema: bool,
    now: DateTime<Utc>,
}

/// Looks at the server behind `db`.
///
/// # Errors
/// When it cannot be asked.
pub async fn check(
    db: &Db,
    config: &Config,
    replicas: u32,
    clock: &Clock,
    report: &mut Report,
) -> Result<ServerState, sqlx::Error> {
    let mut snapshot = db.snapshot().await?;
    // Not checked at compile time, like all that follows: the schema may be another version's, or nobody's.
    let (took, before) = (Took::start(), clock.now());
    let server: Server = sqlx::query_as(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
                current_setting('max_connections')::int AS max_connections,
                current_setting('superuser_reserved_connections')::int AS reserved,
                (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS in_use,
                current_setting('TimeZone') AS time_zone,
                (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
                coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
                (pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean) AS is_read_only,
                to_regclass('_sqlx_migrations') IS NOT NULL AS has_schema,
                clock_timestamp() AS now",
    )
    .fetch_one(&mut *snapshot)
    .await?;
    let middle = before + TimeDelta::milliseconds(took.millis() / 2);
    version(&server, report);
    let is_current = migrations(&mut snapshot, &server, config, report).await?;
    rights(&mut snapshot, &server, config, report).await?;
    connections(&server, config, replicas, report);
    skew(server.now - middle, report);
    snapshot.end().await;
    Ok(ServerState { is_current })
}

fn version(server: &Server, report: &mut Report) {
    let Server { version, number, time_zone, .. } = server;
    let seen =
        format!("Postgres {version}, time zone {time_zone} (instants are kept in UTC), no extension needed");
    match *number {
        ..OLDEST => report.fail(CHECK, seen, "use Postgres 15 or later"),
        OLDEST..TESTED => report.warn(CHECK, seen, "use Postgres 15 or later: the tests run on no older one"),
        _ => report.ok(CHECK, seen),
    }
    if server.is_read_only {
        let advice = "point DATABASE_URL to the primary; /readyz says so until then";
        report.fail(CHECK, "it takes no writes: a standby, or read-only by its settings", advice);
    }
}

/// Compares the schema with this build's; gives whether they are the same.
async fn migrations(
    connection: &mut sqlx::PgConnection,
    server: &Server,
    config: &Config,
    report: &mut Report,
) -> Result<bool, sqlx::Error> {
    const CHECK: &str = "migrations";
    let applied: Vec<(i64, Vec<u8>, bool)> = match server.has_schema {
        true => {
            sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations")
                .fetch_all(connection)
                .await?
        }
        false => Vec::new(),
    };
    let find = |version| applied.iter().find(|(applied, ..)| *applied == version);
    let pending = MIGRATIONS.iter().filter(|m| find(m.version).is_none()).count();
    let edited =
        MIGRATIONS.iter().filter(|m| find(m.version).is_some_and(|(_, sum, _)| sum[..] != m.checksum[..]));
    let edited: Vec<_> = edited.map(|m| m.version.to_string()).collect();
    let ahead =
        applied.iter().filter(|(version, ..)| MIGRATIONS.iter().all(|m| m.version != *version)).count();
    let broken: Vec<_> = applied.iter().filter(|it| !it.2).map(|(version, ..)| version.to_string()).collect();
    if !broken.is_empty() {
        let advice = "mend what it says in Postgres's log, then `partner-api migrate`";
        report.fail(CHECK, format!("half applied: {}", broken.join(", ")), advice);
    }
    if !edited.is_empty() {
        let advice = "run the build that this database belongs to: a migration is never edited";
        report.fail(CHECK, format!("applied in another form: {}", edited.join(", ")), advice);
    }
    if ahead > 0 {
        let seen = format!("{ahead} are there that this build does not know: a newer version has run here");
        report.warn(CHECK, seen, "run the newer build; at most one version back is served");
    }
    if pending > 0 {
        let seen = format!("{pending} of this build's are not applied");
        match config.migrate_on_start {
            true => report.warn(CHECK, seen, "the next start applies them, or `partner-api migrate` now"),
            false => report.fail(CHECK, seen, "run `partner-api migrate` (MIGRATE_ON_START=false)"),
        }
    }
    let is_current = pending == 0 && broken.is_empty() && edited.is_empty();
    if is_current && ahead == 0 {
        report.ok(CHECK, format!("all {} applied", applied.len()));
    }
    Ok(is_current)
}

/// What the role may do: too little to work, or more than it needs.
async fn rights(
    connection: &mut sqlx::PgConnection,
    server: &Server,
    config: &Config,
    report: &mut Report,
) -> Result<(), sqlx::Error> {
    const CHECK: &str = "role";
    let (lacking, foreign): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))),
                count(*) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE'))
         FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = (
             SELECT relnamespace FROM pg_class WHERE oid = to_regclass('service_keys'))",
    )
    .fetch_one(connection)
    .await?;
    if lacking > 0 {
        let advice = "connect as the owner of the tables, or GRANT SELECT, INSERT, UPDATE, DELETE on them";
        report.fail(CHECK, format!("it may not read and write {lacking} of the tables"), advice);
        return Ok(());
    }
    let migrates = foreign == 0 && server.may_create;
    match (migrates, server.is_superuser) {
        // The embedded cluster has one role, and nobody else in it.
        (_, true) if config.database.is_some() => report.warn(
            CHECK,
            "a superuser: whoever takes over the service has the server",
            "CREATE ROLE partner_api LOGIN, and make it the owner of its own database",
        ),
        (false, _) if config.migrate_on_start => report.warn(
            CHECK,
            "it does not own the schema, so migrations will fail",
            "make it the owner, or set MIGRATE_ON_START=false and migrate as the owner",
        ),
        _ => report.ok(CHECK, "it may do what the service does, and no more"),
    }
    Ok(())
}

fn connections(server: &Server, config: &Config, replicas: u32, report: &mut Report) {
    const CHECK: &str = "connections";
    let limit = server.max_connections - server.reserved;
    let limit = if server.role_limit >= 0 { limit.min(server.role_limit) } else { limit };
    let limit = u32::try_from(limit).unwrap_or_default();
    let each = config.max_connections + ASIDE;
    let wanted = replicas.saturating_mul(each) + FOR_COMMANDS;
    let seen = format!(
        "{replicas} x {each} for replicas and {FOR_COMMANDS} for commands of {limit}; {} in use now",
        server.in_use
    );
    if config.database.as_ref().is_some_and(|database| database.direct.is_some()) {
        return report.ok(CHECK, format!("{seen}; a pooler stands between, whose limits count"));
    }
    if wanted > limit {
        let advice = "lower DATABASE_MAX_CONNECTIONS, raise max_connections, or put a pooler between";
        return report.warn(CHECK, seen, advice);
    }
    report.ok(CHECK, seen);
}

fn skew(ahead: TimeDelta, report: &mut Report) {
    const CHECK: &str = "clock";
    let seen = format!("{} ms from the database's", ahead.num_milliseconds().abs());
    let advice = "run NTP on both machines";
    match ahead.abs() {
        apart if apart > APART[1] => report.fail(CHECK, seen, advice),
        apart if apart > APART[0] => report.warn(CHECK, seen, advice),
        _ => report.ok(CHECK, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level::{Fail, Ok as Fine, Warn};

    #[test]
    fn clocks_half_a_second_apart_are_a_warning_and_five_seconds_a_failure() {
        for (ms, level) in
            [(0, Fine), (-500, Fine), (501, Warn), (-4_999, Warn), (5_001, Fail), (-9_000, Fail)]
        {
            let mut report = Report::default();
            skew(TimeDelta::milliseconds(ms), &mut report);
            assert_eq!(report.levels()[0].0, level, "{ms}");
        }
    }
}
