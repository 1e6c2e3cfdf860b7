//! The demo org that a newcomer finds on the embedded default, and what to type first. Only what
//! works is printed, on later starts as well.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::CliError;
use super::master::{owner_of, write_private};
use super::output::note;
use crate::audit::Author;
use crate::clock::Clock;
use crate::config::{Config, private};
use crate::crypto::keyring::Keyring;
use crate::crypto::tenant_key::TenantKey;
use crate::db::Db;
use crate::features::{Feature, FeatureState};
use crate::ids::OrgId;
use crate::routes::internal::orgs::CreateOrg;
use crate::routes::internal::orgs::making::{self, MadeOrg};
use crate::routes::org::credentials::Maker;
use crate::routes::org::store::{self, Org};
use crate::routes::tenant_keys;

const KEY: &str = "demo";
const NAME: &str = "Demo";

/// Makes the demo org on the first start, and prints what to try. Standard error is not a log,
/// but secrets stay in their file all the same.
pub async fn welcome(
    config: &Config,
    db: &Db,
    keyring: &Keyring,
    public: SocketAddr,
) -> Result<(), CliError> {
    // Whole, so that the line works in any directory.
    let file = std::path::absolute(config.data_dir.join("demo.env"))?;
    if store::was_never_any(&db.pool).await? {
        make(config, db, keyring, &file).await?;
    }
    let org = store::find_by_key(&db.pool, KEY).await?;
    let has_key = match &org {
        Some(org) => is_live(config, &file, org.id, db, keyring).await?,
        None => false,
    };
    note(text(config, reachable(public), org.as_ref(), has_key.then_some(&*file)));
    Ok(())
}

async fn make(config: &Config, db: &Db, keyring: &Keyring, file: &Path) -> Result<(), CliError> {
    let path = file.to_owned();
    let keep = move |made: &MadeOrg| {
        let [key, secret] = [&made.tenant_api_key, &made.signing_secret]
            .map(|secret| secret.as_ref().map(|secret| secret.expose().as_str()).unwrap_or_default());
        let lines = format!("ORG_ID={}\nTENANT_API_KEY={key}\nSIGNING_SECRET={secret}", made.id);
        write_private(&path, &Zeroizing::new(lines))
    };
    let maker = Maker::new(config, db.clone(), Clock::system(), keyring.clone());
    let (key, name) = (KEY.to_owned(), NAME.to_owned());
    let wanted = CreateOrg { key, name, contact_emails: Vec::new(), claim: false };
    making::make(&maker, Author::operator(keyring), wanted, keep).await.map(drop)
}

/// Returns `true` if the key in the file is still good: it may have been rotated or revoked.
async fn is_live(
    config: &Config,
    file: &Path,
    org_id: OrgId,
    db: &Db,
    keyring: &Keyring,
) -> Result<bool, CliError> {
    let Ok(text) = private::read_secret(file, owner_of(&config.data_dir)) else { return Ok(false) };
    let key = text.lines().find_map(|line| line.strip_prefix("TENANT_API_KEY="));
    let Some(key) = key.and_then(|key| TenantKey::parse(key.as_bytes())) else { return Ok(false) };
    let digests = keyring.digests(&key);
    Ok(tenant_keys::store::is_live(&db.pool, org_id, &digests, Clock::system().now()).await?)
}

/// An address that a program on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// The text of what to try, as far as it would work: `key_file` holds a key that is good.
fn text(config: &Config, address: SocketAddr, org: Option<&Org>, key_file: Option<&Path>) -> String {
    let url = format!("http://{address}");
    let mut text = String::from("\npartner-api is up, on a Postgres of its own");
    match org {
        None => text.push_str(
            ".\nIt has no demo org. Make an org: partner-api org create --key acme --name \"Acme\"\n",
        ),
        Some(org) if org.suspended_at.is_some() => {
            let _ = writeln!(
                text,
                ", with the org \"{}\" ({}), which is suspended.\nServe it again: partner-api org resume --key {KEY}",
                org.name, org.id
            );
        }
        Some(org) => {
            let _ = writeln!(text, ", with the org \"{}\" ({}). Try:", org.name, org.id);
            // With a secret the gateway's proof would be asked for.
            if config.gateway_secrets.is_empty()
                && config.disabled_features.status(Feature::Users) == FeatureState::Live
            {
                push_users(&mut text, &url, org.id);
            }
            push_key(&mut text, &url, key_file);
        }
    }
    let _ = writeln!(text, "\nAll routes, to read and to try: {url}/docs");
    text
}

/// The id is another one at each start, and the key lets the line be sent twice.
fn push_users(text: &mut String, url: &str, org_id: OrgId) {
    let (user_id, once) = (Uuid::new_v4(), Uuid::new_v4());
    let _ = write!(
        text,
        "
  curl -i {url}/v1/users -H 'OrgId: {org_id}' -H 'Idempotency-Key: {once}' \\
    -H 'Content-Type: application/json' -d '{{\"user_id\": \"{user_id}\", \"first_name\": \"Ada\"}}'

  curl -i {url}/v1/users/{user_id} -H 'OrgId: {org_id}'
"
    );
}

fn push_key(text: &mut String, url: &str, key_file: Option<&Path>) {
    let _ = match key_file {
        Some(file) => {
            let file = file.display();
            write!(
                text,
                "
With the org's API key, as partners call it through the gateway (it is in {file}):

  . '{file}' && curl -i {url}/v1/features -H \"taih-tenant-key: $TENANT_API_KEY\"
"
            )
        }
        None => write!(
            text,
            "\nThe API key that the first start made has ended. Make another one: partner-api key create --org {KEY}\n"
        ),
    };
}
