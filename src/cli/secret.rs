//! `secret rotate`: a new signing secret, made by an operator.

use clap::Subcommand;
use serde_json::json;

use super::database::with_schema;
use super::output::Output;
use super::{CliError, rules};
use crate::changes::Mandate;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::crypto::signing_secret;
use crate::routes::org;
use crate::routes::public_keys::recipient::Recipient;
use crate::routes::signing_secrets::{self, NewSecret, RotateSigningSecret, Rotated};

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Replace an org's event-signing secret; the previous one signs along for the grace period
    Rotate {
        /// The org's key
        #[arg(long)]
        org: String,
        /// How long the previous secret signs along, in seconds: at most seven days
        #[arg(long, allow_negative_numbers = true)]
        grace_period_seconds: Option<i64>,
    },
}

pub async fn run(config: &Config, command: SecretCommand, output: Output) -> Result<(), CliError> {
    let SecretCommand::Rotate { org, grace_period_seconds } = command;
    let clock = Clock::system();
    let wanted: RotateSigningSecret =
        rules::judged(&json!({ "grace_period_seconds": grace_period_seconds }), clock.now())?;
    with_schema(config, async |opened| {
        let keyring = opened.keyring().await?;
        let org_id = org::by_key(&opened.db, &org).await?.id;
        let new = NewSecret::of(None);
        let made = signing_secret::encode(new.made().ok_or("no signing secret was made")?);
        let mandate = Mandate::operator(org_id, &keyring);
        let change = signing_secrets::rotation(&clock, &keyring, mandate, &new, wanted.rotation(), Recipient::Caller);
        change.execute_shown(&opened.db, move |plan| {
            let rotated = Rotated::of(plan)?;
            let end = rotated.previous_expires_at.map(rfc3339);
            let text = format!(
                "The new signing secret {}, shown only now: {}\nThe previous one signs along until {}.",
                rotated.id,
                made.expose(),
                end.as_deref().unwrap_or("(there was none)")
            );
            let object = json!({
                "secret_id": rotated.id, "new_signing_secret": made.expose(), "previous_secret_expires_at": end,
            });
            output.show(&object, text)
        })
        .await
    })
    .await
}
