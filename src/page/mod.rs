//! What is around every page that the service makes: one head, one set of protecting headers. Pages for readers carry
//! their style in themselves; the portal and the console share a file, which browsers keep.

use axum::http::HeaderMap;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The one stylesheet of the portal and the console.
pub const STYLE: &str = include_str!("style.css");
/// The policy of pages whose style is that file.
pub const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

const HEADERS: [(HeaderName, &str); 5] = [
    // Browsers name the origin of a form to itself, which tells it from another site's.
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Sets what protects a page: nothing runs, nothing comes from elsewhere, nobody puts it into a frame. It is kept
/// nowhere, unless it says otherwise.
pub fn protect(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The policy of pages with their style in them, which has this SHA-256 in base64.
#[must_use]
pub fn policy_with_style(digest: &str) -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// A part of the service that people use with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// For a partner's people, on the public listener.
    Portal,
    /// For the platform's, on the internal one.
    Console,
}

impl Place {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Portal, Self::Console];

    /// Where its pages are.
    #[must_use]
    pub fn root(self) -> &'static str {
        match self {
            Self::Portal => "/portal",
            Self::Console => "/console",
        }
    }

    /// Where its style is. The number goes up with each change of it, since browsers keep it.
    #[must_use]
    pub const fn style_path(self) -> &'static str {
        match self {
            Self::Portal => "/portal/style-2.css",
            Self::Console => "/console/style-2.css",
        }
    }

    /// The place that a path is in.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let is_in = |place: &Self| {
            path.strip_prefix(place.root()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Self::ALL.into_iter().find(is_in)
    }
}

/// How a page looks.
#[derive(Clone, Copy, Debug)]
pub enum Style<'a> {
    /// As the pages of this place.
    Of(Place),
    /// By this text in the page itself.
    Within(&'a str),
}

/// A whole page: `body` is its element of that name.
#[must_use]
pub fn document(title: &str, style: Style<'_>, refresh: Option<u32>, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                // Nothing is asked for.
                link rel="icon" href="data:,";
                @match style {
                    Style::Of(place) => { link rel="stylesheet" href=(place.style_path()); }
                    Style::Within(text) => { style { (PreEscaped(text)) } }
                }
            }
            (body)
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_root_and_what_is_below() {
        for (path, place) in [
            ("/portal", Some(Place::Portal)),
            ("/portal/keys", Some(Place::Portal)),
            ("/console/", Some(Place::Console)),
            ("/portals", None),
            ("/consoles/x", None),
            ("/", None),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
        assert!(Place::ALL.into_iter().all(|place| Place::of(place.style_path()) == Some(place)));
    }

    #[test]
    fn a_title_is_text() {
        let page = document("</title><script>", Style::Within("a{}"), Some(5), &html! { body {} });
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"), "{page}");
        assert!(page.contains("content=\"5\"") && page.contains("<style>a{}</style>"), "{page}");
    }
}
