//! `GET /errors`: every error by its code, what happened and what to do, for people. Error replies lead here
//! (contract 1). The page and `docs/errors.md` are made from the closed sets of [`crate::error`] and from nothing else.

mod content;
mod html;
mod markdown;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;

pub use self::markdown::markdown;
use super::pages::Look;

/// Where the page is.
pub const PATH: &str = "/errors";

/// `/errors`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let look = Look::with(include_str!("style.css"));
    let page = Bytes::from(look.page("Errors", &html::body()));
    Router::new().route(PATH, get(move || async move { look.reply(page) }))
}
