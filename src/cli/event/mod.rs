//! `event list|replay`, and `verify-event`.

mod received_headers;

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::database::{OpenedDatabase, with_schema};
use super::output::{Output, note};
use super::{CliError, rules};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::event_key::EventPublicKey;
use crate::crypto::secret::Secret;
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

/// The keys that an event may be verified with in place of the secret.
#[derive(Debug, Args)]
pub struct PublicKeys {
    /// The file of the keys that the service publishes at /.well-known/webhook-keys.json
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    jwks: Option<PathBuf>,
    /// One of them, as `whpk_` and base64
    #[arg(long, value_name = "WHPK")]
    public_key: Option<String>,
}

/// What a message is verified with.
enum Verifier {
    /// `v1`
    Secret(Secret<Vec<u8>>),
    /// `v1a`
    Keys(Vec<EventPublicKey>),
}

impl Verifier {
    fn given(keys: &PublicKeys) -> Result<Self, CliError> {
        if let Some(file) = &keys.jwks {
            let set = std::fs::read_to_string(file);
            let set = set.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            return Ok(Self::Keys(EventPublicKey::of_set(&set)?));
        }
        if let Some(key) = &keys.public_key {
            return Ok(Self::Keys(vec![EventPublicKey::parse(key.trim())?]));
        }
        let secret = std::env::var("SIGNING_SECRET").map_err(
            |_| "SIGNING_SECRET must hold the secret to verify with, or name --jwks or --public-key",
        )?;
        let secret = signing_secret::decode(secret.trim());
        Ok(Self::Secret(secret.map_err(|refusal| format!("SIGNING_SECRET {}", refusal.message()))?))
    }

    fn signed(&self, received: &Received) -> bool {
        match self {
            Self::Secret(secret) => received.headers.is_signed_with(secret, &received.body),
            Self::Keys(keys) => received.headers.is_signed_by(keys, &received.body),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Secret(_) => "this secret",
            Self::Keys(_) => "these keys",
        }
    }
}

/// Checks an envelope from standard input against the secret in `SIGNING_SECRET`, or the service's keys. The age of
/// the timestamp is the receiver's business, so it is not judged.
pub fn verify(keys: &PublicKeys, output: Output) -> Result<(), CliError> {
    let verifier = Verifier::given(keys)?;
    let mut text = String::new();
    std::io::stdin().take(1024 * 1024).read_to_string(&mut text)?;
    let received: Received =
        serde_json::from_str(&text).map_err(|_| "standard input is not an event's envelope")?;
    let event_id = &received.headers.id;
    if !verifier.signed(&received) {
        if output.json {
            output.show(&json!({ "valid": false }), "")?;
        }
        return Err(format!("the event was not signed with {}, or was changed", verifier.name()).into());
    }
    note(format!("The event {event_id} was signed with {}.", verifier.name()));
    output.show(&json!({ "valid": true, "event_id": event_id, "body": received.body }), &received.body)
}
