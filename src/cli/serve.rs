//! `serve`: the service, and in development the Postgres under it.

use std::net::IpAddr;
use std::time::Instant;

use super::database::OpenedDatabase;
use super::{CliError, demo};
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
    warn_about_internal(&config);

    let opened = OpenedDatabase::own(&config).await?;
    opened.prepare(&config).await?;
    let keyring = opened.keyring().await?;
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

/// The internal listener tells who owns a key, and what the service does, to whoever asks.
fn warn_about_internal(config: &Config) {
    let address = config.internal_listen_addr;
    if !is_private(address.ip()) {
        tracing::warn!(
            %address,
            "INTERNAL_LISTEN_ADDR can be reached from other networks: let only the gateway and Prometheus through"
        );
    }
}

/// Loopback, or an address of a private network (RFC 1918, RFC 4193, RFC 3927, RFC 4291).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_private_networks_are_private() {
        for private in ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.7", "172.16.0.1", "fd00::7", "fe80::1"] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["0.0.0.0", "::", "203.0.113.7", "172.32.0.1", "2001:db8::7"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
