//! The OpenAPI document and an interactive page over it. The page's assets are compiled in
//! (Swagger UI, see `assets/README.md`), so it works without internet and loads nothing from
//! anywhere else; its content security policy says so to the browser as well.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("assets/index.html");
const INIT: &str = include_str!("assets/init.js");
const STYLE: &str = include_str!("assets/swagger-ui.css");
const BUNDLE: &str = include_str!("assets/swagger-ui-bundle.js");

/// Swagger UI sets inline styles and draws icons from data URLs; scripts come from here only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// `/openapi.json` and `/docs`, for `document` in JSON.
pub fn routes<S: Clone + Send + Sync + 'static>(document: String) -> Router<S> {
    let document = Bytes::from(document);
    let asset =
        |content_type, body| get(move || async move { serve(content_type, Bytes::from_static(body)) });
    Router::new()
        .route("/openapi.json", get(move || async move { serve("application/json", document) }))
        .route("/docs", asset("text/html; charset=utf-8", PAGE.as_bytes()))
        .route("/docs/", asset("text/html; charset=utf-8", PAGE.as_bytes()))
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
    fn the_page_refers_to_nothing_outside() {
        for text in [PAGE, INIT] {
            assert!(!text.contains("//"), "an address with a host");
            assert!(!text.contains("http"), "an address with a scheme");
        }
        assert!(!STYLE.contains("url(http") && !STYLE.contains("@import"));
    }
}
