//! `event list|replay`, and `verify-event`.

use std::io::Read as _;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::{CliError, database};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::signing_secret;
use crate::events::envelope::SignedHeaders;
use crate::events::parse_wire_id;
use crate::http::paging::Page;
use crate::routes::events::store;
use crate::routes::org;

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// List an org's events and their delivery
    List {
        /// The org's key
        #[arg(long)]
        org: String,
        /// How many to skip
        #[arg(long, default_value_t = 0)]
        offset: i64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Send events again
    Replay {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The events' ids
        #[arg(required = true)]
        event_ids: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: &Config, command: EventCommand) -> Result<(), CliError> {
    database::with_schema(config, async |db| match command {
        EventCommand::List { org, offset, json } => {
            let org_id = org::by_key(db, &org).await?.id;
            let page = Page::at(offset, 100);
            let (events, total) = store::list(&db.pool, org_id, None, None, page).await?;
            if json {
                println!("{}", json!({ "events": events, "total": total }));
                return Ok(());
            }
            for event in events {
                let error = event.last_error.unwrap_or_default();
                println!(
                    "{}  {:9}  {}  {} attempts  {error}",
                    event.event_id, event.status, event.kind, event.attempts
                );
            }
            Ok(())
        }
        EventCommand::Replay { org, event_ids, json } => {
            let org_id = org::by_key(db, &org).await?.id;
            let ids: Option<Vec<_>> = event_ids.iter().map(|id| parse_wire_id(id)).collect();
            let ids = ids.ok_or("an event's id is written evt_ and 32 hex digits")?;
            let replayed = store::replay(&db.pool, org_id, &ids, Clock::system().now()).await?;
            if json {
                println!("{}", json!({ "replayed": replayed }));
            } else {
                eprintln!("{replayed} events will be sent again.");
            }
            Ok(())
        }
    })
    .await
}

/// The parts of an envelope that are verified.
#[derive(Deserialize)]
struct Received {
    headers: SignedHeaders,
    body: String,
}

/// Checks an envelope from standard input against the secret in `SIGNING_SECRET`. The age of the
/// timestamp is the receiver's business, so it is not judged.
pub fn verify() -> Result<(), CliError> {
    let secret =
        std::env::var("SIGNING_SECRET").map_err(|_| "SIGNING_SECRET must hold the secret to verify with")?;
    let secret = signing_secret::decode(secret.trim())
        .map_err(|refusal| format!("SIGNING_SECRET {}", refusal.message()))?;
    let mut text = String::new();
    std::io::stdin().take(1024 * 1024).read_to_string(&mut text)?;
    let received: Received =
        serde_json::from_str(&text).map_err(|_| "standard input is not an event's envelope")?;
    if !received.headers.is_signed_with(&secret, &received.body) {
        return Err("the event was not signed with this secret, or was changed".into());
    }
    eprintln!("The event {} was signed with this secret.", received.headers.id);
    println!("{}", received.body);
    Ok(())
}
