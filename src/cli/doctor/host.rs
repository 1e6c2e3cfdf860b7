//! This machine: the addresses to listen on, and the directory of the embedded Postgres.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::finding::Report;
use crate::cli::{cluster, healthcheck};
use crate::config::Config;

/// Postgres stops when its disk is full.
const SCARCE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 100 << 20;

/// Looks whether the addresses are free, or the service's already.
pub async fn listeners(config: &Config, report: &mut Report) {
    for (variable, address) in
        [("LISTEN_ADDR", config.listen_addr), ("INTERNAL_LISTEN_ADDR", config.internal_listen_addr)]
    {
        let ready = tokio::task::spawn_blocking(move || look(address)).await;
        judge(variable, address, ready.unwrap_or(Listener::Foreign), report);
    }
}

enum Listener {
    Free,
    /// A service of ours listens there; its answer to `/readyz`.
    Ours(String),
    Foreign,
    Refused(std::io::Error),
}

fn look(address: SocketAddr) -> Listener {
    match TcpListener::bind(address) {
        Ok(_) => Listener::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => match healthcheck::readiness(address) {
            Some(readiness) => Listener::Ours(readiness),
            None => Listener::Foreign,
        },
        Err(error) => Listener::Refused(error),
    }
}

fn judge(variable: &str, address: SocketAddr, listener: Listener, report: &mut Report) {
    const CHECK: &str = "listeners";
    let at = format!("{variable}={address}");
    match listener {
        Listener::Free => report.ok(CHECK, format!("{at} is free")),
        Listener::Ours(readiness) if readiness == "ok" => {
            report.ok(CHECK, format!("{at}: a running service, which is ready"));
        }
        Listener::Ours(readiness) => report.warn(
            CHECK,
            format!("{at}: a running service, which is not ready: {readiness}"),
            "see what else this report says; the service's log names each failure",
        ),
        Listener::Foreign => report.fail(
            CHECK,
            format!("{at} is taken by another program"),
            format!("end that program, or set {variable} to another address"),
        ),
        Listener::Refused(error) => report.fail(
            CHECK,
            format!("{at}: {error}"),
            "take an address of this machine, and a port that this user may listen on (above 1023)",
        ),
    }
}

/// Looks at what the embedded Postgres needs: binaries, a way to its directory, room.
pub fn data_dir(config: &Config, report: &mut Report) {
    const CHECK: &str = "data directory";
    let directory = &config.data_dir;
    match cluster::look(config) {
        Ok(binaries) => {
            report.ok(CHECK, format!("{}; Postgres from {}", directory.display(), binaries.display()))
        }
        Err(error) => {
            report.fail(CHECK, error.to_string(), "install Postgres 15 or later, or set DATABASE_URL")
        }
    }
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
    let existing = absolute.ancestors().find(|directory| directory.is_dir()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(existing) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return report.warn(CHECK, format!("its disk cannot be asked: {error}"), "look at it"),
    };
    let seen = format!("{} MiB free", free >> 20);
    let advice = "make room, or move DATA_DIR: Postgres stops when its disk is full";
    match free {
        ..TOO_LITTLE => report.fail(CHECK, seen, advice),
        TOO_LITTLE..SCARCE => report.warn(CHECK, seen, advice),
        _ => report.ok(CHECK, seen),
    }
}
