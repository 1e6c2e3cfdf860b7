//! Logs on standard output: one access line a request, and one line a failure with its cause.
//! Neither holds personal data but the client's address in an access line: route templates instead
//! of paths, ids of orgs and keys only.

mod filter;

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use chrono::SecondsFormat;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::MakeWriter as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::filter::LogFilter;
use crate::clock::Clock;
use crate::db::notices;
use crate::identity::Caller;
use crate::identity::client::ClientAddress;
use crate::metrics::method_name;
use crate::request_id::{RequestId, TraceContext};

/// Lines that may wait for the disk; beyond that they are dropped rather than slow a request down.
const BUFFERED_LINES: usize = 16_384;

/// The format of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Sets logging up for the process. The guard flushes what waits when it is dropped.
pub fn init(format: Format, filter: &LogFilter) -> (AccessLog, WorkerGuard) {
    // A plain buffer: `Stdout` itself would flush at every line.
    let out = std::fs::File::from(rustix::io::dup(rustix::stdio::stdout()).expect("standard output is open"));
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("log")
        .finish(BufWriter::with_capacity(64 * 1024, out));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer.clone()).with_ansi(is_terminal);
    let lines = match format {
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        Format::Pretty => lines.with_target(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.targets()))
        .with(notices::listening())
        .init();
    (AccessLog { sink: Some((writer, format)) }, guard)
}

/// Writes access lines, preformatted: the machinery for spans and fields would cost more than
/// most requests (docs/performance.md).
#[derive(Clone, Debug)]
pub struct AccessLog {
    sink: Option<(NonBlocking, Format)>,
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
        let _ = write!(
            line,
            r#"{{"timestamp":"{}","level":"INFO","target":"access","message":"request","method":"{}","route":"{}","status":{},"duration_us":{},"request_id":"{}""#,
            clock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
            method_name(self.method),
            self.route.unwrap_or("none"),
            self.status(),
            self.took.as_micros(),
            self.request_id.as_str(),
        );
        if let Some(ClientAddress(address)) = self.client {
            let _ = write!(line, r#","client_address":"{address}""#);
        }
        if let Some(trace) = self.trace {
            line.push_str(r#","trace_id":""#);
            trace.write_trace_id(line);
            line.push('"');
        }
        if let Some(caller) = self.caller {
            // Of a member the org only: which of its users called is personal.
            let _ = write!(line, r#","org_id":"{}""#, caller.org_id());
            if let Some(key_id) = caller.key_id() {
                let _ = write!(line, r#","key_id":"{key_id}""#);
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
