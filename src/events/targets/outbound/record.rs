//! The facts about a connection while it serves: since when it stands, how many requests it
//! carried, and how the answer to the last one begins. The HTTP client tells none of this.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use chrono::{DateTime, Utc};
use hyper::Uri;
use hyper::http::StatusCode;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::{BoxError, Service};

use crate::clock::Clock;

/// As much of an answer as holds its status: `HTTP/1.1 200` and what follows it.
const STATUS_LINE: usize = 13;

/// The facts about one connection; clones share it.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    /// The time when the connection was ready to carry its first request.
    pub born: DateTime<Utc>,
    seen: Arc<Mutex<SeenExchange>>,
}

#[derive(Debug, Default)]
struct SeenExchange {
    requests: u32,
    /// The first bytes of the answer to the last request; empty while nothing has come.
    answer: Vec<u8>,
}

impl ConnectionRecord {
    pub(super) fn new(born: DateTime<Utc>) -> Self {
        Self { born, seen: Arc::default() }
    }

    /// Returns `true` if the last request was not the connection's first, and nothing came back for
    /// it.
    pub fn is_reused_and_silent(&self) -> bool {
        let seen = self.seen();
        seen.requests > 1 && seen.answer.is_empty()
    }

    /// Returns `true` if the last request was not the connection's first.
    pub fn is_reused(&self) -> bool {
        self.seen().requests > 1
    }

    /// The status in the first line of the last answer, even where the rest of its head is unreadable.
    pub fn status(&self) -> Option<StatusCode> {
        status(&self.seen().answer)
    }

    /// A write after an answer is the next request.
    fn wrote(&self) {
        let mut seen = self.seen();
        if seen.requests == 0 || !seen.answer.is_empty() {
            seen.requests += 1;
            seen.answer.clear();
        }
    }

    fn read(&self, bytes: &[u8]) {
        let answer = &mut self.seen().answer;
        let missing = STATUS_LINE - answer.len();
        answer.extend_from_slice(&bytes[..missing.min(bytes.len())]);
    }

    fn seen(&self) -> MutexGuard<'_, SeenExchange> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads `HTTP/1.x` and three digits, to their end.
fn status(line: &[u8]) -> Option<StatusCode> {
    let (version, rest) = line.split_at_checked(b"HTTP/1.x ".len())?;
    let (digits, end) = rest.split_at_checked(3)?;
    let is_http = version.starts_with(b"HTTP/1.") && version.ends_with(b" ");
    let is_whole = matches!(end.first(), Some(b' ' | b'\r' | b'\n'));
    if is_http && is_whole { StatusCode::from_bytes(digits).ok() } else { None }
}

/// A connector whose connections have a [`ConnectionRecord`].
#[derive(Clone)]
pub struct Recording<C> {
    pub connector: C,
    pub clock: Clock,
}

impl<C> Service<Uri> for Recording<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = Recorded<C::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, clock) = (self.connector.call(uri), self.clock.clone());
        Box::pin(async move {
            let stream = connecting.await?;
            Ok(Recorded { stream, record: ConnectionRecord::new(clock.now()) })
        })
    }
}

/// A connection with its [`ConnectionRecord`].
pub struct Recorded<T> {
    stream: T,
    record: ConnectionRecord,
}

impl<T: Connection> Connection for Recorded<T> {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.record.clone())
    }
}

impl<T: Read + Unpin> Read for Recorded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Through a buffer of our own: what a cursor was given cannot be read back from it.
        let mut space = [std::mem::MaybeUninit::uninit(); 8 * 1024];
        let length = buffer.remaining().min(space.len());
        let mut bytes = ReadBuf::uninit(&mut space[..length]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, bytes.unfilled()))?;
        if !bytes.filled().is_empty() {
            self.record.read(bytes.filled());
        }
        buffer.put_slice(bytes.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Recorded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.record.wrote();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.record.wrote();
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_off_the_first_line_and_only_if_it_is_whole() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1 204\n", Some(204)),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 200", None),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1  200 OK", None),
            ("HTTP/2.0 200 OK", None),
            ("http/1.1 200 OK", None),
            ("SMTP hello", None),
            ("", None),
        ] {
            let record = ConnectionRecord::new(DateTime::UNIX_EPOCH);
            line.bytes().for_each(|byte| record.read(&[byte]));
            assert_eq!(record.status().map(|status| status.as_u16()), expected, "{line:?}");
        }
    }

    #[test]
    fn a_write_after_an_answer_is_the_next_request() {
        let record = ConnectionRecord::new(DateTime::UNIX_EPOCH);
        record.wrote();
        record.wrote();
        assert!(!record.is_reused_and_silent(), "a first request written in two parts");
        record.read(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(!record.is_reused());
        record.wrote();
        assert!(record.is_reused_and_silent());
        record.read(b"H");
        assert!(record.is_reused() && !record.is_reused_and_silent());
    }
}
