//! `token create|list|revoke`: the platform's own services, which call the internal listener (contract 15).

use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use super::CliError;
use super::database::{OpenedDatabase, with_schema};
use super::output::Output;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::crypto::platform_token::PlatformToken;
use crate::identity::platform::PlatformScope;
use crate::ids::parse_uuid;
use crate::routes::internal::tokens::{self, StoredPlatformToken};

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a platform token
    Create {
        /// Its name for people: the service that will hold it
        #[arg(long, value_parser = name)]
        name: String,
        /// What it may do, by commas: orgs:read, orgs:write, events:publish, leaks:write
        #[arg(long, value_delimiter = ',', value_parser = scope, required = true)]
        scopes: Vec<PlatformScope>,
    },
    /// List platform tokens, dead ones included
    List,
    /// End a platform token now
    Revoke {
        /// The token's id
        #[arg(long, value_parser = id)]
        id: Uuid,
    },
}

fn name(text: &str) -> Result<String, &'static str> {
    let length = text.chars().count();
    if (1..=200).contains(&length) { Ok(text.to_owned()) } else { Err("must have 1 to 200 characters") }
}

fn scope(name: &str) -> Result<PlatformScope, &'static str> {
    PlatformScope::parse(name).ok_or("must be orgs:read, orgs:write, events:publish or leaks:write")
}

fn id(text: &str) -> Result<Uuid, &'static str> {
    parse_uuid(text).ok_or("must be a UUID, written 8-4-4-4-12")
}

pub async fn run(config: &Config, command: TokenCommand, output: Output) -> Result<(), CliError> {
    with_schema(config, async |opened| match command {
        TokenCommand::Create { name, scopes } => create(config, opened, (&name, &scopes), output).await,
        TokenCommand::List => {
            let tokens = tokens::list(&opened.db.pool).await?;
            output.list(&json!({ "tokens": tokens }), tokens.iter().map(described))
        }
        TokenCommand::Revoke { id } => {
            if !tokens::revoke(&opened.db.pool, id, Clock::system().now()).await? {
                return Err(format!("there is no platform token {id}").into());
            }
            output.done(&json!({ "revoked": id }), format!("Revoked {id}."))
        }
    })
    .await
}

async fn create(
    config: &Config,
    opened: &OpenedDatabase,
    (name, scopes): (&str, &[PlatformScope]),
    output: Output,
) -> Result<(), CliError> {
    let keyring = opened.keyring().await?;
    let token = PlatformToken::generate(config.key_form.env);
    let (name, scopes) = (name.to_owned(), scopes.to_vec());
    // Shown before it counts: a token that could not be shown is none.
    opened
        .db
        .transaction(async move |mut tx| {
            let (now, made) = (Clock::system().now(), (name.as_str(), &scopes[..]));
            let id = tokens::insert(&mut *tx, &keyring, &token, made, now).await?;
            let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
            let object = json!({ "platform_token": token.expose(), "id": id, "name": name, "scopes": names });
            output
                .show(&object, format!("Made the platform token {id}, shown only now: {}", token.expose()))?;
            tx.commit().await?;
            Ok(())
        })
        .await
}

fn described(token: &StoredPlatformToken) -> String {
    let StoredPlatformToken { id, name, prefix, scopes, last_used_at, revoked_at, .. } = token;
    let used =
        last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", rfc3339(at)));
    let end = revoked_at.map_or_else(String::new, |at| format!("  revoked {}", rfc3339(at)));
    format!("{id}  {prefix}  {name}  {}  {used}{end}", scopes.join(","))
}
