//! `healthcheck`: exit 0 if the service on this machine is ready.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::CliError;
use super::output::Output;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `/readyz` on the internal listener.
pub fn run(mut address: SocketAddr, output: Output) -> Result<(), CliError> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
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
