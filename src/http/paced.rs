//! A connection whose client must take what it is sent: hyper has limits for reading and none for
//! writing, and an answer that waits for its client holds memory and a permit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The time for which a client may take nothing. Three times the timeout of a request: a gateway
/// that restarts or a phone that changes networks is back by then, and whoever is not does not
/// read.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The bytes that it must take in that time, while there is more: 2 KiB a second, a modem's pace.
/// Who takes a byte now and then holds an answer for no longer than its size allows.
pub const PACE: usize = 64 * 1024;

/// A stream that fails when its client does not take what is written.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    /// Since the client last left something lying, until it has taken everything.
    waiting: Option<StalledWrite>,
    is_given_up: bool,
}

#[derive(Debug)]
struct StalledWrite {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> Paced<S> {
    /// Watches over what is written to `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, waiting: None, is_given_up: false }
    }

    /// The stream, if its client was given up.
    pub fn given_up(self) -> Option<S> {
        self.is_given_up.then_some(self.stream)
    }

    /// The stream.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Judges a write: whether the client took something, or has taken too little for too long.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(taken)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.taken += taken;
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                let waiting = self
                    .waiting
                    .get_or_insert_with(|| StalledWrite { until: Box::pin(sleep(PATIENCE)), taken: 0 });
                while waiting.until.as_mut().poll(cx).is_ready() {
                    if waiting.taken < PACE {
                        self.is_given_up = true;
                        let message = "the client does not take its answer";
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
                    }
                    waiting.taken = 0;
                    waiting.until.as_mut().reset(Instant::now() + PATIENCE);
                }
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when everything is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    /// Writes 1 MiB through a pipe of 4 KiB to a client who does as `read` says; how it ended, and
    /// after how long.
    async fn write_to<F: Future<Output = ()> + Send + 'static>(
        read: impl FnOnce(DuplexStream) -> F,
    ) -> (io::Result<()>, Duration) {
        let (ours, theirs) = duplex(4 * 1024);
        let mut stream = Paced::new(ours);
        let client = tokio::spawn(read(theirs));
        let began = Instant::now();
        let written = async {
            stream.write_all(&vec![0; 1024 * 1024]).await?;
            stream.flush().await
        };
        let outcome = written.await;
        client.abort();
        assert_eq!(stream.given_up().is_some(), outcome.is_err());
        (outcome, began.elapsed())
    }

    /// Reads some bytes every second.
    async fn read_slowly(mut stream: DuplexStream, bytes: usize) {
        let mut buffer = vec![0; bytes];
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if stream.read_exact(&mut buffer).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_or_a_byte_a_second_is_given_up() {
        let silent = async |stream| {
            let _kept: DuplexStream = stream;
            std::future::pending().await
        };
        for (outcome, took) in [write_to(silent).await, write_to(|stream| read_slowly(stream, 1)).await] {
            assert_eq!(outcome.expect_err("it is given up").kind(), io::ErrorKind::TimedOut);
            assert_eq!(took.as_secs(), 30);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_keeps_the_pace_gets_everything() {
        let (outcome, took) = write_to(|stream| read_slowly(stream, 4 * 1024)).await;
        outcome.expect("all is sent");
        assert_eq!(took.as_secs(), 255);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_is_forgotten_between_two_answers() {
        let (ours, mut theirs) = duplex(4);
        let mut stream = Paced::new(ours);
        for _ in 0..3 {
            let (written, _) = tokio::join!(
                async {
                    stream.write_all(b"12345678").await?;
                    stream.flush().await
                },
                async {
                    tokio::time::sleep(Duration::from_secs(20)).await;
                    theirs.read_exact(&mut [0; 8]).await.expect("it arrives")
                }
            );
            written.expect("20 seconds are not too long");
        }
    }
}
