//! The permits that a request holds until its answer has been taken.
//!
//! An answer that a client does not read stays in memory. If its permit were free once the handler
//! is done, whoever asks and never reads could make the service hold any number of answers; so the
//! permit goes with the answer's last bytes to the connection, and is free when they are sent or
//! the connection ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::shares::Share;

/// The permit of a concurrency limit, and the caller's share of it.
#[derive(Debug)]
pub struct Permits {
    _permit: Option<OwnedSemaphorePermit>,
    _share: Option<Arc<Share>>,
}

impl Permits {
    /// Takes the edge's permit and the gate's share.
    #[must_use]
    pub fn new(permit: Option<OwnedSemaphorePermit>, share: Option<Arc<Share>>) -> Self {
        Self { _permit: permit, _share: share }
    }
}

/// Holds `permits` until the answer was taken. A head alone is a few hundred bytes, and holds nothing.
#[must_use]
pub fn until_sent(response: Response, permits: Permits) -> Response {
    if HttpBody::is_end_stream(response.body()) {
        return response;
    }
    response.map(|body| Body::new(HeldBody { body, permits: Some(permits) }))
}

struct HeldBody {
    body: Body,
    /// `None` once it went with the last bytes.
    permits: Option<Permits>,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !HttpBody::is_end_stream(&self.body) {
            return Poll::Ready(frame);
        }
        // The connection drops a body as soon as it has all of it, long before the client has.
        let permits = self.permits.take();
        let attach = |data| Bytes::from_owner(Last { data, _permits: permits });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(attach))))
    }

    fn is_end_stream(&self) -> bool {
        HttpBody::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

/// An answer's last bytes.
struct Last {
    data: Bytes,
    _permits: Option<Permits>,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    fn hold(semaphore: &Arc<Semaphore>, body: Body) -> Body {
        let permits = Permits::new(semaphore.clone().try_acquire_owned().ok(), None);
        until_sent(Response::new(body), permits).into_body()
    }

    #[tokio::test]
    async fn a_permit_is_free_when_the_last_bytes_are_gone_and_not_before() {
        let semaphore = Arc::new(Semaphore::new(1));
        let mut body = hold(&semaphore, Body::from("whole"));
        let sent = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        drop(body);
        assert_eq!((&sent[..], semaphore.available_permits()), (&b"whole"[..], 0));
        let rest = sent.slice(3..);
        drop(sent);
        assert_eq!(semaphore.available_permits(), 0);
        drop(rest);
        assert_eq!(semaphore.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_answer_in_pieces_holds_its_permit_until_it_is_dropped_or_taken() {
        let semaphore = Arc::new(Semaphore::new(1));
        let pieces = || Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, std::io::Error>)));
        let mut body = hold(&semaphore, pieces());
        drop(body.frame().await);
        assert_eq!(semaphore.available_permits(), 0);
        drop(body);
        assert_eq!(semaphore.available_permits(), 1, "the client hung up");
        assert_eq!(hold(&semaphore, pieces()).collect().await.expect("no error").to_bytes(), "ab");
        assert_eq!(semaphore.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_answer_without_a_body_holds_nothing_and_sizes_stay_known() {
        let semaphore = Arc::new(Semaphore::new(1));
        let body = hold(&semaphore, Body::empty());
        assert_eq!(semaphore.available_permits(), 1);
        assert!(HttpBody::is_end_stream(&body));
        assert_eq!(HttpBody::size_hint(&hold(&semaphore, Body::from("whole"))).exact(), Some(5));
    }
}
