//! `serve`: the service, and in development the Postgres under it.

use std::time::Instant;

use super::database::Opened;
use super::{CliError, demo, master};
use crate::clock::Clock;
use crate::config::Config;
use crate::serve::{Listeners, StopSignal, serve};
use crate::state::App;
use crate::telemetry;

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(config: Config) -> Result<(), CliError> {
    let (started, signal) = (Instant::now(), StopSignal::listen()?);
    let (access_log, _flush) = telemetry::init(config.log_format, &config.log_filter);
    let listeners = Listeners::bind(&config).await?;
    let (public, internal) = listeners.addresses()?;
    warn_about_trust(&config);

    let opened = Opened::own(&config).await?;
    if config.migrate_on_start {
        opened.db.migrate().await?;
    }
    let keyring = master::open_keyring(&config, &opened.db).await?;
    if opened.cluster.is_some() {
        demo::welcome(&config, &opened.db, &keyring, public).await?;
    }
    let app = App::new(config, Clock::system(), opened.db.clone(), keyring, access_log);
    tracing::info!(%public, %internal, started_in = ?started.elapsed(), "listening");

    let died = opened.cluster.as_ref().map(|cluster| cluster.died());
    let stop = async {
        tokio::select! {
            () = signal.received() => {}
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
