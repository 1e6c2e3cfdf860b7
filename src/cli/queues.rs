//! `org queues`: an org's event queues, for when the partner's own administration is out of hand.

use clap::Args;
use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::routes::org;
use crate::routes::queues::operator;

#[derive(Debug, Args)]
pub struct QueuesCommand {
    /// The org's key
    #[arg(long)]
    key: String,
    /// Remove the queue of this stream: later events wait for the next one
    #[arg(long, value_name = "STREAM")]
    remove: Option<String>,
}

pub async fn run(config: &Config, command: QueuesCommand, output: Output) -> Result<(), CliError> {
    let QueuesCommand { key, remove } = command;
    with_schema(config, async |opened| {
        let org_id = org::by_key(&opened.db, &key).await?.id;
        if let Some(stream) = remove {
            let keyring = opened.keyring().await?;
            operator::remove(&opened.db, &Clock::system(), &keyring, org_id, &stream).await?;
            return output.done(
                &json!({ "removed": stream }),
                format!("Removed the queue {stream}; its events wait for the next one."),
            );
        }
        let queues = operator::list(&opened.db, org_id).await?;
        output.list(&json!({ "queues": queues }), &queues)
    })
    .await
}
