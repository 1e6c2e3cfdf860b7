//! The command line (contract 11). `--json` prints exactly one JSON object on standard output;
//! everything else goes to standard error.

mod audit;
mod cluster;
mod database;
mod demo;
mod distribute;
mod doctor;
mod event;
mod healthcheck;
mod key;
pub mod keys;
mod leak;
mod manual;
mod master;
mod networks;
mod org;
mod output;
mod platform;
mod queues;
mod report;
pub mod reseal;
mod rules;
mod secret;
mod serve;
mod token;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use self::output::Output;
use crate::config::{Config, dotenv};

/// Users, API keys, signing secrets and public keys for partners.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print one JSON object on standard output, and everything else on standard error
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the default)
    Serve,
    /// Bring the database's schema up to date
    Migrate,
    /// Spread the tables over the nodes of a Citus cluster, each org on one worker, and say where each is; without the
    /// extension it changes nothing. Stop the service first
    Distribute,
    /// Manage orgs, the tenants
    #[command(subcommand)]
    Org(org::OrgCommand),
    /// Manage an org's API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The service's own keys: renew them all, when database and master key were stolen together
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Manage an org's event-signing secret
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Report keys that were found where others can read them
    #[command(subcommand)]
    Leak(leak::LeakCommand),
    /// Manage the tokens of the platform's own services, for the internal listener
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Look at an org's events, and send them again
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Ask for an org's reports, and hand them over
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Show what would have to change for orgs, streams and queues to be as a file says; exits 0 where nothing would, 2
    /// where something would
    Plan(platform::PlanArguments),
    /// Make orgs, streams and queues what a file says
    Apply(platform::ApplyArguments),
    /// Check the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check an event's envelope from standard input with the secret in SIGNING_SECRET, or with the service's keys
    VerifyEvent(event::PublicKeys),
    /// Seal everything under the first master key again
    Reseal {
        /// Only count what is still under another one; exits 1 if there is any
        #[arg(long)]
        check: bool,
    },
    /// Print the OpenAPI document
    Openapi {
        /// That of the platform's own side, the internal listener's
        #[arg(long)]
        internal: bool,
    },
    /// Print the page of all errors, as Markdown
    Errors,
    /// Print what completes this command line in a shell
    Completions {
        /// bash, zsh or fish
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    Man(manual::ManArguments),
    /// Ask a running service whether it is ready; for container health checks
    Healthcheck,
    /// Look for what is wrong with configuration, database, clock, keys and the way to and from here, and say what to
    /// do; changes nothing. Exits 0, 1 (warnings, with --strict) or 2 (something does not work)
    Doctor(doctor::DoctorArguments),
}

/// Any failure of a command; printed once, on standard error.
type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let (command, output) = (cli.command.unwrap_or(Command::Serve), Output { json: cli.json });
    let settings = dotenv::load();
    if let Command::Doctor(arguments) = &command {
        return doctor::run(arguments, settings, output).unwrap_or_else(|error| fail(&error.to_string()));
    }
    if let Err(problem) = settings {
        return fail(&problem);
    }
    if cli.json && matches!(command, Command::Serve) {
        let message = "serve prints a log and no object: for lines of JSON set LOG_FORMAT=json";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    match dispatch(command, output) {
        Ok(code) => code,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    output::note(format!("partner-api: {message}"));
    ExitCode::FAILURE
}

/// Commands that need no configuration; `None` for the others.
fn answered(command: &Command, output: Output) -> Option<Result<(), CliError>> {
    Some(match command {
        Command::Openapi { internal } => {
            let document = if *internal { crate::app::internal_document() } else { crate::app::document() };
            output::whole(&crate::openapi::to_json(&document))
        }
        Command::Errors => output::whole(&crate::routes::errors::markdown()),
        Command::Completions { shell } => {
            manual::completions(*shell, Cli::command()).and_then(|script| output::whole(&script))
        }
        Command::Man(arguments) => manual::print(arguments, Cli::command(), output),
        Command::VerifyEvent(keys) => event::verify(keys, output),
        _ => return None,
    })
}

fn dispatch(command: Command, output: Output) -> Result<ExitCode, CliError> {
    if let Some(outcome) = answered(&command, output) {
        return outcome.map(|()| ExitCode::SUCCESS);
    }
    let config = Config::from_env()?;
    if let Command::Healthcheck = command {
        return healthcheck::run(config.internal_listen_addr, output).map(|()| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(config).await,
            Command::Migrate => database::migrate(&config, output).await,
            Command::Distribute => distribute::run(&config, output).await,
            Command::Org(command) => org::run(&config, command, output).await,
            Command::Key(command) => key::run(&config, command, output).await,
            Command::Keys(command) => keys::run(&config, command, output).await,
            Command::Secret(command) => secret::run(&config, command, output).await,
            Command::Leak(command) => leak::run(&config, command, output).await,
            Command::Token(command) => token::run(&config, command, output).await,
            Command::Event(command) => event::run(&config, command, output).await,
            Command::Report(command) => report::run(&config, command, output).await,
            Command::Plan(arguments) => return platform::plan(&config, &arguments, output).await,
            Command::Apply(arguments) => return platform::apply(&config, &arguments, output).await,
            Command::Audit(command) => audit::run(&config, command, output).await,
            Command::Reseal { check } => reseal::run(&config, check, output).await,
            // Answered before, without a runtime.
            Command::Openapi { .. }
            | Command::Errors
            | Command::Completions { .. }
            | Command::Man(_)
            | Command::Healthcheck
            | Command::Doctor(_)
            | Command::VerifyEvent(_) => Ok(()),
        }
        .map(|()| ExitCode::SUCCESS)
    })
}
