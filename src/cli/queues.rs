//! `org queues`: an org's event queues, for when the partner's own administration is out of hand.

use clap::Args;
use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::routes::org;
use crate::routes::queues::operator::{self, Step};

#[derive(Debug, Args)]
pub struct QueuesCommand {
    /// The org's key
    #[arg(long)]
    key: String,
    #[command(flatten)]
    step: StepArgs,
}

/// At most one of them.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct StepArgs {
    /// Remove the queue of this stream: later events wait for the next one
    #[arg(long, value_name = "STREAM")]
    remove: Option<String>,
    /// Let the queue of this stream stand still: its events wait
    #[arg(long, value_name = "STREAM")]
    pause: Option<String>,
    /// Send events to a paused queue again
    #[arg(long, value_name = "STREAM")]
    resume: Option<String>,
}

impl StepArgs {
    /// The step, the stream, and what was done then.
    fn chosen(self) -> Option<(Step, String, &'static str)> {
        let remove = self.remove.map(|stream| (Step::Remove, stream, "removed"));
        let pause = self.pause.map(|stream| (Step::Pause, stream, "paused"));
        remove.or(pause).or(self.resume.map(|stream| (Step::Resume, stream, "resumed")))
    }
}

pub async fn run(config: &Config, command: QueuesCommand, output: Output) -> Result<(), CliError> {
    let QueuesCommand { key, step } = command;
    with_schema(config, async |opened| {
        let org_id = org::by_key(&opened.db, &key).await?.id;
        if let Some((step, stream, done)) = step.chosen() {
            let keyring = opened.keyring().await?;
            operator::take(&opened.db, &Clock::system(), &keyring, org_id, (step, &stream)).await?;
            return output.done(&json!({ done: stream }), format!("The queue {stream} is {done}."));
        }
        let queues = operator::list(&opened.db, &Clock::system(), org_id).await?;
        output.list(&json!({ "queues": queues }), &queues)
    })
    .await
}
