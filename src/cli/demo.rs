//! What a newcomer finds on the embedded default: an org to try, and what to type first.

use std::net::SocketAddr;
use std::path::Path;

use zeroize::Zeroizing;

use super::{CliError, master, org};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::ids::OrgId;
use crate::routes::org::store;

const KEY: &str = "demo";
const NAME: &str = "Demo";
const USER_ID: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

/// Makes the demo org on the first start, and prints what to try. Standard error is not a log,
/// but secrets stay in their file all the same.
pub async fn welcome(
    config: &Config,
    db: &Db,
    keyring: &Keyring,
    public: SocketAddr,
) -> Result<(), CliError> {
    let file = config.data_dir.join("demo.env");
    let org_id = match store::find_by_key(&db.pool, KEY).await? {
        Some(org) => org.id,
        None => make(config, db, keyring, &file).await?,
    };
    let (url, file) = (format!("http://{public}"), file.display());
    eprintln!(
        "
partner-api is up, on a Postgres of its own, with the org \"{NAME}\" ({org_id}). Try:

  curl -i {url}/v1/users -H 'OrgId: {org_id}' \\
    -H 'Content-Type: application/json' -d '{{\"user_id\": \"{USER_ID}\", \"first_name\": \"Ada\"}}'

  curl -i {url}/v1/users/{USER_ID} -H 'OrgId: {org_id}'

With the org's API key, as partners call it through the gateway (it is in {file}):

  . '{file}' && curl -i {url}/v1/features -H \"taih-tenant-key: $TENANT_API_KEY\"

All routes, to read and to try: {url}/docs
"
    );
    Ok(())
}

async fn make(config: &Config, db: &Db, keyring: &Keyring, file: &Path) -> Result<OrgId, CliError> {
    let made = org::create(db, &Clock::system(), keyring, config.key_env, KEY, NAME).await?;
    let (key, secret) = (made.tenant_api_key.expose(), made.signing_secret.expose());
    let text =
        Zeroizing::new(format!("ORG_ID={}\nTENANT_API_KEY={key}\nSIGNING_SECRET={secret}", made.org_id));
    master::write_private(file, &text)?;
    Ok(made.org_id)
}
