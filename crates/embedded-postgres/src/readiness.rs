//! Starting Postgres until it is ready: processes of an earlier one may be in the way, recovery may take its
//! time, and the first start makes the database.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cluster::Cluster;
use crate::lock::Record;
use crate::name::Name;
use crate::process::{self, Server};
use crate::{Embedded, EmbeddedError, ORPHAN_PATIENCE, blocking, connect_options};

/// Crash recovery replays at most a few checkpoints' worth of log; past this something is wrong.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_millis(250);

/// Starts Postgres, again if need be: processes that outlived their postmaster hold on to the
/// cluster's shared memory until they notice, and Postgres rightly refuses to start meanwhile.
pub(crate) async fn launch(cluster: Cluster) -> Result<Embedded, EmbeddedError> {
    let mut cluster = cluster;
    let began = Instant::now();
    loop {
        let (returned, server) = blocking(move || cluster.spawn()).await?;
        cluster = returned;
        match ready(&server, &cluster.name, cluster.guard.sockets(), began + START_PATIENCE).await {
            Ok(()) => return own(cluster, server).await,
            Err(Unready::Exited(status)) => {
                let log = server.log_tail();
                let held = process::says_still_in_use(&log);
                if !held {
                    return Err(EmbeddedError::Exited { status, log });
                }
                if began.elapsed() > ORPHAN_PATIENCE {
                    return Err(EmbeddedError::StillInUse { log });
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(Unready::TimedOut) => {
                server.signal(Signal::QUIT);
                return Err(EmbeddedError::NotReady {
                    seconds: START_PATIENCE.as_secs(),
                    log: server.log_tail(),
                });
            }
            Err(Unready::Refused(error)) => return Err(error.into()),
        }
    }
}

async fn own(cluster: Cluster, server: Server) -> Result<Embedded, EmbeddedError> {
    blocking(move || {
        let Cluster { name, guard, lock, .. } = cluster;
        lock.write(&Record::ready(guard.sockets()))?;
        Ok(Embedded { name, server, guard, lock })
    })
    .await
}

enum Unready {
    Exited(ExitStatus),
    TimedOut,
    Refused(sqlx::Error),
}

async fn ready(server: &Server, name: &Name, sockets: &Path, deadline: Instant) -> Result<(), Unready> {
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::select! {
        // Last words of a dying Postgres look like "not yet": the exit decides.
        biased;
        status = server.exited() => Err(Unready::Exited(status)),
        outcome = connectable(name, sockets) => outcome.map_err(Unready::Refused),
        () = tokio::time::sleep(left) => Err(Unready::TimedOut),
    }
}

/// Connects until it works, ever less often: during a recovery each attempt is a line in the log.
/// The first start finds no database of ours, and makes it.
async fn connectable(name: &Name, sockets: &Path) -> Result<(), sqlx::Error> {
    let mut pause = POLL;
    loop {
        match PgConnection::connect_with(&connect_options(name, sockets, name.as_str())).await {
            Ok(connection) => return connection.close().await,
            Err(error) if code(&error) == Some("3D000".into()) => create_database(name, sockets).await?,
            Err(error) if starting_up(&error) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 5 / 4).min(LONGEST_POLL);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn create_database(name: &Name, sockets: &Path) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&connect_options(name, sockets, "postgres")).await?;
    let statement = format!("CREATE DATABASE \"{}\"", name.as_str());
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// No socket yet, or `cannot_connect_now` (57P03: recovery, or a shutdown that will exit).
fn starting_up(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_)) || code(error) == Some("57P03".into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_a_server_that_is_not_up_yet_is_waited_for() {
        let missing = sqlx::Error::Io(io::Error::from(io::ErrorKind::NotFound));
        assert!(starting_up(&missing));
        assert!(!starting_up(&sqlx::Error::PoolClosed));
    }
}
