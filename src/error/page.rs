//! An error as a page, for people in the portal; and the headers that every page is sent with.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use maud::{DOCTYPE, html};

use super::shape::{Shape, status};
use super::{ApiError, Failure};

/// The one stylesheet of all pages.
pub const STYLE: &str = include_str!("../portal/style.css");
/// Where it is. The number goes up with each change of it, since browsers keep it.
pub const STYLE_PATH: &str = "/portal/style-1.css";

/// Nothing runs, nothing comes from elsewhere, nobody puts a page into a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    // Browsers name the origin of a form to itself, which tells it from another site's.
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Sets what protects a page. It is kept nowhere, unless it says otherwise.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The page that says an error.
#[must_use]
pub fn of(error: &ApiError, request_id: &str) -> String {
    let status = status(error, Shape::Page);
    let (title, text) = words(error, status);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body.alone {
                main {
                    h1 { (title) }
                    p { (text) }
                    p { a.button href="/portal" { "Go to the portal" } }
                    p.quiet { "If you ask for help, name this request: " code { (request_id) } }
                }
            }
        }
    };
    page.into_string()
}

fn words(error: &ApiError, status: StatusCode) -> (&'static str, &str) {
    let said = match error {
        ApiError::Failed(Failure { message, .. }) => message.as_ref(),
        ApiError::Invalid(_) => "The address of this page is not valid.",
    };
    match status {
        StatusCode::UNAUTHORIZED => (
            "You are not in the portal",
            "Your session has ended, or you came here by a link on another site: then going on is enough. Otherwise open \
             the portal anew from where you opened it.",
        ),
        StatusCode::FORBIDDEN => ("That is not allowed", said),
        StatusCode::NOT_FOUND => ("There is nothing here", "This page, or what it showed, does not exist."),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("That does not work here", "This page is not there to be opened like that.")
        }
        status if status.is_server_error() => ("That did not work", said),
        _ => ("That was refused", said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn what_an_error_says_is_text_on_its_page() {
        let error = ApiError::with_message(Code::ServiceUnavailable, "ask <b>Ada</b> & \"Bob\"");
        let page = of(&error, "r1\"><script>");
        assert!(page.contains("ask &lt;b&gt;Ada&lt;/b&gt; &amp; &quot;Bob&quot;"), "{page}");
        assert!(!page.contains("<script>") && page.contains("r1&quot;&gt;&lt;script&gt;"), "{page}");
    }
}
