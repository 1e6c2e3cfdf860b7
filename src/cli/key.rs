//! `key list|create|rotate|import|confirm|revoke`: the manual rotation that the integration contact performs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::database::with_schema;
use super::networks::{self, NetworkArguments};
use super::output::Output;
use super::{CliError, rules};
use crate::changes::Mandate;
use crate::clock::{Clock, rfc3339};
use crate::config::{Config, private};
use crate::crypto::tenant_key::TenantKey;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::KeyRights;
use crate::ids::{KeyId, parse_uuid};
use crate::routes::internal::orgs::key_import::{self, ImportKeys};
use crate::routes::org;
use crate::routes::tenant_keys::operator::Operator;
use crate::routes::tenant_keys::rules::{KeyOrigin, StoredTenantKey};
use crate::routes::tenant_keys::{CreateTenantKey, RotateTenantKey};

/// The largest import, in bytes: the API's own limit.
const MAX_IMPORT: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List an org's API keys, dead ones included
    List {
        /// The org's key
        #[arg(long)]
        org: String,
        /// Only those that work
        #[arg(long)]
        live: bool,
    },
    /// Make an API key
    Create {
        /// The org's key
        #[arg(long)]
        org: String,
        /// Its name for people
        #[arg(long, default_value = "made by an operator")]
        name: String,
        /// When it ends (RFC 3339, in the future); by default never
        #[arg(long)]
        expires_at: Option<String>,
        /// What it may do, by commas, such as users:read,users:write; by default everything (*)
        #[arg(long, value_delimiter = ',')]
        scopes: Option<Vec<String>>,
        /// enforce (the default), or report: it may do everything, and what its scopes do not allow is counted
        #[arg(long)]
        scope_policy: Option<String>,
        #[command(flatten)]
        networks: NetworkArguments,
    },
    /// Replace an API key; the old one lives on for the grace period
    Rotate {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The API key's id; may be left out if there is only one to rotate
        #[arg(long)]
        id: Option<String>,
        /// How long the old key goes on working, in seconds: at most seven days
        #[arg(long, allow_negative_numbers = true)]
        grace_period_seconds: Option<i64>,
        /// When the new key ends (RFC 3339, in the future); by default it gets the old one's lifetime
        #[arg(long)]
        expires_at: Option<String>,
        /// What the new key may do, by commas; by default what the old one may
        #[arg(long, value_delimiter = ',')]
        scopes: Option<Vec<String>>,
        /// enforce or report; by default as the old one
        #[arg(long)]
        scope_policy: Option<String>,
        #[command(flatten)]
        networks: NetworkArguments,
    },
    /// Take over API keys that a partner has already, by the hashes that another system kept of them
    Import {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The import as the internal listener takes it (POST /internal/orgs/{org}/tenant-keys/import), as JSON; - for
        /// standard input
        #[arg(long, short, value_name = "FILE")]
        file: String,
        /// The secret under HMAC-SHA-256 hashes, in place of the file's hmac_secret; for its owner alone to read
        #[arg(long, value_name = "FILE")]
        hmac_secret_file: Option<PathBuf>,
    },
    /// Confirm the rotation to an API key that waits for it
    Confirm {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The successor's id
        #[arg(long)]
        id: String,
    },
    /// End an API key now; one that waits for its confirmation is given up
    Revoke {
        /// The org's key
        #[arg(long)]
        org: String,
        /// The API key's id
        #[arg(long)]
        id: String,
    },
}

impl KeyCommand {
    fn org(&self) -> &str {
        match self {
            Self::List { org, .. }
            | Self::Create { org, .. }
            | Self::Rotate { org, .. }
            | Self::Import { org, .. }
            | Self::Confirm { org, .. }
            | Self::Revoke { org, .. } => org,
        }
    }
}

/// A command whose arguments keep the API's rules.
enum Task {
    List { live: bool },
    Create(CreateTenantKey),
    Rotate(RotateTenantKey),
    Import(ImportKeys),
    Confirm(KeyId),
    Revoke(KeyId),
}

impl Task {
    fn of(command: KeyCommand, clock: &Clock) -> Result<Self, CliError> {
        Ok(match command {
            KeyCommand::List { live, .. } => Self::List { live },
            KeyCommand::Create { name, expires_at, scopes, scope_policy, networks, .. } => {
                let arguments = networks.beside(json!({
                    "name": name, "expires_at": expires_at, "scopes": scopes, "scope_policy": scope_policy,
                }));
                Self::Create(rules::judged(&arguments, clock.now())?)
            }
            KeyCommand::Rotate {
                id,
                grace_period_seconds,
                expires_at,
                scopes,
                scope_policy,
                networks,
                ..
            } => {
                let id = id.as_deref().map(key_id).transpose()?;
                let arguments = networks.beside(json!({
                    "key_id": id, "grace_period_seconds": grace_period_seconds, "expires_at": expires_at,
                    "scopes": scopes, "scope_policy": scope_policy,
                }));
                Self::Rotate(rules::judged(&arguments, clock.now())?)
            }
            KeyCommand::Import { file, hmac_secret_file, .. } => {
                Self::Import(import(&file, hmac_secret_file.as_deref(), clock)?)
            }
            KeyCommand::Confirm { id, .. } => Self::Confirm(key_id(&id)?),
            KeyCommand::Revoke { id, .. } => Self::Revoke(key_id(&id)?),
        })
    }
}

/// An import as the API takes it, with the secret from a file of its own if one is named.
fn import(file: &str, secret: Option<&Path>, clock: &Clock) -> Result<ImportKeys, CliError> {
    let mut text = Zeroizing::new(String::new());
    let read = match file {
        "-" => io::stdin().take(MAX_IMPORT + 1).read_to_string(&mut text),
        file => File::open(file).and_then(|opened| opened.take(MAX_IMPORT + 1).read_to_string(&mut text)),
    };
    let size = read.map_err(|error| format!("{file} cannot be read: {error}"))?;
    if size as u64 > MAX_IMPORT {
        return Err(format!("{file} is larger than {} KiB", MAX_IMPORT >> 10).into());
    }
    let Some(path) = secret else {
        // As it is written: a name twice is refused, as by the API.
        return rules::judged_text(file, &text, clock.now());
    };
    let mut body: Value =
        serde_json::from_str(&text).map_err(|error| format!("{file} is no JSON: {error}"))?;
    if let Value::Object(body) = &mut body {
        let secret = private::read_secret(path, None)?;
        body.insert("hmac_secret".to_owned(), secret.trim_end_matches(['\r', '\n']).into());
    }
    rules::judged_text(file, &body.to_string(), clock.now())
}

fn key_id(text: &str) -> Result<KeyId, CliError> {
    parse_uuid(text).map(KeyId).ok_or_else(|| "--id must be a UUID, written 8-4-4-4-12".into())
}

pub async fn run(config: &Config, command: KeyCommand, output: Output) -> Result<(), CliError> {
    let (clock, org_key) = (Clock::system(), command.org().to_owned());
    // Judged before a database is touched.
    let task = Task::of(command, &clock)?;
    with_schema(config, async |opened| {
        let org_id = org::by_key(&opened.db, &org_key).await?.id;
        let keyring = opened.keyring().await?;
        let key_form = config.key_form;
        perform(
            &Operator { db: &opened.db, clock: &clock, keyring: &keyring, key_form, org_id },
            task,
            output,
        )
        .await
    })
    .await
}

async fn perform(operator: &Operator<'_>, task: Task, output: Output) -> Result<(), CliError> {
    match task {
        Task::List { live } => {
            let keys = operator.list(live).await?;
            output.list(&json!({ "keys": keys }), keys.iter().map(described))
        }
        Task::Create(wanted) => {
            let show = move |key: &StoredTenantKey, secret: &TenantKey| {
                let object = json!({ "key_id": key.id, "tenant_api_key": secret.expose() });
                output.show(&object, format!("Made the key {}, shown only now: {}", key.id, secret.expose()))
            };
            operator.create(wanted, show).await
        }
        Task::Rotate(wanted) => {
            operator.rotate(wanted, move |old, new, secret| shown(output, old, new, secret)).await
        }
        Task::Import(wanted) => {
            let Operator { db, clock, keyring, org_id, .. } = operator;
            let mandate = Mandate::operator(*org_id, keyring);
            let keys = key_import::import((db, clock, keyring), mandate, wanted).await?;
            output.list(&json!({ "imported": keys }), keys.iter().map(described))
        }
        Task::Confirm(id) => {
            operator.confirm(id).await?;
            output.done(&json!({ "confirmed": id }), format!("Confirmed {id}."))
        }
        Task::Revoke(id) => {
            operator.revoke(id).await?;
            output.done(&json!({ "revoked": id }), format!("Revoked {id}."))
        }
    }
}

fn shown(
    output: Output,
    old: &StoredTenantKey,
    new: &StoredTenantKey,
    secret: &TenantKey,
) -> Result<(), CliError> {
    let end = old.expires_at.map(rfc3339).ok_or("a rotated key has no end")?;
    let text = format!(
        "The key {} ends {end}. Its successor {}, shown only now: {}",
        old.id,
        new.id,
        secret.expose()
    );
    let object = json!({
        "new_tenant_api_key": secret.expose(), "key_id": new.id,
        "previous_key_id": old.id, "previous_key_expires_at": end,
    });
    output.show(&object, text)
}

fn described(key: &StoredTenantKey) -> String {
    let end = key.revoked_at.or(key.expires_at).map_or_else(|| "no end".to_owned(), rfc3339);
    let from = networks::described(&key.networks);
    let origin = if key.origin == KeyOrigin::Imported { "  (imported)" } else { "" };
    format!("{}  {}  {end}  {}{origin}{}{from}{}", key.id, key.prefix, key.name, rights(key), uses(key))
}

/// Describes what a key may do, to follow its name; nothing where it may do everything.
fn rights(key: &StoredTenantKey) -> String {
    let KeyRights { scopes, policy } = key.rights;
    match policy {
        _ if scopes.is_all() => String::new(),
        Enforcement::Enforce => format!("  ({})", scopes.joined()),
        Enforcement::Report => format!("  ({}, only reported)", scopes.joined()),
    }
}

/// Describes the uses of a key, to follow its name.
fn uses(key: &StoredTenantKey) -> String {
    let last = key.last_used_at.map(|at| format!("last used {}", rfc3339(at)));
    let tokens = (key.tokens_issued > 0).then(|| format!("{} member tokens issued", key.tokens_issued));
    let dead = key
        .dead_used_at
        .map(|at| format!("sent {} times after its end, last {}", key.dead_uses, rfc3339(at)));
    let told: Vec<_> = [last, tokens, dead].into_iter().flatten().collect();
    if told.is_empty() { String::new() } else { format!("  ({})", told.join("; ")) }
}
