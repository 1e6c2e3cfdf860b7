//! An error as a page, for people in the portal and in the console.

use axum::http::StatusCode;
use maud::html;

use super::shape::{Shape, status};
use super::{ApiError, Failure};
use crate::page::{Place, Style, document};

/// The page that says an error.
#[must_use]
pub fn of(error: &ApiError, place: Place, request_id: &str) -> String {
    let status = status(error, Shape::Page(place));
    let (title, text) = words(error, place, status);
    let (way, to) = match (place, status) {
        (Place::Portal, _) => ("Go to the portal", place.root()),
        (Place::Console, StatusCode::UNAUTHORIZED) => ("Sign in", "/console/login"),
        (Place::Console, _) => ("Go to the console", place.root()),
    };
    let body = html! {
        body.alone {
            main {
                h1 { (title) }
                p { (text) }
                @if let ApiError::Failed(Failure { details, .. }) = error {
                    @for detail in details { p { code { (detail.message) } } }
                }
                p { a.button href=(to) { (way) } }
                p.quiet { "If you ask for help, name this request: " code { (request_id) } }
            }
        }
    };
    document(title, Style::Of(place), None, &body)
}

fn words(error: &ApiError, place: Place, status: StatusCode) -> (&'static str, &str) {
    let said = match error {
        ApiError::Failed(Failure { message, .. }) => message.as_ref(),
        ApiError::Invalid(_) => "The address of this page is not valid.",
    };
    match status {
        StatusCode::UNAUTHORIZED if place == Place::Console => (
            "You are not signed in",
            "Your session has ended, or you came here by a link on another site: then signing in leads on at once.",
        ),
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
        let page = of(&error, Place::Portal, "r1\"><script>");
        assert!(page.contains("ask &lt;b&gt;Ada&lt;/b&gt; &amp; &quot;Bob&quot;"), "{page}");
        assert!(!page.contains("<script>") && page.contains("r1&quot;&gt;&lt;script&gt;"), "{page}");
    }
}
