//! The command line (contract 11). `--json` prints exactly one JSON object on standard output;
//! everything else goes to standard error.

mod audit;
mod database;
mod demo;
mod event;
mod healthcheck;
mod key;
mod master;
mod org;
pub mod reseal;
mod secret;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// Users, API keys, signing secrets and public keys for partners.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the default)
    Serve,
    /// Bring the database's schema up to date
    Migrate,
    /// Manage orgs, the tenants
    #[command(subcommand)]
    Org(org::OrgCommand),
    /// Manage an org's API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage an org's event-signing secret
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Look at an org's events, and send them again
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Check the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check an event's envelope from standard input with the secret in SIGNING_SECRET
    VerifyEvent,
    /// Seal everything under the first master key again
    Reseal {
        /// Only count what is still under another one; exits 1 if there is any
        #[arg(long)]
        check: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document
    Openapi,
    /// Ask a running service whether it is ready; for container health checks
    Healthcheck,
}

/// Any failure of a command; printed once, on standard error.
type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // A missing file is the normal case; a broken one must not be half believed.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return fail(&format!(".env: {}", redacted(&error)));
    }
    match dispatch(cli.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// dotenvy's parse errors quote the line, which may hold a secret.
fn redacted(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(..) => "a line is not NAME=value (quote values with spaces)".to_owned(),
        other => other.to_string(),
    }
}

/// Writes a long text; a reader that has seen enough, such as `head`, is no failure.
fn print_whole(text: &str) -> Result<(), CliError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("partner-api: {message}");
    ExitCode::FAILURE
}

fn dispatch(command: Command) -> Result<(), CliError> {
    if let Command::Openapi = command {
        return print_whole(&crate::openapi::to_json(&crate::app::document()));
    }
    if let Command::VerifyEvent = command {
        return event::verify();
    }
    let config = Config::from_env()?;
    if let Command::Healthcheck = command {
        return healthcheck::run(config.internal_listen_addr);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(config).await,
            Command::Migrate => database::migrate(&config).await,
            Command::Org(command) => org::run(&config, command).await,
            Command::Key(command) => key::run(&config, command).await,
            Command::Secret(command) => secret::run(&config, command).await,
            Command::Event(command) => event::run(&config, command).await,
            Command::Audit(command) => audit::run(&config, command).await,
            Command::Reseal { check, json } => reseal::run(&config, check, json).await,
            // Answered above, without a runtime.
            Command::Openapi | Command::Healthcheck | Command::VerifyEvent => Ok(()),
        }
    })
}
