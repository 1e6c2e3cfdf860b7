//! `org create|list|suspend|resume|delete|queues`: the operator's tenants.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use serde_json::json;

use super::database::{OpenedDatabase, with_schema};
use super::networks::NetworkArguments;
use super::output::{Output, note};
use super::{CliError, queues, rules};
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::crypto::tenant_key::{KeyForm, TenantKey};
use crate::db::Db;
use crate::identity::orgs::SignaturePolicy;
use crate::ids::OrgId;
use crate::limits::rates::{RateLimit, RateSetting};
use crate::routes::org::{self, OrgChange, UpdateOrg};
use crate::routes::public_keys::recipient::Recipient;
use crate::routes::signing_secrets::rules::SecretRotation;
use crate::routes::signing_secrets::{NewSecret, rotation};
use crate::routes::tenant_keys::new_key::NewKey;
use crate::routes::tenant_keys::operator::minting;
use crate::routes::tenant_keys::rules::Minting;

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
    },
    /// List orgs
    List,
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
    /// Delete an org with everything it has; its audit log stays. Asks for the org's key again
    Delete {
        #[arg(long)]
        key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Say which of an org's requests must be signed
    Policy {
        #[arg(long)]
        key: String,
        /// optional, administration or required
        #[arg(long, value_parser = policy)]
        signatures: SignaturePolicy,
    },
    /// Let nothing of an org's administration change until it is thawed, while traffic goes on
    Freeze {
        #[arg(long)]
        key: String,
        /// For people: the partner sees it
        #[arg(long, value_parser = reason)]
        reason: Option<String>,
    },
    /// Let an org's administration change again
    Thaw {
        #[arg(long)]
        key: String,
    },
    /// Say where an org's keys, signed requests and tokens may be used from
    Networks {
        #[arg(long)]
        key: String,
        /// Anywhere
        #[arg(long, conflicts_with = "networks")]
        any: bool,
        #[command(flatten)]
        networks: NetworkArguments,
    },
    /// Say how many requests an org may make on each replica
    Limit(LimitArguments),
    /// List an org's event queues, or remove, pause or resume one
    Queues(queues::QueuesCommand),
}

pub async fn run(config: &Config, command: OrgCommand, output: Output) -> Result<(), CliError> {
    match command {
        OrgCommand::Create { key, name } => {
            // Judged before a database is touched.
            let _: UpdateOrg = rules::judged(&json!({ "name": name }), Clock::system().now())?;
            with_schema(config, async |opened| {
                let keyring = opened.keyring().await?;
                let show = {
                    let key = key.clone();
                    move |made: &Created| made.show(&key, output)
                };
                create(&opened.db, &Clock::system(), &keyring, config.key_form, [&key, &name], show).await?;
                Ok(())
            })
            .await
        }
        OrgCommand::List => with_schema(config, async |opened| list(opened, output).await).await,
        OrgCommand::Suspend { key } => operate(config, &key, OrgChange::Suspend, "Suspended", output).await,
        OrgCommand::Resume { key } => operate(config, &key, OrgChange::Resume, "Resumed", output).await,
        OrgCommand::Delete { key, yes } => {
            if !yes {
                confirm(&key)?;
            }
            operate(config, &key, OrgChange::Delete, "Deleted", output).await
        }
        OrgCommand::Policy { key, signatures } => {
            let change = OrgChange::SetSignaturePolicy { policy: signatures, is_signed: true };
            operate(config, &key, change, "Changed", output).await
        }
        OrgCommand::Freeze { key, reason } => {
            operate(config, &key, OrgChange::Freeze { reason }, "Frozen", output).await
        }
        OrgCommand::Thaw { key } => {
            operate(config, &key, OrgChange::Thaw { is_signed: true }, "Thawed", output).await
        }
        OrgCommand::Networks { key, any, networks } => {
            let body = if any { json!({ "allowed_networks": null }) } else { json!({}) };
            let wanted: UpdateOrg = rules::judged(&networks.beside(body), Clock::system().now())?;
            let change = wanted.networks();
            if !change.is_change() {
                return Err("say --network, --any or --network-policy".into());
            }
            operate(config, &key, OrgChange::SetNetworks(change), "Changed", output).await
        }
        OrgCommand::Limit(wanted) => {
            let change = OrgChange::SetLimits(wanted.setting()?);
            operate(config, &wanted.key, change, "Changed", output).await
        }
        OrgCommand::Queues(command) => queues::run(config, command, output).await,
    }
}

#[derive(Debug, Args)]
pub struct LimitArguments {
    #[arg(long)]
    key: String,
    /// Requests a second, in the long run
    #[arg(long, required_unless_present_any = ["none", "default"])]
    rate: Option<u32>,
    /// Requests at once, after a while without any; by default the rate
    #[arg(long, requires = "rate")]
    burst: Option<u32>,
    /// No limit, whatever RATE_LIMIT says
    #[arg(long, conflicts_with_all = ["rate", "default"])]
    none: bool,
    /// RATE_LIMIT, as for every org
    #[arg(long, conflicts_with = "rate")]
    default: bool,
}

impl LimitArguments {
    fn setting(&self) -> Result<RateSetting, CliError> {
        Ok(match self.rate {
            Some(rate) => RateSetting::Own(RateLimit::new(rate, self.burst.unwrap_or(rate))?),
            None if self.none => RateSetting::Unlimited,
            None => RateSetting::Default,
        })
    }
}

fn policy(name: &str) -> Result<SignaturePolicy, &'static str> {
    SignaturePolicy::parse(name).ok_or("must be optional, administration or required")
}

/// As the route takes it.
fn reason(text: &str) -> Result<String, &'static str> {
    let is_line = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_line { Ok(text.to_owned()) } else { Err("must be one line of 1 to 200 characters") }
}

async fn operate(
    config: &Config,
    key: &str,
    change: OrgChange,
    done: &str,
    output: Output,
) -> Result<(), CliError> {
    with_schema(config, async |opened| {
        let keyring = opened.keyring().await?;
        let org_id = org::by_key(&opened.db, key).await?.id;
        org::operate(&opened.db, &Clock::system(), &keyring, key, change).await?;
        let object = json!({ "org_id": org_id, "key": key, "done": done.to_lowercase() });
        output.done(&object, format!("{done} {key}."))
    })
    .await
}

/// Has the operator type the org's key: there is no way back.
fn confirm(key: &str) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(
            "org delete removes everything the org has: add --yes, or run it on a terminal, which is asked"
                .into(),
        );
    }
    let _ = write!(
        io::stderr(),
        "This deletes the org {key} with its users, keys and events, for good.\nType its key again: "
    );
    let _ = io::stderr().flush();
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() == key {
        return Ok(());
    }
    note("");
    Err("that is not the org's key: nothing was deleted".into())
}

/// A new org, and its first key and signing secret in clear.
pub struct Created {
    pub org_id: OrgId,
    pub tenant_api_key: TenantKey,
    pub signing_secret: Secret<String>,
}

impl Created {
    fn show(&self, key: &str, output: Output) -> Result<(), CliError> {
        let Self { org_id, tenant_api_key, signing_secret } = self;
        let (tenant_api_key, signing_secret) = (tenant_api_key.expose(), signing_secret.expose());
        let text = format!(
            "Created the org {key}: {org_id}\nShown only now:\n  its API key         {tenant_api_key}\n  \
             its signing secret  {signing_secret}"
        );
        let object = json!({
            "org_id": org_id, "key": key, "tenant_api_key": tenant_api_key, "signing_secret": signing_secret,
        });
        output.show(&object, text)
    }
}

/// Makes an org with its first key and signing secret: all of them, or nothing. `show` sees them
/// before that counts; `named` is the org's key and name.
pub async fn create(
    db: &Db,
    clock: &Clock,
    keyring: &Keyring,
    key_form: KeyForm,
    named: [&str; 2],
    show: impl FnOnce(&Created) -> Result<(), CliError> + Send + 'static,
) -> Result<OrgId, CliError> {
    let (clock, keyring) = (clock.clone(), keyring.clone());
    let [key, name] = named.map(ToOwned::to_owned);
    db.transaction(async move |mut tx| {
        let org_id = org::create(&mut *tx, &clock, &keyring, &key, &name).await?;
        let mandate = Mandate::operator(org_id, &keyring);
        let first = NewKey::generate(&keyring, key_form);
        let minting = minting(&clock, mandate.clone(), &first, Minting::unrestricted("first key"));
        minting.execute_in(&mut tx).await?;
        let secret = NewSecret::of(None);
        let rotation = rotation(&clock, &keyring, mandate, &secret, SecretRotation::FIRST, Recipient::Caller);
        rotation.execute_in(&mut tx).await?;
        let signing_secret = secret.made().map(signing_secret::encode).ok_or("no signing secret was made")?;
        show(&Created { org_id, tenant_api_key: first.key, signing_secret })?;
        tx.commit().await?;
        Ok(org_id)
    })
    .await
}

async fn list(opened: &OpenedDatabase, output: Output) -> Result<(), CliError> {
    let orgs = org::store::list(&opened.db.pool).await?;
    let lines = orgs.iter().map(|org| {
        let state = match (org.suspended_at, org.frozen_at) {
            (Some(_), _) => "suspended",
            (None, Some(_)) => "frozen",
            (None, None) => "active",
        };
        format!("{}  {state:9}  {}  {}", org.id, org.key, org.name)
    });
    output.list(&json!({ "orgs": orgs }), lines)
}
