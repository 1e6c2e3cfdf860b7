//! `event list|replay`, and `verify-event`.

mod received_headers;

use std::io::Read as _;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::database::{OpenedDatabase, with_schema};
use super::output::{Output, note};
use super::{CliError, rules};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::signing_secret;
use crate::events::envelope::SignedHeaders;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;
use crate::routes::events::ReplayEvents;
use crate::routes::events::store::{self, Filter};
use crate::routes::org;
use crate::streams;

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// List an org's events and their delivery
    List {
        /// The org's key
        #[arg(long)]
        org: String,
        /// How many to skip
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        offset: i64,
    },
    /// Send events again
    Replay {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The events' ids
        #[arg(required = true)]
        event_ids: Vec<String>,
    },
}

pub async fn run(config: &Config, command: EventCommand, output: Output) -> Result<(), CliError> {
    match command {
        EventCommand::List { org, offset } => {
            with_schema(config, async |opened| {
                list(opened, org_of(opened, &org).await?, offset, output).await
            })
            .await
        }
        EventCommand::Replay { org, event_ids } => {
            let now = Clock::system().now();
            // Judged before a database is touched.
            let wanted = rules::judged::<ReplayEvents>(&json!({ "event_ids": event_ids }), now)?;
            let ReplayEvents::Ids(ids) = wanted else { return Err("no events are named".into()) };
            with_schema(config, async |opened| {
                let replayed = store::replay(&opened.db.pool, org_of(opened, &org).await?, &ids, now).await?;
                output
                    .done(&json!({ "replayed": replayed }), format!("{replayed} events will be sent again."))
            })
            .await
        }
    }
}

async fn org_of(opened: &OpenedDatabase, key: &str) -> Result<OrgId, CliError> {
    Ok(org::by_key(&opened.db, key).await?.id)
}

async fn list(opened: &OpenedDatabase, org_id: OrgId, offset: i64, output: Output) -> Result<(), CliError> {
    let page = Page::at(offset, 100);
    let filter = Filter { streams: streams::store::names(&opened.db.pool).await?, status: None };
    let (events, mut total) = store::list(&opened.db.pool, org_id, &filter, page).await?;
    if total > EXACT_UP_TO {
        total = store::count(&opened.db.pool, org_id, &filter).await?;
    }
    let lines = events.iter().map(|event| {
        let error = event.last_error.as_deref().unwrap_or_default();
        format!(
            "{}  {:9}  {}  {} attempts  {error}",
            event.event_id, event.status, event.kind, event.attempts
        )
    });
    output.list(&json!({ "events": events, "total": total }), lines)
}

/// The parts of an envelope that are verified.
#[derive(Deserialize)]
struct Received {
    #[serde(deserialize_with = "received_headers::read")]
    headers: SignedHeaders,
    body: String,
}

/// Checks an envelope from standard input against the secret in `SIGNING_SECRET`. The age of the
/// timestamp is the receiver's business, so it is not judged.
pub fn verify(output: Output) -> Result<(), CliError> {
    let secret =
        std::env::var("SIGNING_SECRET").map_err(|_| "SIGNING_SECRET must hold the secret to verify with")?;
    let secret = signing_secret::decode(secret.trim())
        .map_err(|refusal| format!("SIGNING_SECRET {}", refusal.message()))?;
    let mut text = String::new();
    std::io::stdin().take(1024 * 1024).read_to_string(&mut text)?;
    let received: Received =
        serde_json::from_str(&text).map_err(|_| "standard input is not an event's envelope")?;
    let event_id = &received.headers.id;
    if !received.headers.is_signed_with(&secret, &received.body) {
        if output.json {
            output.show(&json!({ "valid": false }), "")?;
        }
        return Err("the event was not signed with this secret, or was changed".into());
    }
    note(format!("The event {event_id} was signed with this secret."));
    output.show(&json!({ "valid": true, "event_id": event_id, "body": received.body }), &received.body)
}
