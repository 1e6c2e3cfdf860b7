//! What the service's pages for readers share: nothing runs, nothing is loaded, and the one style is in the page, named
//! by its digest in the policy.

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

/// The look that is common to the pages; each adds its own.
const STYLE: &str = include_str!("pages.css");

/// How pages of a kind look, and the policy that goes with it.
#[derive(Clone)]
pub struct Look {
    style: String,
    policy: String,
}

impl Look {
    /// The common look and `more` of a page's own.
    #[must_use]
    pub fn with(more: &str) -> Self {
        let style = format!("{STYLE}{more}");
        let digest = BASE64_STANDARD.encode(Sha256::digest(&style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        Self { style, policy }
    }

    /// A whole page around `body`, which is HTML; `title` is text.
    #[must_use]
    pub fn page(&self, title: &str, body: &str) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} · partner-api</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
            escaped(title),
            self.style,
        )
    }

    /// The reply with a page that [`Look::page`] made.
    pub fn reply(&self, page: impl Into<Bytes>) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, self.policy.as_str()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CACHE_CONTROL, "no-cache"),
        ];
        (headers, page.into()).into_response()
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
