//! What the service's pages for readers share: nothing runs, nothing is loaded, and the one style is in the page, named
//! by its digest in the policy.

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use maud::{PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::page::{self, Style};

/// The look that is common to the pages; each adds its own.
const STYLE: &str = include_str!("pages.css");

/// How pages of a kind look, and the policy that goes with it.
#[derive(Clone)]
pub struct Look {
    style: String,
    policy: HeaderValue,
}

impl Look {
    /// The common look and `more` of a page's own.
    #[must_use]
    pub fn with(more: &str) -> Self {
        let style = format!("{STYLE}{more}");
        let policy = page::policy_with_style(&BASE64_STANDARD.encode(Sha256::digest(&style)));
        Self { style, policy: policy.try_into().expect("base64 is fit for a header") }
    }

    /// A whole page around `body`, which is HTML; `title` is text.
    #[must_use]
    pub fn page(&self, title: &str, body: &str) -> String {
        let body = html! { body { (PreEscaped(body)) } };
        page::document(&format!("{title} · partner-api"), Style::Within(&self.style), None, &body)
    }

    /// The reply with a page that [`Look::page`] made.
    pub fn reply(&self, page: impl Into<Bytes>) -> Response {
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
        let mut response = (headers, page.into()).into_response();
        page::protect(response.headers_mut(), self.policy.clone());
        response
    }
}

/// Text as HTML, also within attributes.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code spans` as HTML.
#[must_use]
pub fn spans(text: &str) -> String {
    let text = escaped(text);
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_is_text_in_every_place() {
        assert_eq!(escaped("<b a=\"x\">&"), "&lt;b a=&quot;x&quot;&gt;&amp;");
        assert_eq!(spans("use `a<b` or b"), "use <code>a&lt;b</code> or b");
        assert!(
            Look::with("").page("</title><script>", "").contains("<title>&lt;/title&gt;&lt;script&gt; · ")
        );
    }
}
