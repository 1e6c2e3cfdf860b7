//! `healthcheck`: exit 0 if the service on this machine is ready.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::CliError;
use super::output::Output;
use crate::readiness::NotReady;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `/readyz` on the internal listener.
pub fn run(address: SocketAddr, output: Output) -> Result<(), CliError> {
    let address = on_this_machine(address);
    let problem = match ask(address) {
        Err(error) => Some(format!("no answer from {address}: {error}")),
        Ok(reply) if is_ready(&reply) => None,
        Ok(reply) => Some(format!("not ready: {}", reason(&reply))),
    };
    if output.json {
        output.show(&json!({ "ready": problem.is_none(), "problem": problem }), "")?;
    }
    problem.map_or(Ok(()), |problem| Err(problem.into()))
}

/// What a service of ours says of itself at an address; `None` where something else listens.
pub fn readiness(address: SocketAddr) -> Option<String> {
    let reply = ask(on_this_machine(address)).ok()?;
    let said = reason(&reply);
    let is_ours = is_ready(&reply) || NotReady::ALL.iter().any(|reason| reason.text() == said);
    is_ours.then(|| said.to_owned())
}

/// Where to ask a service that listens on all addresses.
fn on_this_machine(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// One request needs no HTTP client.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.take(8 * 1024).read_to_string(&mut reply)?;
    Ok(reply)
}

fn is_ready(reply: &str) -> bool {
    let status = reply.lines().next().unwrap_or_default();
    status.split(' ').nth(1) == Some("200")
}

fn reason(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or("no reply", |(_, body)| body.trim())
}
