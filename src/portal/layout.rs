//! What is around every page.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::parts;
use super::visit::Visiting;
use crate::error::page::STYLE_PATH;
use crate::features::Feature;

/// A part of the portal, as the menu names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Keys,
    Secrets,
    PublicKeys,
    Queues,
    Events,
    Reports,
    Audit,
    Snippets,
}

use Section::*;

impl Section {
    /// The feature that it is about.
    fn feature(self) -> Option<Feature> {
        Some(match self {
            Overview | Snippets => return None,
            Keys => Feature::TenantKeys,
            Secrets => Feature::SigningSecretRotation,
            PublicKeys => Feature::PublicKeys,
            Queues | Events => Feature::EventQueues,
            Reports => Feature::Reports,
            Audit => Feature::AuditLog,
        })
    }
}

/// The menu, in its order.
const MENU: [(Section, &str, &str); 9] = [
    (Overview, "/portal", "Overview"),
    (Keys, "/portal/keys", "API keys"),
    (Secrets, "/portal/secrets", "Signing secrets"),
    (PublicKeys, "/portal/public-keys", "Public keys"),
    (Queues, "/portal/queues", "Queues"),
    (Events, "/portal/events", "Events"),
    (Reports, "/portal/reports", "Reports"),
    (Audit, "/portal/audit", "Audit log"),
    (Snippets, "/portal/snippets", "Code"),
];

/// A page that is being put together.
pub struct Page<'v> {
    visiting: &'v Visiting,
    section: Section,
    title: String,
    status: StatusCode,
    refresh: Option<u32>,
}

impl<'v> Page<'v> {
    /// A page of a section.
    pub fn new(visiting: &'v Visiting, section: Section, title: impl Into<String>) -> Self {
        Self { visiting, section, title: title.into(), status: StatusCode::OK, refresh: None }
    }

    /// With another status, whose pages begin their title with what went wrong.
    pub fn status(mut self, status: StatusCode) -> Self {
        if status.is_client_error() {
            self.title = format!("Error: {}", self.title);
        }
        self.status = status;
        self
    }

    /// Loaded again after so many seconds, while something goes on.
    pub fn refresh(mut self, seconds: Option<u32>) -> Self {
        self.refresh = seconds;
        self
    }

    fn has(&self, section: Section) -> bool {
        section.feature().is_none_or(|feature| self.visiting.has(feature))
    }

    /// The page with this in it.
    pub fn show(self, body: &Markup) -> Response {
        let visitor = self.visiting.visitor();
        let person = visitor.email.as_deref().unwrap_or(&visitor.visit.actor_id);
        let body = html! {
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    div.who {
                        strong.org { (visitor.org_name) }
                        span.person { (person) " · " (visitor.role.name()) }
                    }
                    div.way-out {
                        span.quiet { "until " (parts::clock(visitor.expires_at)) }
                        @if let Some(back) = &visitor.return_url {
                            a.button href=(back) rel="noreferrer" { "Back" }
                        }
                        (parts::form(self.visiting, "/portal/leave", &html! { button type="submit" { "Leave" } }))
                    }
                }
                div.frame {
                    nav aria-label="Portal" {
                        ul {
                            @for (section, path, name) in MENU.into_iter().filter(|(section, ..)| self.has(*section)) {
                                li { a href=(path) aria-current=[(section == self.section).then_some("page")] { (name) } }
                            }
                        }
                    }
                    main #main tabindex="-1" { (body) }
                }
            }
        };
        let title = format!("{} · {}", self.title, visitor.org_name);
        respond(self.status, document(&title, self.refresh, &body))
    }
}

/// A page for somebody without a session.
pub fn alone(status: StatusCode, title: &str, body: &Markup) -> Response {
    respond(status, document(title, None, &html! { body.alone { main { (body) } } }))
}

fn document(title: &str, refresh: Option<u32>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            (body)
        }
    }
}

fn respond(status: StatusCode, page: Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
}
