//! The access line: one for each request, written by hand.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use chrono::SecondsFormat;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::fmt::MakeWriter as _;
use uuid::Uuid;

use super::Format;
use crate::clock::Clock;
use crate::identity::Caller;
use crate::identity::client::ClientAddress;
use crate::metrics::method_name;
use crate::request_id::{RequestId, TraceContext};

/// Writes access lines, preformatted: the machinery for spans and fields would cost more than
/// most requests (docs/performance.md).
#[derive(Clone, Debug)]
pub struct AccessLog {
    pub(super) sink: Option<(NonBlocking, Format)>,
}

/// The content of an access line.
#[derive(Debug)]
pub struct AccessLine<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The route's template, if the path was known.
    pub route: Option<&'a str>,
    /// The status of the answer; `None` if the client hung up first.
    pub status: Option<StatusCode>,
    /// From the head of the request to the head of the reply.
    pub took: Duration,
    /// The request's id.
    pub request_id: &'a RequestId,
    /// The address that it came from.
    pub client: Option<ClientAddress>,
    /// The caller's trace.
    pub trace: Option<TraceContext>,
    /// The caller, once that was known.
    pub caller: Option<Caller>,
    /// The error's code.
    pub code: Option<&'static str>,
}

impl AccessLog {
    /// Writes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { sink: None }
    }

    /// Writes a line. Every value is a number, a UUID or from a closed set, so nothing needs
    /// escaping; a request id's alphabet is checked when it is taken.
    pub fn write(&self, clock: &Clock, access: &AccessLine<'_>) {
        let Some((sink, format)) = &self.sink else { return };
        let mut line = String::with_capacity(320);
        match format {
            Format::Json => access.write_json(&mut line, clock),
            Format::Pretty => access.write_pretty(&mut line, clock),
        }
        line.push('\n');
        // A full buffer drops the line; there is nobody to tell.
        let _ = sink.make_writer().write_all(line.as_bytes());
    }
}

impl AccessLine<'_> {
    /// nginx's number for a client that closed the connection before the answer.
    pub const CLIENT_CLOSED: u16 = 499;

    fn status(&self) -> u16 {
        self.status.map_or(Self::CLIENT_CLOSED, |status| status.as_u16())
    }

    fn write_json(&self, line: &mut String, clock: &Clock) {
        let timestamp = clock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let [mut status, mut took] = [itoa::Buffer::new(); 2];
        for part in [
            r#"{"timestamp":""#,
            &timestamp,
            r#"","level":"INFO","target":"access","message":"request","method":""#,
            method_name(self.method),
            r#"","route":""#,
            self.route.unwrap_or("none"),
            r#"","status":"#,
            status.format(self.status()),
            r#","duration_us":"#,
            took.format(self.took.as_micros()),
            r#","request_id":""#,
            self.request_id.as_str(),
            "\"",
        ] {
            line.push_str(part);
        }
        if let Some(ClientAddress(address)) = self.client {
            line.push_str(r#","client_address":""#);
            write_address(line, address);
            line.push('"');
        }
        if let Some(trace) = self.trace {
            line.push_str(r#","trace_id":""#);
            trace.write_trace_id(line);
            line.push('"');
        }
        if let Some(caller) = self.caller {
            // Of a member the org only: which of its users called is personal.
            let ids =
                [Some(("org_id", caller.org_id().0)), caller.key_id().map(|key_id| ("key_id", key_id.0))];
            for (name, id) in ids.into_iter().flatten() {
                let mut buffer = Uuid::encode_buffer();
                let id = &*id.hyphenated().encode_lower(&mut buffer);
                [",\"", name, "\":\"", id, "\""].iter().for_each(|part| line.push_str(part));
            }
        }
        if let Some(code) = self.code {
            let _ = write!(line, r#","code":"{code}""#);
        }
        line.push('}');
    }

    fn write_pretty(&self, line: &mut String, clock: &Clock) {
        let _ = write!(
            line,
            "{}  {} {:6} {} {} {:?}",
            clock.now().format("%H:%M:%S%.3f"),
            self.status(),
            method_name(self.method),
            self.route.unwrap_or("(no such route)"),
            self.code.unwrap_or_default(),
            self.took,
        );
        if let Some(ClientAddress(address)) = self.client {
            let _ = write!(line, " {address}");
        }
    }
}

/// An address as it displays, in a third of the time.
fn write_address(line: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        let _ = write!(line, "{address}");
        return;
    };
    for (position, octet) in address.octets().into_iter().enumerate() {
        if position > 0 {
            line.push('.');
        }
        line.push_str(itoa::Buffer::new().format(octet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_displays() {
        for address in ["0.0.0.0", "127.0.0.1", "255.10.9.200", "::1", "2001:db8::ffff:0"] {
            let mut line = String::new();
            write_address(&mut line, address.parse().unwrap());
            assert_eq!(line, address);
        }
    }
}
