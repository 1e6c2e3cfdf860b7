//! `org create|list|suspend|resume|recover|delete|policy|queues`: the operator's tenants.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use serde_json::json;

use super::database::{OpenedDatabase, with_schema};
use super::networks::NetworkArguments;
use super::output::{Output, note};
use super::{CliError, queues, rules};
use crate::audit::Author;
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::orgs::SignaturePolicy;
use crate::limits::rates::{RateLimit, RateSetting};
use crate::routes::internal::orgs::making::{self, MadeOrg};
use crate::routes::internal::orgs::recovery::{self, Ended, RecoveredOrg};
use crate::routes::internal::orgs::{CreateOrg, Reasoned, RecoverOrg};
use crate::routes::org::credentials::Maker;
use crate::routes::org::{self, OrgChange, UpdateOrg};

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
        /// Whom to write to about it; may be repeated
        #[arg(long = "contact", value_name = "EMAIL")]
        contacts: Vec<String>,
        /// A link that makes and shows the key and the secret once, in place of both
        #[arg(long)]
        claim: bool,
    },
    /// List orgs
    List,
    /// Stop serving an org; takes hold within a second
    Suspend {
        #[arg(long)]
        key: String,
        /// Why, for whoever looks later
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take an org back from a thief: ends every other key, secret and token, pauses its queues, freezes it, and makes
    /// one new key
    Recover {
        #[arg(long)]
        key: String,
        /// A current key that its owner still trusts, and that goes on in place of a new one
        #[arg(long, value_name = "ID")]
        keep_key_id: Option<String>,
        /// When the thief may have come (RFC 3339): public keys registered since are deleted, a signing secret made
        /// since is replaced, a signature policy and networks set since are lifted
        #[arg(long)]
        since: Option<String>,
        /// A link that makes and shows the new key once, in place of the key
        #[arg(long)]
        claim: bool,
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
        OrgCommand::Create { key, name, contacts, claim } => {
            // Judged before a database is touched.
            let arguments = json!({ "key": key, "name": name, "contact_emails": contacts, "claim": claim });
            let wanted: CreateOrg = rules::judged(&arguments, Clock::system().now())?;
            with_schema(config, async |opened| {
                let (maker, author) = maker(config, opened).await?;
                making::make(&maker, author, wanted, move |made| shown(made, output)).await.map(drop)
            })
            .await
        }
        OrgCommand::Recover { key, keep_key_id, since, claim } => {
            let arguments =
                json!({ "keep_key_id": keep_key_id, "since": since, "claim": claim.then_some(true) });
            let wanted: RecoverOrg = rules::judged(&arguments, Clock::system().now())?;
            with_schema(config, async |opened| {
                let org_id = org::by_key(&opened.db, &key).await?.id;
                let (maker, author) = maker(config, opened).await?;
                let mandate = Mandate::of(org_id, author);
                recovery::recover(&maker, mandate, wanted, move |it| recovered(it, output)).await.map(drop)
            })
            .await
        }
        OrgCommand::List => with_schema(config, async |opened| list(opened, output).await).await,
        OrgCommand::Suspend { key, reason } => {
            let Reasoned { reason } = rules::judged(&json!({ "reason": reason }), Clock::system().now())?;
            operate(config, &key, OrgChange::Suspend { reason }, "Suspended", output).await
        }
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

/// What an operator makes credentials with.
async fn maker(config: &Config, opened: &OpenedDatabase) -> Result<(Maker, Author), CliError> {
    let keyring = opened.keyring().await?;
    let author = Author::operator(&keyring);
    Ok((Maker::new(config, opened.db.clone(), Clock::system(), keyring), author))
}

fn shown(made: &MadeOrg, output: Output) -> Result<(), CliError> {
    let MadeOrg { id, key, .. } = made;
    let [tenant_api_key, signing_secret, claim_url] =
        [&made.tenant_api_key, &made.signing_secret, &made.claim_url]
            .map(|secret| secret.as_ref().map(|secret| secret.expose().as_str()));
    let text = match claim_url {
        Some(url) => {
            format!("Created the org {key}: {id}\nShown only now, the claim to its credentials: POST {url}")
        }
        None => format!(
            "Created the org {key}: {id}\nShown only now:\n  its API key         {}\n  its signing secret  {}",
            tenant_api_key.unwrap_or_default(),
            signing_secret.unwrap_or_default()
        ),
    };
    let mut object = json!({ "org_id": id, "key": key });
    for (name, value) in
        [("tenant_api_key", tenant_api_key), ("signing_secret", signing_secret), ("claim_url", claim_url)]
    {
        if let Some(value) = value {
            object[name] = value.into();
        }
    }
    output.show(&object, text)
}

fn recovered(recovered: &RecoveredOrg, output: Output) -> Result<(), CliError> {
    let Ended { tenant_keys, signing_secrets, public_keys, queues_paused, .. } = &recovered.ended;
    let mut text = format!(
        "Ended {} API keys, {} signing secrets, {} public keys and all tokens; paused {} queues; administration is frozen.",
        tenant_keys.len(),
        signing_secrets.len(),
        public_keys.len(),
        queues_paused.len()
    );
    for (what, secret) in [
        ("the new API key", &recovered.tenant_api_key),
        ("the claim to the new API key, for a POST", &recovered.claim_url),
        ("the new signing secret", &recovered.signing_secret),
    ] {
        if let Some(secret) = secret {
            text.push_str(&format!("\nShown only now, {what}: {}", secret.expose()));
        }
    }
    for unique_id in &recovered.left.authentication_keys {
        text.push_str(&format!(
            "\nLeft: the public key {unique_id}, which signs requests. Is it the owner's?"
        ));
    }
    output.show(recovered, text)
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
