//! The OpenAPI document, a reference made from it, and a page to try operations on.
//!
//! The reference (`reference`) is HTML without a script. The page to try things has its scripts compiled in (Swagger UI,
//! see `assets/README.md`), so it works without internet and loads nothing from anywhere else; its content security
//! policy says so to the browser as well.

mod reference;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::reference::Reference;
use super::pages::Look;
use crate::error::{ApiError, Code};

const PAGE: &str = include_str!("assets/index.html");
const INIT: &str = include_str!("assets/init.js");
const STYLE: &str = include_str!("assets/swagger-ui.css");
const BUNDLE: &str = include_str!("assets/swagger-ui-bundle.js");

/// Swagger UI sets inline styles and draws icons from data URLs; scripts come from here only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// The most of a search that is looked at.
const LONGEST_SEARCH: usize = 200;

/// `/openapi.json` and `/docs`, for `document` in JSON.
pub fn routes<S: Clone + Send + Sync + 'static>(document: String) -> Router<S> {
    let asset =
        |content_type, body| get(move || async move { serve(content_type, Bytes::from_static(body)) });
    let look = Look::with(include_str!("assets/reference.css"));
    let document = Bytes::from(document);
    // Made for the first reader: most processes never have one, and every one starts.
    let reference = Arc::new(LazyLock::new({
        let document = document.clone();
        move || Reference::of(&document)
    }));
    let index = {
        let (look, reference) = (look.clone(), reference.clone());
        get(move |RawQuery(query): RawQuery| async move {
            look.reply(look.page("Reference", &reference::index(&reference, &searched(query))))
        })
    };
    Router::new()
        .route("/openapi.json", get(move || async move { serve("application/json", document) }))
        .route("/docs", index.clone())
        .route("/docs/", index)
        .route("/docs/{operation}", get(move |id: PageId| async move { shown(&look, &reference, id) }))
        .route("/docs/try", asset("text/html; charset=utf-8", PAGE.as_bytes()))
        .route("/docs/init.js", asset("text/javascript; charset=utf-8", INIT.as_bytes()))
        .route("/docs/swagger-ui.css", asset("text/css; charset=utf-8", STYLE.as_bytes()))
        .route("/docs/swagger-ui-bundle.js", asset("text/javascript; charset=utf-8", BUNDLE.as_bytes()))
}

/// `/internal/openapi.json`, for `document` in JSON.
pub fn internal<S: Clone + Send + Sync + 'static>(document: String) -> Router<S> {
    let document = Bytes::from(document);
    Router::new()
        .route("/internal/openapi.json", get(move || async move { serve("application/json", document) }))
}

/// The last part of a page's path, if it is text.
type PageId = Result<Path<String>, PathRejection>;

/// The page of an operation.
fn shown(look: &Look, reference: &Reference, id: PageId) -> Response {
    let Some(operation) = id.ok().and_then(|Path(id)| reference.find(&id)) else {
        return ApiError::new(Code::NotFound).into_response();
    };
    look.reply(look.page(operation.id(), &reference::operation(reference, operation)))
}

/// What is searched for: `q`, of whatever comes.
fn searched(query: Option<String>) -> String {
    let query = query.unwrap_or_default();
    let (_, text) =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q").unwrap_or_default();
    text.chars().take(LONGEST_SEARCH).collect()
}

fn serve(content_type: &'static str, body: Bytes) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_to_try_operations_refers_to_nothing_outside() {
        for text in [PAGE, INIT] {
            assert!(!text.contains("//"), "an address with a host");
            assert!(!text.contains("http"), "an address with a scheme");
        }
        assert!(!STYLE.contains("url(http") && !STYLE.contains("@import"));
    }

    #[test]
    fn a_search_is_whatever_was_typed_and_not_too_long() {
        assert_eq!(searched(Some("a=b&q=rotate+a%20key&q=other".to_owned())), "rotate a key");
        assert_eq!(searched(Some("q=%FF".to_owned())), "\u{FFFD}");
        assert_eq!(searched(None), "");
        assert_eq!(searched(Some(format!("q={}", "x".repeat(1_000)))).len(), 200);
    }
}
