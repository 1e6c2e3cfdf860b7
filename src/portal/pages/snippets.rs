//! Code to begin with. The files are run against the service by `tests/interop/portal`.

use axum::response::Response;
use maud::html;

use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::visit::Visiting;

/// Title, what it is for, and the code. `PUBLIC_URL` stands for where the service is.
const SNIPPETS: [(&str, &str, &str); 3] = [
    ("curl", "Call the API with your key.", include_str!("../snippets/call.sh")),
    ("Python", "Verify an event that arrived.", include_str!("../snippets/verify.py")),
    ("Node", "Verify an event that arrived.", include_str!("../snippets/verify.mjs")),
];

pub async fn show(visiting: Visiting) -> Result<Response, Refused> {
    let base = visiting.app().config.public_url.trim_end_matches('/');
    let body = html! {
        h1 { "Code" }
        p { "To begin with. All routes, to read and to try, are at " a href="/docs" { "/docs" } "." }
        @for (title, purpose, code) in SNIPPETS {
            section.card {
                h2 { (title) }
                p { (purpose) }
                pre tabindex="0" role="region" aria-label={ (title) " code" } { code { (code.replace("PUBLIC_URL", base).trim_end()) } }
            }
        }
    };
    Ok(Page::new(&visiting, Section::Snippets, "Code").show(&body))
}
