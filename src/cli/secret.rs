//! `secret rotate`: a new signing secret, made by an operator.

use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::{CliError, database, master};
use crate::administration::{Scope, carry_out};
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::crypto::signing_secret;
use crate::routes::org;
use crate::routes::signing_secrets::{self, NewSecret};

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Replace an org's event-signing secret; the previous one signs along for the grace period
    Rotate {
        /// The org's key
        #[arg(long)]
        org: String,
        /// How long the previous secret signs along
        #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(i64).range(0..=604_800))]
        grace_period_seconds: i64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: &Config, command: SecretCommand) -> Result<(), CliError> {
    let SecretCommand::Rotate { org, grace_period_seconds, json } = command;
    let clock = Clock::system();
    database::with_schema(config, async |db| {
        let keyring = master::open_keyring(config, db).await?;
        let org_id = org::by_key(db, &org).await?.id;
        let scope = Scope::operator(org_id, &keyring);
        let grace = TimeDelta::seconds(grace_period_seconds);
        let new = NewSecret::of(None);
        let org_id = scope.org_id;
        let change = signing_secrets::rotation(&clock, &keyring, scope, &new, grace, true);
        let rotated = carry_out(db, org_id, change).await?;
        let made = signing_secret::encode(new.made().ok_or("no signing secret was made")?);
        let end = rotated.previous_expires_at.map(rfc3339);
        if json {
            let shown = json!({
                "secret_id": rotated.id, "new_signing_secret": made.expose(), "previous_secret_expires_at": end,
            });
            println!("{shown}");
        } else {
            println!("The new signing secret {}, shown only now: {}", rotated.id, made.expose());
            println!("The previous one signs along until {}.", end.as_deref().unwrap_or("(there was none)"));
        }
        Ok(())
    })
    .await
}
