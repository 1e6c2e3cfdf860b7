//! What a listener's connections talk to: the router, and before it what memory alone can answer.
//!
//! The gateway asks whose a key is for every request of every partner, and mostly it is one that was seen alive a moment
//! ago. That is answered where the request is read, without router, layers and boxed futures, which cost more than the
//! answer (docs/performance.md). Whatever is out of the ordinary goes through the layers.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use http_body::Body as HttpBody;
use tower::{BoxError, Service as _};

use super::access::AccessRecord;
use super::edge::{self, MAX_HEADER_BYTES};
use crate::identity::client::Peer;
use crate::identity::host;
use crate::limits::Limit;
use crate::request_id::X_REQUEST_ID;
use crate::routes::gateway::{self, Recalled};
use crate::state::App;

/// A listener's answers.
#[derive(Clone)]
pub struct Door {
    router: Router,
    /// Where the gateway asks.
    asked: Option<App>,
}

/// An answer on its way, or here already.
pub type Answer = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

impl Door {
    /// The router alone.
    pub(super) fn routed(router: Router) -> Self {
        Self { router, asked: None }
    }

    /// At this one the gateway asks.
    pub(super) fn asked(self, app: &App) -> Self {
        Self { asked: Some(app.clone()), ..self }
    }

    /// Answers a request that came over a connection from `peer`.
    pub fn answer<B>(&self, peer: Option<Peer>, mut request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // A panic is the router's to answer: asked once more, it says so in its form.
        let at_once = self.asked.as_ref().and_then(|app| {
            catch_unwind(AssertUnwindSafe(|| from_memory(app, peer, &request))).unwrap_or_default()
        });
        if let Some(response) = at_once {
            return Either::Left(ready(Ok(response)));
        }
        peer.map(|peer| request.extensions_mut().insert(peer));
        Either::Right(self.router.clone().call(request.map(Body::new)))
    }
}

/// The answer to the gateway's question about a key that is alive, if it is asked as gateways do and there is room.
fn from_memory<B: HttpBody>(app: &App, peer: Option<Peer>, request: &Request<B>) -> Option<Response> {
    if request.uri().path() != gateway::QUESTION {
        return None;
    }
    let started = Instant::now();
    // First, so that a key which memory does not know goes on to the router at once.
    let key = Recalled::of(app, request.headers())?;
    let is_ordinary = request.uri().authority().is_none()
        && request.body().is_end_stream()
        && edge::size(request.headers()) <= MAX_HEADER_BYTES
        && host::is_named(request.version(), request.headers());
    if !is_ordinary || app.limits.permits(Limit::Internal).available_permits() == 0 {
        return None;
    }
    let mut response = key.answer(app);
    let record = AccessRecord::open(app, started, peer, Some(gateway::QUESTION), request);
    response.headers_mut().insert(X_REQUEST_ID, record.request_id.header());
    record.close(&response, None);
    Some(response)
}
