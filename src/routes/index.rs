//! `GET /`: what this is and where to read on, for people with a browser and for people with curl.
//! Links only: nothing of any org, nothing secret.

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

/// The links to read on, and what is there.
const LINKS: [(&str, &str, &str); 6] = [
    ("docs", "/docs", "All routes, with samples"),
    ("openapi", "/openapi.json", "The same as an OpenAPI document"),
    ("errors", "/errors", "Every error: what happened, what to do"),
    ("live", "/livez", "Whether the process lives"),
    ("jwks", "/.well-known/jwks.json", "The keys that verify tokens"),
    ("webhook_keys", "/.well-known/webhook-keys.json", "The keys that verify events"),
];

/// Nothing is loaded and nothing runs; the style is in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `/`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(index))
}

async fn index(headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let (content_type, body) = if prefers_html(accept) {
        ("text/html; charset=utf-8", page())
    } else {
        ("application/json", json())
    };
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept"),
    ];
    (headers, body)
}

fn json() -> String {
    let links: serde_json::Map<_, _> =
        LINKS.iter().map(|(name, path, _)| ((*name).to_owned(), (*path).into())).collect();
    let index = serde_json::json!({
        "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"), "links": links,
    });
    format!("{index}\n")
}

fn page() -> String {
    let links: String = LINKS
        .iter()
        .map(|(_, path, what)| format!("<li><a href=\"{path}\">{path}</a> {what}</li>\n"))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>partner-api</title>\n\
         <style>body {{ font-family: system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; \
         padding: 0 1rem; line-height: 1.6 }}</style>\n</head>\n<body>\n<main>\n\
         <h1>partner-api {}</h1>\n<p>{}</p>\n<ul>\n{links}</ul>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
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
