//! `key list|create|rotate|revoke`: the manual rotation that the integration contact performs.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use super::{CliError, database, master};
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::ids::KeyId;
use crate::routes::org;
use crate::routes::tenant_keys::operator::Operator;
use crate::routes::tenant_keys::rules::Key;

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List an org's API keys, dead ones included
    List {
        /// The org's key
        #[arg(long)]
        org: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make an API key
    Create {
        /// The org's key
        #[arg(long)]
        org: String,
        /// Its name for people
        #[arg(long, default_value = "made by an operator")]
        name: String,
        /// When it ends (RFC 3339); by default never
        #[arg(long)]
        expires_at: Option<DateTime<Utc>>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Replace an API key; the old one lives on for the grace period
    Rotate {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The API key's id; may be left out if there is only one to rotate
        #[arg(long)]
        id: Option<Uuid>,
        /// How long the old key goes on working
        #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(i64).range(0..=604_800))]
        grace_period_seconds: i64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End an API key now
    Revoke {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The API key's id
        #[arg(long)]
        id: Uuid,
    },
}

impl KeyCommand {
    fn org(&self) -> &str {
        match self {
            Self::List { org, .. }
            | Self::Create { org, .. }
            | Self::Rotate { org, .. }
            | Self::Revoke { org, .. } => org,
        }
    }
}

pub async fn run(config: &Config, command: KeyCommand) -> Result<(), CliError> {
    let clock = Clock::system();
    database::with_schema(config, async |db| {
        let keyring = master::open_keyring(config, db).await?;
        let org = org::by_key(db, command.org()).await?;
        let operator =
            Operator { db, clock: &clock, keyring: &keyring, key_env: config.key_env, org_id: org.id };
        perform(&operator, command).await
    })
    .await
}

async fn perform(operator: &Operator<'_>, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::List { json, .. } => print_keys(&operator.list().await?, json),
        KeyCommand::Create { name, expires_at, json, .. } => {
            let (key, secret) = operator.create(&name, expires_at).await?;
            if json {
                println!("{}", json!({ "key_id": key.id, "tenant_api_key": secret.expose() }));
            } else {
                println!("Made the key {}, shown only now: {}", key.id, secret.expose());
            }
        }
        KeyCommand::Rotate { id, grace_period_seconds, json, .. } => {
            let grace = TimeDelta::seconds(grace_period_seconds);
            let (old, new, secret) = operator.rotate(id.map(KeyId), grace).await?;
            let end = old.expires_at.map(rfc3339).unwrap_or_default();
            if json {
                let ids = json!({
                    "new_tenant_api_key": secret.expose(), "key_id": new.id,
                    "previous_key_id": old.id, "previous_key_expires_at": end,
                });
                println!("{ids}");
            } else {
                println!(
                    "The key {} ends {end}. Its successor {}, shown only now: {}",
                    old.id,
                    new.id,
                    secret.expose()
                );
            }
        }
        KeyCommand::Revoke { id, .. } => {
            operator.revoke(KeyId(id)).await?;
            eprintln!("Revoked {id}.");
        }
    }
    Ok(())
}

fn print_keys(keys: &[Key], json: bool) {
    if json {
        println!("{}", json!({ "keys": keys }));
        return;
    }
    for key in keys {
        let end = key.revoked_at.or(key.expires_at).map_or_else(|| "no end".to_owned(), rfc3339);
        println!("{}  {}  {end}  {}", key.id, key.prefix, key.name);
    }
}
