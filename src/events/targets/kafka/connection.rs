//! A connection to a broker: one request at a time, and answers as large as they may be.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::answer::Answer;
use super::request::Request;
use crate::events::targets::error::Reason;
use crate::events::targets::outbound::Stream;

/// The largest answer that is read, in bytes: what is said of a topic of 5,000 partitions with three replicas
/// each.
const MAX_ANSWER: usize = 256 * 1024;

/// A connection that stands.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// Numbers the requests.
    count: i32,
    /// When it was opened.
    pub born: Instant,
}

/// A request without an answer. The connection is of no use any more.
#[derive(Debug)]
pub struct Unanswered {
    pub reason: Reason,
    /// Not a byte came back.
    pub is_silent: bool,
}

impl From<Unanswered> for Reason {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.reason
    }
}

impl Connection {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, count: 0, born: Instant::now() }
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &mut Request) -> Result<Answer, Unanswered> {
        let silent = |error: io::Error| Unanswered { reason: broken(&error), is_silent: true };
        self.count = self.count.wrapping_add(1);
        self.stream.write_all(request.numbered(self.count)).await.map_err(silent)?;
        self.stream.flush().await.map_err(silent)?;
        let length = self.stream.read_i32().await.map_err(silent)?;
        self.read(length).await.map_err(|reason| Unanswered { reason, is_silent: false })
    }

    async fn read(&mut self, length: i32) -> Result<Answer, Reason> {
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ANSWER);
        let length = length.ok_or(Reason::InvalidResponse)?;
        // It grows with what comes: what is only promised takes no memory.
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(length as u64).read_to_end(&mut bytes).await;
        if read.map_err(|error| broken(&error))? < length {
            return Err(Reason::Closed);
        }
        let mut answer = Answer::new(bytes);
        if answer.i32()? == self.count { Ok(answer) } else { Err(Reason::InvalidResponse) }
    }
}

/// Brokers refuse much by closing; a client's certificate that they miss, with an alert after the handshake.
fn broken(error: &io::Error) -> Reason {
    if error.kind() == io::ErrorKind::InvalidData { Reason::Tls } else { Reason::Closed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn connection() -> (Connection, DuplexStream) {
        let (ours, theirs) = duplex(64 * 1024);
        (Connection::new(Box::new(ours)), theirs)
    }

    /// Asks a broker that answers with these bytes and hangs up.
    async fn answered(bytes: &[u8]) -> Result<Answer, Unanswered> {
        let (mut connection, mut broker) = connection();
        broker.write_all(bytes).await.expect("room");
        broker.shutdown().await.expect("open");
        connection.ask(&mut Request::metadata("events")).await
    }

    #[tokio::test]
    async fn requests_are_numbered_and_answers_must_have_the_number() {
        let (mut connection, mut broker) = connection();
        for number in 1..=2_u8 {
            broker.write_all(&[0, 0, 0, 6, 0, 0, 0, number, 0, 7]).await.expect("room");
            let answer = connection.ask(&mut Request::metadata("events")).await;
            assert_eq!(answer.expect("an answer").i16(), Ok(7));
            let length = broker.read_i32().await.expect("a request");
            let mut sent = vec![0; usize::try_from(length).expect("a length")];
            broker.read_exact(&mut sent).await.expect("all of it");
            assert_eq!(sent[..8], [0, 3, 0, 7, 0, 0, 0, number]);
            assert!(sent.ends_with(b"\0\x06events\0"));
        }
        let other = answered(&[0, 0, 0, 6, 0, 0, 0, 9, 0, 7]).await.expect_err("another number");
        assert_eq!((other.reason, other.is_silent), (Reason::InvalidResponse, false));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_or_is_too_large_has_its_class() {
        for (bytes, reason, is_silent) in [
            (&b""[..], Reason::Closed, true),
            (&[0, 0, 0], Reason::Closed, true),
            (&[0, 0, 0, 6, 0, 0], Reason::Closed, false),
            (&[0, 0, 0, 2, 0, 0], Reason::InvalidResponse, false),
            (&[0xff, 0xff, 0xff, 0xff], Reason::InvalidResponse, false),
            (&[0, 4, 0, 1, 0, 0, 0, 1], Reason::InvalidResponse, false),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason::InvalidResponse, false),
        ] {
            let failed = answered(bytes).await.expect_err("no answer");
            assert_eq!((failed.reason, failed.is_silent), (reason, is_silent), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_answer_or_a_class(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            if let Err(failed) = runtime.block_on(answered(&bytes)) {
                prop_assert!(matches!(failed.reason, Reason::Closed | Reason::InvalidResponse));
            }
        }
    }
}
