//! `GET /`: what this is and where to read on, for people with a browser and for people with curl.
//! Links only: nothing of any org, nothing secret.

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::pages::{Look, escaped};

/// The links to read on, and what is there.
const LINKS: [(&str, &str, &str); 6] = [
    ("docs", "/docs", "All routes, with samples"),
    ("openapi", "/openapi.json", "The same as an OpenAPI document"),
    ("errors", "/errors", "Every error: what happened, what to do"),
    ("live", "/livez", "Whether the process lives"),
    ("jwks", "/.well-known/jwks.json", "The keys that verify tokens"),
    ("webhook_keys", "/.well-known/webhook-keys.json", "The keys that verify events"),
];

/// `/`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let look = Look::with("");
    let page = Bytes::from(look.page("Start", &body()));
    Router::new().route(
        "/",
        get(move |headers: HeaderMap| {
            let response = index(&headers, &look, page.clone());
            async move { response }
        }),
    )
}

fn index(headers: &HeaderMap, look: &Look, page: Bytes) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let mut response = if prefers_html(accept) {
        look.reply(page)
    } else {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-cache"),
        ];
        (headers, json()).into_response()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn json() -> String {
    let links: serde_json::Map<_, _> =
        LINKS.iter().map(|(name, path, _)| ((*name).to_owned(), (*path).into())).collect();
    let index = serde_json::json!({
        "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"), "links": links,
    });
    format!("{index}\n")
}

fn body() -> String {
    let links: String = LINKS
        .iter()
        .map(|(_, path, what)| format!("<li><a href=\"{path}\">{path}</a> {what}</li>\n"))
        .collect();
    let (version, purpose) = (env!("CARGO_PKG_VERSION"), escaped(env!("CARGO_PKG_DESCRIPTION")));
    format!("<main>\n<h1>partner-api {version}</h1>\n<p>{purpose}</p>\n<ul>\n{links}</ul>\n</main>\n")
}

/// Returns `true` if `accept` (RFC 9110 12.5.1) wants HTML rather than JSON; JSON where it does not
/// care.
fn prefers_html(accept: &str) -> bool {
    weight(accept, "text", "html") > weight(accept, "application", "json")
}

/// The weight of a type: its quality in thousandths, and how closely it is named.
fn weight(accept: &str, kind: &str, subtype: &str) -> (u16, u8) {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (range_kind, range_subtype) = parts.next()?.split_once('/')?;
        let closeness = match (range_kind, range_subtype) {
            ("*", "*") => 0,
            (named, "*") if named.eq_ignore_ascii_case(kind) => 1,
            (named, sub) if named.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => 2,
            _ => return None,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
        let quality: f32 = quality;
        Some((closeness, (quality.clamp(0.0, 1.0) * 1_000.0) as u16))
    });
    // A quality of 0 is "not acceptable", however closely the type is named.
    let closest = ranges.max().filter(|(_, quality)| *quality > 0);
    closest.map_or((0, 0), |(closeness, quality)| (quality, closeness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_everybody_else_gets_json() {
        for html in ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/*"]
        {
            assert!(prefers_html(html), "{html}");
        }
        for json in [
            "*/*",
            "",
            "application/json",
            "text/html;q=0.5, application/json",
            "text/html;q=0",
            "x",
            "image/png",
        ] {
            assert!(!prefers_html(json), "{json}");
        }
    }
}
