//! The database: reached, asked about itself, and then about what is stored. Read in a transaction that cannot write.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::finding::Report;
use super::{server, stored};
use crate::cli::cluster;
use crate::cli::master::Master;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::reseal;
use crate::db::Db;
use crate::db::connect::connect;

const CHECK: &str = "database";
const MASTER: &str = "master key";
/// For the first connection; what listens answers sooner, and what does not is said by then.
const PATIENCE: Duration = Duration::from_secs(8);
/// For everything that is asked then.
const LOOKING: Duration = Duration::from_secs(10);
/// A command's pool: nothing runs side by side here.
const CONNECTIONS: u32 = 1;

/// Looks at the database, as far as it can be reached; gives the hosts that events go to.
pub async fn check(
    config: &Config,
    replicas: u32,
    is_known: impl Fn(&str) -> bool,
    clock: &Clock,
    report: &mut Report,
) -> Vec<String> {
    let Some(db) = reach(config, report).await else { return Vec::new() };
    let looked = timeout(LOOKING, async {
        let state = server::check(&db, config, replicas, clock, report).await?;
        let knows_master =
            ["MASTER_KEYS", "MASTER_KEYS_FILE", "MASTER_PASSPHRASE_FILE"].into_iter().all(is_known);
        if knows_master {
            master_key(config, &db, state.is_current, report).await;
        }
        if state.is_current { stored::check(&db, clock.now(), report).await } else { Ok(Vec::new()) }
    })
    .await;
    let advice = "look at its log and its load; pg_stat_activity shows what it waits for";
    let hosts = match looked {
        Ok(Ok(hosts)) => hosts,
        Ok(Err(error)) => {
            report.fail(CHECK, format!("it does not answer: {error}"), advice);
            Vec::new()
        }
        Err(_) => {
            report.fail(CHECK, format!("it does not answer within {} s", LOOKING.as_secs()), advice);
            Vec::new()
        }
    };
    let _ = timeout(Duration::from_secs(1), db.close()).await;
    hosts
}

/// Connects to the operator's database, or to the cluster of a running service; none is started.
async fn reach(config: &Config, report: &mut Report) -> Option<Db> {
    let Some(database) = &config.database else {
        let running = cluster::running(config);
        if running.is_none() {
            report.ok(CHECK, "the embedded Postgres does not run: `serve` and other commands start it");
        }
        return running.map(|options| Db::new(options, None, CONNECTIONS));
    };
    let mut direct = None;
    let mut pooled = None;
    let urls = [("DATABASE_URL", Some(&database.options)), ("DATABASE_DIRECT_URL", database.direct.as_ref())];
    for (variable, options) in urls {
        let Some(options) = options else { continue };
        let advice = format!("start it, or correct {variable}; the rest is looked at without it");
        match timeout(PATIENCE, connect(variable, options.clone())).await {
            Ok(Ok(checked)) if variable == "DATABASE_URL" => pooled = Some(checked.options),
            Ok(Ok(checked)) => direct = Some(checked.options),
            Ok(Err(error)) => report.fail(CHECK, error.to_string(), advice),
            Err(_) => {
                report.fail(CHECK, format!("{variable}: no answer in {} s", PATIENCE.as_secs()), advice)
            }
        }
    }
    let is_whole = database.direct.is_some() == direct.is_some();
    pooled.filter(|_| is_whole).map(|options| Db::new(options, direct, CONNECTIONS))
}

/// Whether the master key opens what is stored, and all of it is under the first one.
async fn master_key(config: &Config, db: &Db, is_current: bool, report: &mut Report) {
    let opened = match Master::existing(config) {
        Ok(master) => master.opened(db).await,
        Err(error) => Err(error),
    };
    let keys = match opened {
        Ok(Some(keys)) => keys,
        Ok(None) => return report.ok(MASTER, "configured; nothing is sealed yet"),
        Err(error) => {
            let advice =
                "put the key back that this database was made with (docs/incidents.md, the master key)";
            return report.fail(MASTER, error.to_string(), advice);
        }
    };
    if !is_current {
        return report.ok(MASTER, "it opens what is stored");
    }
    match reseal::count_lasting(&db.pool, &keys).await {
        Ok(0) => report.ok(MASTER, "it opens what is stored; everything is under the first one"),
        Ok(left) => report.warn(
            MASTER,
            format!("{left} values are still under an older one"),
            "run `partner-api reseal` before you leave the older one out",
        ),
        Err(error) => report.fail(MASTER, format!("what is sealed cannot be counted: {error}"), "try again"),
    }
}

/// How long something took.
pub struct Took(Instant);

impl Took {
    /// From now on.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// In milliseconds.
    pub fn millis(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
