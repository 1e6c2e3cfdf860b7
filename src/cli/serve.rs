//! `serve`: the service, and in development the Postgres under it and a first org to try.

use std::net::SocketAddr;
use std::time::Instant;

use super::CliError;
use super::database::Opened;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::routes::org;
use crate::serve::{Listeners, serve, stop_signal};
use crate::state::App;
use crate::telemetry;

/// The org that the embedded default starts with.
const DEMO_ORG: (&str, &str) = ("demo", "Demo");

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(config: Config) -> Result<(), CliError> {
    let started = Instant::now();
    let (access_log, _flush) = telemetry::init(config.log_format, &config.log_filter);
    let listeners = Listeners::bind(&config).await?;
    let (public, internal) = listeners.addresses()?;
    warn_about_trust(&config);

    let opened = Opened::own(&config).await?;
    if config.migrate_on_start {
        opened.db.migrate().await?;
    }
    if opened.cluster.is_some() {
        welcome(&opened.db, public).await?;
    }
    let app = App::new(config, Clock::system(), opened.db.clone(), access_log);
    tracing::info!(%public, %internal, started_in = ?started.elapsed(), "listening");

    let died = opened.cluster.as_ref().map(|cluster| cluster.died());
    let stop = async {
        tokio::select! {
            () = stop_signal() => {}
            status = wait(died) => tracing::error!(%status, "the embedded Postgres ended"),
        }
    };
    serve(app, listeners, stop).await;
    opened.close().await;
    Ok(())
}

async fn wait<T>(event: Option<impl Future<Output = T>>) -> T {
    match event {
        Some(event) => event.await,
        None => std::future::pending().await,
    }
}

fn warn_about_trust(config: &Config) {
    if config.gateway_secrets.is_empty() {
        let address = config.listen_addr;
        if address.ip().is_loopback() {
            tracing::warn!(%address, "GATEWAY_SECRETS is not set: OrgId is believed from every program on this machine");
        } else {
            tracing::warn!(%address, "TRUST_ORG_ID is set: OrgId is believed from everyone who can connect");
        }
    }
}

/// On the embedded default: makes the demo org once, and shows what to type first.
async fn welcome(db: &Db, public: SocketAddr) -> Result<(), CliError> {
    let (key, name) = DEMO_ORG;
    let org_id = match org::store::find_by_key(&db.pool, key).await? {
        Some(org) => org.id,
        None => org::create(db, &Clock::system(), key, name).await?,
    };
    let user_id = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
    eprintln!(
        "\n\
         partner-api is up on a Postgres of its own, with the org \"{name}\" ({org_id}). Try:\n\n  \
         curl -i http://{public}/v1/users -H 'OrgId: {org_id}' \\\n    \
         -H 'Content-Type: application/json' -d '{{\"user_id\": \"{user_id}\", \"first_name\": \"Ada\"}}'\n\n  \
         curl -i http://{public}/v1/users/{user_id} -H 'OrgId: {org_id}'\n\n  \
         curl -i http://{public}/v1/features -H 'OrgId: {org_id}'\n\n\
         All routes, to read and to try: http://{public}/docs\n"
    );
    Ok(())
}
