//! `keys renew|status|retire`: the service's own keys, made anew while it runs. For when database
//! and master key were stolen together: whoever has both can write member tokens and audit rows
//! until the keys that make them are others (docs/operations.md).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::Output;
use crate::background::service_keys::LOOK_INTERVAL;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::crypto::access_token::TokenKey;
use crate::crypto::event_key::EventKey;
use crate::crypto::keyring::{FAMILIES, Keyring, add};
use crate::db::Db;
use crate::db::announcements;
use crate::db::news::SERVICE_KEYS;
use crate::ids::{KeyId, OrgId};
use crate::key_calendar::CalendarKey;
use crate::routes::org::store::not_handed_over;
use crate::routes::org::{self, OrgChange};

/// By then every replica uses the renewed keys, whether it heard the announcement or looked.
const SETTLE: Duration = Duration::from_secs(2 * LOOK_INTERVAL.as_secs() + 1);
/// Orgs a statement reads, and keys that `status` names.
const BATCH: i64 = 100;
/// Replies to retries are kept for a day; their keys are needed as long.
const RETRIES_KEPT: TimeDelta = TimeDelta::hours(24);

/// What to do with the service's own keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make all of the service's keys anew; member tokens end at once, API keys go on working
    Renew,
    /// What still depends on keys from before a renewal
    Status,
    /// Forget replaced keys that nothing depends on any more
    Retire,
}

/// Runs `keys`.
///
/// # Errors
/// What stood in the way.
pub async fn run(config: &Config, command: KeysCommand, output: Output) -> Result<(), CliError> {
    let clock = Clock::system();
    with_schema(config, async |opened| {
        let (db, keyring) = (&opened.db, opened.keyring().await?);
        match command {
            KeysCommand::Renew => {
                let renewed = renew(db, &clock, &keyring, SETTLE).await?;
                output.done(&renewed, renewed.summary())
            }
            KeysCommand::Status => {
                let status = status(db, &keyring, clock.now()).await?;
                output.list(&status, status.summary())
            }
            KeysCommand::Retire => {
                let forgotten = retire(db, &keyring, clock.now()).await?;
                output.done(&json!({ "forgotten": forgotten }), format!("Forgot {forgotten} replaced keys."))
            }
        }
    })
    .await
}

/// The result of a renewal.
#[derive(Debug, Serialize)]
pub struct Renewed {
    /// The number of the newest keys; 0 is the first ones.
    pub generation: i16,
    /// Orgs whose audit log goes on with the renewed key.
    pub handed_over: u64,
}

/// Makes all keys anew, and hands every audit log over. One that was interrupted is finished first,
/// and not begun again.
///
/// # Errors
/// When the database cannot be asked, or another renewal runs.
pub async fn renew(db: &Db, clock: &Clock, keyring: &Keyring, settle: Duration) -> Result<Renewed, CliError> {
    let (newest, _) = keyring.pepper();
    let is_unfinished = !not_handed_over(&db.pool, newest.number, 1).await?.is_empty();
    if !is_unfinished {
        make(db, keyring, newest.number + 1, clock.now()).await?;
        keyring.reload(&db.pool).await?;
        // A replica that had not heard yet would have its changes refused.
        tokio::time::sleep(settle).await;
    }
    let generation = keyring.audit().number();
    let mut handed_over = 0;
    loop {
        let orgs = not_handed_over(&db.pool, generation, BATCH).await?;
        if orgs.is_empty() {
            return Ok(Renewed { generation, handed_over });
        }
        for key in orgs {
            match org::operate(db, clock, keyring, &key, OrgChange::HandOver(generation)).await {
                Ok(()) => handed_over += 1,
                // Deleted meanwhile.
                Err(org::OrgError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Adds a generation to every key and ends those of member tokens and of events, which are made again when
/// one is asked for; all of it or nothing.
async fn make(db: &Db, keyring: &Keyring, number: i16, now: DateTime<Utc>) -> Result<(), CliError> {
    let master = keyring.master.clone();
    db.transaction(async move |mut tx| {
        for family in FAMILIES {
            add(&mut *tx, &master, family, number, now).await?;
        }
        for prefix in [TokenKey::PREFIX, EventKey::PREFIX] {
            sqlx::query!("DELETE FROM service_keys WHERE starts_with(name, $1)", prefix)
                .execute(&mut *tx)
                .await?;
        }
        announce(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    })
    .await
}

async fn announce(db: impl sqlx::PgExecutor<'_>) -> Result<(), sqlx::Error> {
    announcements::announce(db, SERVICE_KEYS).await
}

/// The dependents of replaced keys.
#[derive(Debug, Serialize)]
pub struct RenewalStatus {
    /// The number of the newest keys; 0 is the first ones.
    pub generation: i16,
    /// The time when they were made, unless they are the first.
    pub renewed_at: Option<DateTime<Utc>>,
    /// Replaced peppers that are kept for look-ups.
    pub older_peppers: usize,
    /// Live API keys that were not used since the renewal.
    pub waiting: i64,
    /// Some of them.
    pub waiting_keys: Vec<UnusedKey>,
    /// Platform tokens that were not used since the renewal, and claims from before that can still be opened.
    pub waiting_tokens: i64,
}

/// A live API key under a replaced pepper.
#[derive(Debug, Serialize)]
pub struct UnusedKey {
    org_id: OrgId,
    org: String,
    key_id: KeyId,
    last_used_at: Option<DateTime<Utc>>,
}

/// Looks what depends on replaced keys.
///
/// # Errors
/// When the database cannot be asked.
pub async fn status(db: &Db, keyring: &Keyring, now: DateTime<Utc>) -> Result<RenewalStatus, CliError> {
    let (newest, older_peppers) = keyring.pepper();
    let waiting = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM tenant_keys
           WHERE pepper < $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"#,
        newest.number,
        now,
    )
    .fetch_one(&db.pool)
    .await?;
    let waiting_keys = sqlx::query_as!(
        UnusedKey,
        r#"SELECT k.org_id AS "org_id: OrgId", o.key AS org, k.id AS "key_id: KeyId", k.last_used_at
           FROM tenant_keys k JOIN orgs o ON o.id = k.org_id
           WHERE k.pepper < $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
           ORDER BY k.org_id, k.id LIMIT $3"#,
        newest.number,
        now,
        BATCH,
    )
    .fetch_all(&db.pool)
    .await?;
    let waiting_tokens = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM platform_tokens WHERE pepper < $1 AND revoked_at IS NULL)
                + (SELECT count(*) FROM claims WHERE opened_at IS NULL AND expires_at > $2 AND created_at < $3)
                  AS "count!""#,
        newest.number,
        now,
        newest.since,
    )
    .fetch_one(&db.pool)
    .await?;
    let (generation, renewed_at) = (newest.number, newest.since);
    Ok(RenewalStatus { generation, renewed_at, older_peppers, waiting, waiting_keys, waiting_tokens })
}

/// Forgets replaced peppers and keys of retries. Those of the audit log and of secrets' fingerprints
/// stay: what they made can be recognised by nothing else. Gives how many were forgotten.
///
/// # Errors
/// While something depends on them, or the database cannot be asked.
pub async fn retire(db: &Db, keyring: &Keyring, now: DateTime<Utc>) -> Result<u64, CliError> {
    let status = status(db, keyring, now).await?;
    if status.waiting > 0 {
        let waiting = status.waiting;
        return Err(format!(
            "{waiting} live API keys were not used since the renewal and would end: `keys status` names them. Wait, \
             or have them rotated or revoked"
        )
        .into());
    }
    if status.waiting_tokens > 0 {
        let waiting = status.waiting_tokens;
        return Err(format!(
            "{waiting} platform tokens or claims are from before the renewal and would end: use or revoke the tokens \
             that `token list` shows; claims end by themselves within three days"
        )
        .into());
    }
    if let Some(at) = status.renewed_at.filter(|at| now - *at < RETRIES_KEPT) {
        let at = rfc3339(at + RETRIES_KEPT);
        return Err(format!("retries of requests from before the renewal may come until {at}").into());
    }
    let forgotten = sqlx::query!(
        "DELETE FROM service_keys
         WHERE regexp_replace(name, '_[0-9]{6}$', '') IN ('tenant_key_pepper', 'idempotency_mac')
             AND coalesce(substring(name FROM '_([0-9]{6})$'), '0')::smallint < $1",
        status.generation,
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    announce(&db.pool).await?;
    Ok(forgotten)
}

impl Renewed {
    fn summary(&self) -> String {
        let Self { generation, handed_over } = self;
        format!(
            "The service's keys are of generation {generation}. Member tokens from before have ended; {handed_over} \
             audit logs go on with the renewed key. API keys move to the renewed pepper when they are used: see \
             `keys status`."
        )
    }
}

impl RenewalStatus {
    fn summary(&self) -> Vec<String> {
        let since = self
            .renewed_at
            .map_or_else(|| "never renewed".to_owned(), |at| format!("renewed {}", rfc3339(at)));
        let sum = format!(
            "Generation {} ({since}); {} older peppers are kept; {} live API keys were not used since, nor \
             {} platform tokens and claims.",
            self.generation, self.older_peppers, self.waiting, self.waiting_tokens
        );
        let waiting = self.waiting_keys.iter().map(|UnusedKey { org, key_id, last_used_at, .. }| {
            let last = last_used_at.map_or_else(|| "never".to_owned(), rfc3339);
            format!("{key_id}  {org}  last used {last}")
        });
        [sum].into_iter().chain(waiting).collect()
    }
}
