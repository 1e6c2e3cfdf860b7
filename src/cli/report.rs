//! `report make|list|export`: an org's reports, for when an operator has to ask for one or hand it over. They are
//! encrypted to the partner's key like all others: an operator who exports one cannot read it.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use clap::Subcommand;
use futures_util::TryStreamExt as _;
use serde_json::json;
use uuid::Uuid;

use super::database::{OpenedDatabase, with_schema};
use super::output::Output;
use super::{CliError, rules};
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Code;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::{OrgId, parse_uuid};
use crate::routes::org;
use crate::routes::reports::content::Content;
use crate::routes::reports::input::CreateReport;
use crate::routes::reports::reply::Report;
use crate::routes::reports::{request, store};
use crate::state::App;
use crate::telemetry::AccessLog;

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Ask for a report; a running service makes it, encrypted to the org's own key
    Make {
        /// The org's key
        #[arg(long)]
        org: String,
        /// users, audit_log, events or credentials
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        /// ndjson (the default) or csv
        #[arg(long)]
        format: Option<String>,
        /// Only what was created from here on (RFC 3339)
        #[arg(long)]
        from: Option<String>,
        /// Only what was created before here (RFC 3339)
        #[arg(long)]
        to: Option<String>,
    },
    /// List an org's reports, and how far they are
    List {
        /// The org's key
        #[arg(long)]
        org: String,
        /// How many to skip
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        offset: i64,
    },
    /// Write a report's content, encrypted as it is kept, to a file or to standard output
    Export {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The report's id
        #[arg(long)]
        id: String,
        /// A file that is not there yet
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub async fn run(config: &Config, command: ReportCommand, output: Output) -> Result<(), CliError> {
    match command {
        ReportCommand::Make { org, kind, format, from, to } => {
            let arguments = json!({ "type": kind, "format": format, "from": from, "to": to });
            // Judged before a database is touched.
            let wanted = rules::judged::<CreateReport>(&arguments, Clock::system().now())?;
            with_schema(config, async |opened| {
                make(&service(config, opened).await?, &org, wanted, output).await
            })
            .await
        }
        ReportCommand::List { org, offset } => {
            with_schema(config, async |opened| {
                let org_id = org::by_key(&opened.db, &org).await?.id;
                list(opened, org_id, Page::at(offset, 100), output).await
            })
            .await
        }
        ReportCommand::Export { org, id, out } => {
            let id = parse_uuid(&id).ok_or("--id must be a UUID, written 8-4-4-4-12")?;
            if out.is_none() && (output.json || io::stdout().is_terminal()) {
                return Err("a report's content is no text: name a file with --out".into());
            }
            with_schema(config, async |opened| {
                let app = service(config, opened).await?;
                let org_id = org::by_key(&app.db, &org).await?.id;
                export(&app, org_id, id, out.as_deref(), output).await
            })
            .await
        }
    }
}

/// The service's own rooms, over the database that the command opened.
async fn service(config: &Config, opened: &OpenedDatabase) -> Result<App, CliError> {
    let keyring = opened.keyring().await?;
    Ok(App::new(config.clone(), Clock::system(), opened.db.clone(), keyring, AccessLog::off()))
}

async fn make(app: &App, org: &str, wanted: CreateReport, output: Output) -> Result<(), CliError> {
    let org_id = org::by_key(&app.db, org).await?.id;
    let (change, requested) = request(app, Mandate::operator(org_id, &app.keyring), wanted).await?;
    change.execute(&app.db).await?;
    let requested = requested.ok_or_else(|| Code::NoReportKey.default_message())?;
    let text = format!("A running service makes the report {}.", requested.report_id);
    output.done(&requested, text)
}

async fn list(opened: &OpenedDatabase, org_id: OrgId, page: Page, output: Output) -> Result<(), CliError> {
    let (rows, mut total) = store::list(&opened.db.pool, org_id, page).await?;
    if total > EXACT_UP_TO {
        total = store::count(&opened.db.pool, org_id).await?;
    }
    let now = Clock::system().now();
    let reports = rows.into_iter().map(|row| Report::of(row, now)).collect::<Result<Vec<_>, _>>()?;
    let object = json!({ "reports": reports, "total": total });
    output.list(&object, reports.iter().map(Report::described))
}

async fn export(
    app: &App,
    org_id: OrgId,
    id: Uuid,
    out: Option<&Path>,
    output: Output,
) -> Result<(), CliError> {
    let content = Content::find(app, org_id, id).await?;
    let (name, length) = (content.file_name().to_owned(), content.length());
    let mut file: Box<dyn Write + Send> = match out {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            Box::new(file.map_err(|error| format!("--out: {}: {error}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut chunks = pin!(content.chunks(app.clone(), 0, length));
    while let Some(chunk) = chunks.try_next().await? {
        file.write_all(&chunk)?;
    }
    file.flush()?;
    match out {
        Some(path) => output.done(
            &json!({ "report_id": id, "bytes": length, "file_name": name }),
            format!("Wrote {length} octets to {}; the partner knows it as {name}.", path.display()),
        ),
        None => Ok(()),
    }
}
