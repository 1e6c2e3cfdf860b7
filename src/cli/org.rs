//! `org create|list|suspend|resume|delete`: the operator's tenants.

use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::{CliError, database, master};
use crate::administration::{Scope, within};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::ids::OrgId;
use crate::routes::org::{self, OrgChange};
use crate::routes::signing_secrets::{NewSecret, rotation};
use crate::routes::tenant_keys::change::NewKey;
use crate::routes::tenant_keys::operator::minting;

#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Create an org with its first API key and signing secret
    Create {
        /// Its public name, which never changes: lower-case letters, digits and hyphens
        #[arg(long)]
        key: String,
        /// Its name for people
        #[arg(long)]
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List orgs
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Stop serving an org; takes hold within a second
    Suspend {
        #[arg(long)]
        key: String,
    },
    /// Serve a suspended org again
    Resume {
        #[arg(long)]
        key: String,
    },
    /// Delete an org with everything it has; its audit log stays
    Delete {
        #[arg(long)]
        key: String,
    },
}

pub async fn run(config: &Config, command: OrgCommand) -> Result<(), CliError> {
    database::with_schema(config, async |db| match command {
        OrgCommand::Create { key, name, json } => {
            let keyring = master::open_keyring(config, db).await?;
            let made = create(db, &Clock::system(), &keyring, config.key_env, &key, &name).await?;
            print_created(&made, &key, json);
            Ok(())
        }
        OrgCommand::List { json } => list(db, json).await,
        OrgCommand::Suspend { key } => operate(config, db, &key, OrgChange::Suspend, "Suspended").await,
        OrgCommand::Resume { key } => operate(config, db, &key, OrgChange::Resume, "Resumed").await,
        OrgCommand::Delete { key } => operate(config, db, &key, OrgChange::Delete, "Deleted").await,
    })
    .await
}

async fn operate(config: &Config, db: &Db, key: &str, change: OrgChange, done: &str) -> Result<(), CliError> {
    let keyring = master::open_keyring(config, db).await?;
    org::operate(db, &Clock::system(), &keyring, key, change).await?;
    eprintln!("{done} {key}.");
    Ok(())
}

/// A new org, and its first key and signing secret in clear.
pub struct Created {
    pub org_id: OrgId,
    pub tenant_api_key: TenantKey,
    pub signing_secret: Secret<String>,
}

/// Makes an org with its first key and signing secret: all of them, or nothing.
pub async fn create(
    db: &Db,
    clock: &Clock,
    keyring: &Keyring,
    key_env: KeyEnv,
    key: &str,
    name: &str,
) -> Result<Created, CliError> {
    let (clock, keyring) = (clock.clone(), keyring.clone());
    let (key, name) = (key.to_owned(), name.to_owned());
    db.transaction(async move |mut tx| {
        let org_id = org::create(&mut *tx, &clock, &keyring, &key, &name).await?;
        let scope = Scope::operator(org_id, &keyring);
        let first = NewKey::generate(&keyring, key_env);
        let minting = minting(&clock, scope.clone(), &first, "first key".to_owned(), None);
        within(&mut tx, org_id, &minting).await?;
        let secret = NewSecret::of(None);
        let rotation = rotation(&clock, &keyring, scope, &secret, TimeDelta::zero(), true);
        within(&mut tx, org_id, &rotation).await?;
        let made = secret.made().map(signing_secret::encode).ok_or("no signing secret was made")?;
        tx.commit().await?;
        Ok(Created { org_id, tenant_api_key: first.key, signing_secret: made })
    })
    .await
}

fn print_created(made: &Created, key: &str, json: bool) {
    let (org_id, tenant_api_key) = (made.org_id, made.tenant_api_key.expose());
    let signing_secret = made.signing_secret.expose();
    if json {
        let made = json!({
            "org_id": org_id, "key": key, "tenant_api_key": tenant_api_key, "signing_secret": signing_secret,
        });
        println!("{made}");
    } else {
        println!("Created the org {key}: {org_id}");
        println!(
            "Shown only now:\n  its API key         {tenant_api_key}\n  its signing secret  {signing_secret}"
        );
    }
}

async fn list(db: &Db, json: bool) -> Result<(), CliError> {
    let orgs = org::store::list(&db.pool).await?;
    if json {
        println!("{}", json!({ "orgs": orgs }));
        return Ok(());
    }
    for org in orgs {
        let state = if org.suspended_at.is_some() { "suspended" } else { "active" };
        println!("{}  {state:9}  {}  {}", org.id, org.key, org.name);
    }
    Ok(())
}
