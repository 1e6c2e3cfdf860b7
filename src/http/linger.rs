//! The rest of a request's body that nobody reads, because the answer was clear before: a refusal,
//! or a database that is away.
//!
//! hyper would close the connection at once, and the client, still sending, would see a broken
//! pipe in place of the answer. So the rest is read and dropped for a while, while the answer is
//! on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::EXPECT;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

/// As much as the largest body that any route takes, and some more.
const AT_MOST: u64 = 12 * 1024 * 1024;
/// A body that takes longer is not worth the connection.
const WITHIN: Duration = Duration::from_secs(2);

/// Has the body read to its end even if the handler does not.
#[must_use]
pub fn wrap(request: Request) -> Request {
    // Who asks first whether to send a body hears the answer, and sends none.
    if HttpBody::is_end_stream(request.body()) || request.headers().contains_key(EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Lingering { body: Some(body) }))
}

struct Lingering {
    /// `None` once it has ended.
    body: Option<Body>,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !HttpBody::is_end_stream(body)) else { return };
        if body.size_hint().lower() <= AT_MOST {
            tokio::spawn(tokio::time::timeout(WITHIN, drain(body)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > AT_MOST {
            return;
        }
    }
}
