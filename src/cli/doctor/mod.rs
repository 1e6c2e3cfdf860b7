//! `doctor`: looks for what is wrong with configuration, database, clock, keys, listeners and the way to and from here,
//! and says what to do about it. It changes nothing, and needs nothing to work: what cannot be asked is said, and the
//! rest is looked at all the same.

mod database;
mod finding;
mod host;
mod reach;
mod server;
mod settings;
mod stored;

use std::process::ExitCode;

use clap::Args;

use self::finding::Report;
use super::CliError;
use super::output::Output;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Exit 1 if there are warnings
    #[arg(long)]
    strict: bool,
    /// How many replicas share the database's connections
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    replicas: u32,
}

/// Runs `doctor`; `dotenv` is what became of reading `.env`.
///
/// # Errors
/// When standard output does not take the result.
pub fn run(
    arguments: &DoctorArguments,
    dotenv: Result<(), String>,
    output: Output,
) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(examine(arguments, dotenv));
    // A look-up that hangs in the system's resolver must not be waited for.
    runtime.shutdown_background();
    report.print(output)?;
    Ok(report.exit_code(arguments.strict))
}

async fn examine(arguments: &DoctorArguments, dotenv: Result<(), String>) -> Report {
    let mut report = Report::default();
    if let Err(problem) = dotenv {
        report.fail("configuration", problem, "mend or remove .env in the working directory: it is not read");
    }
    let Some((config, wrong)) = read(&mut report) else { return report };
    let is_known = |name: &str| !wrong.contains(&name);
    settings::check(&config, is_known, &mut report);
    host::listeners(&config, &mut report).await;
    if config.database.is_none() && is_known("DATABASE_URL") {
        host::data_dir(&config, &mut report);
    }
    let mut hosts = Vec::new();
    if is_known("DATABASE_URL") && is_known("DATABASE_DIRECT_URL") {
        hosts = database::check(&config, arguments.replicas, is_known, &Clock::system(), &mut report).await;
    }
    if is_known("PUBLIC_URL") {
        reach::inbound(&config, &mut report).await;
    }
    reach::outbound(&config, hosts, &mut report).await;
    report
}

/// The configuration, without the variables that are wrong, which are reported one by one.
fn read(report: &mut Report) -> Option<(Config, Vec<&'static str>)> {
    let mut wrong: Vec<&'static str> = Vec::new();
    loop {
        match Config::read(|name| std::env::var(name).ok().filter(|_| !wrong.contains(&name))) {
            Ok(config) => {
                if wrong.is_empty() {
                    report.ok("configuration", "every variable can be read");
                }
                return Some((config, wrong));
            }
            Err(error) => {
                let name = error.variable();
                report.fail("configuration", error.to_string(), advice(&error));
                if wrong.contains(&name) {
                    return None;
                }
                wrong.push(name);
                wrong.extend(goes_with(name));
            }
        }
    }
}

fn advice(error: &ConfigError) -> String {
    format!("correct {} or leave it out; README.md lists what it may be", error.variable())
}

/// What is wrong without the variable, though nobody wrote it wrong.
fn goes_with(name: &str) -> &'static [&'static str] {
    match name {
        "DATABASE_URL" => &["DATABASE_DIRECT_URL"],
        "AWS_ACCESS_KEY_ID" => &["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
        _ => &[],
    }
}
