//! Logs on standard output: one access line a request, and one line a failure with its cause.
//! Neither holds personal data but the client's address in an access line: route templates instead
//! of paths, ids of orgs and keys only.

mod access_line;
mod filter;

use std::io::{self, BufWriter, Write};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::access_line::{AccessLine, AccessLog};
pub use self::filter::LogFilter;
use crate::db::notices;

/// Lines that may wait for the disk; beyond that they are dropped rather than slow a request down.
const BUFFERED_LINES: usize = 16_384;

/// The time that the thread which writes lines rests after each write. Lines of that time share the next one, and no
/// request among them has to wake the thread, which is as dear as all that is in the line.
const REST: Duration = Duration::from_millis(5);

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
        .finish(Resting(BufWriter::with_capacity(64 * 1024, out)));
    let is_terminal = io::IsTerminal::is_terminal(&io::stdout());
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

/// Rests each time that it was flushed.
struct Resting<W>(W);

impl<W: Write> Write for Resting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.0.flush();
        thread::sleep(REST);
        flushed
    }
}
