//! A body that was written piece by piece and is given out the same way: it never needs one block
//! of memory for all of it, and what the client has taken is freed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// The size of a piece: as much as a connection takes over at a time.
const PIECE: usize = 64 * 1024;

/// A body in pieces.
#[derive(Debug, Default)]
pub struct Chunks {
    full: VecDeque<Bytes>,
    filling: Vec<u8>,
    length: u64,
}

impl Chunks {
    /// Appends a line, which `write` writes; gives its length.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.filling.len();
        write(&mut self.filling);
        self.filling.push(b'\n');
        let length = self.filling.len() - before;
        self.length += length as u64;
        if self.filling.len() >= PIECE {
            self.close();
        }
        length
    }

    /// The body: nothing is appended any more.
    #[must_use]
    pub fn finish(mut self) -> Self {
        if !self.filling.is_empty() {
            self.close();
        }
        self
    }

    fn close(&mut self) {
        let mut piece = mem::take(&mut self.filling);
        piece.shrink_to_fit();
        self.full.push_back(piece.into());
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.full.pop_front();
        self.length -= piece.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.full.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_line_by_line_comes_out_whole_and_in_pieces() {
        let (mut chunks, mut expected) = (Chunks::default(), Vec::new());
        for number in 0..5_000_u64 {
            let line = vec![b'x'; usize::try_from(number % 100).unwrap()];
            assert_eq!(chunks.line(|out| out.extend(&line)), line.len() + 1);
            expected.extend(line);
            expected.push(b'\n');
        }
        let mut chunks = chunks.finish();
        assert_eq!(chunks.size_hint().exact(), Some(expected.len() as u64));
        let mut whole = Vec::new();
        while let Some(Ok(frame)) = chunks.frame().await {
            let piece = frame.into_data().expect("data");
            assert!(piece.len() <= PIECE + 100);
            whole.extend(piece);
        }
        assert_eq!(whole, expected);
        assert!(chunks.is_end_stream());
    }

    #[test]
    fn nothing_is_an_empty_body() {
        let chunks = Chunks::default().finish();
        assert_eq!((chunks.is_end_stream(), chunks.size_hint().exact()), (true, Some(0)));
    }
}
