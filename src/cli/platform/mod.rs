//! `plan` and `apply`: orgs, streams and queues as a file says they should be (contract 15). What the file does not name
//! is left alone, and it holds no secrets.

mod apply;
mod confirm;
mod file;
mod observed;
mod references;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use self::file::PlatformFile;
use self::steps::Step;
use super::CliError;
use super::database::{OpenedDatabase, with_schema};
use super::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::state::App;
use crate::telemetry::AccessLog;

/// What differs, or waits for somebody else.
const DRIFT: u8 = 2;

#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The file, in YAML or JSON; - for standard input
    #[arg(long, short, value_name = "FILE")]
    file: String,
    /// Also delete what the file does not name: orgs, and queues of orgs whose queues it names
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// With --prune: an org that may be deleted with everything it has; may be repeated. On a terminal its key is asked
    /// for
    #[arg(long, value_name = "KEY", requires = "prune")]
    delete_org: Vec<String>,
    /// Write the first API key and signing secret of new orgs into this directory, a file each for its owner alone, in
    /// place of making a link that shows them once
    #[arg(long, value_name = "DIRECTORY")]
    secrets_to: Option<PathBuf>,
}

/// Runs `plan`: exits 0 where there is nothing to do, 2 where there is.
///
/// # Errors
/// What is wrong with the file, or stood in the way.
pub async fn plan(config: &Config, arguments: &PlanArguments, output: Output) -> Result<ExitCode, CliError> {
    let file = file::read(&arguments.file)?;
    with_schema(config, async |opened| {
        let app = app(config, opened).await?;
        let steps = steps_of(&app, &file, arguments.prune).await?;
        let shown: Vec<_> = steps.iter().map(Step::to_json).collect();
        let lines = steps.iter().map(ToString::to_string).chain([summary(&steps)]);
        output.list(&json!({ "changes": shown, "drift": !steps.is_empty() }), lines)?;
        Ok(if steps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DRIFT) })
    })
    .await
}

/// Runs `apply`: exits 0 where everything is as the file says, 2 where something waits for a claim to be opened.
///
/// # Errors
/// As [`plan`]; what a step was refused for. Steps before it stay done.
pub async fn apply(
    config: &Config,
    arguments: &ApplyArguments,
    output: Output,
) -> Result<ExitCode, CliError> {
    let file = file::read(&arguments.plan.file)?;
    with_schema(config, async |opened| {
        let app = app(config, opened).await?;
        let steps = steps_of(&app, &file, arguments.plan.prune).await?;
        if !output.json {
            steps.iter().for_each(super::output::note);
            super::output::note(summary(&steps));
        }
        confirm::changes(&steps, arguments.yes)?;
        confirm::deletions(&steps, &arguments.delete_org)?;
        let applied = apply::all(&app, steps, arguments.secrets_to.as_deref(), output).await?;
        applied.print()?;
        match applied.problem {
            Some(problem) => Err(problem.into()),
            None if applied.left.is_empty() => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::from(DRIFT)),
        }
    })
    .await
}

/// The service's means, without its listeners.
async fn app(config: &Config, opened: &OpenedDatabase) -> Result<App, CliError> {
    let keyring = opened.keyring().await?;
    Ok(App::new(config.clone(), Clock::system(), opened.db.clone(), keyring, AccessLog::off()))
}

async fn steps_of(app: &App, file: &PlatformFile, prune: bool) -> Result<Vec<Step>, CliError> {
    // Judged whole before anything is looked up.
    let wanted = file.judged(app.clock.now())?;
    let mut steps = observed::streams(app, &wanted.streams).await?;
    steps.extend(observed::orgs(app, &wanted, prune).await?);
    Ok(steps)
}

fn summary(steps: &[Step]) -> String {
    match steps.len() {
        0 => "Nothing to do.".to_owned(),
        1 => "1 change.".to_owned(),
        more => format!("{more} changes."),
    }
}
