//! What is around every page.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::visit::{Sitting, Visiting};
use crate::features::Feature;
use crate::page::{Place, Style, document};

/// A part of an org's pages, as the menu names it.
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
    /// In the console alone.
    Standing,
}

use Section::*;

impl Section {
    /// The feature that it is about.
    fn feature(self) -> Option<Feature> {
        Some(match self {
            Overview | Snippets | Standing => return None,
            Keys => Feature::TenantKeys,
            Secrets => Feature::SigningSecretRotation,
            PublicKeys => Feature::PublicKeys,
            Queues | Events => Feature::EventQueues,
            Reports => Feature::Reports,
            Audit => Feature::AuditLog,
        })
    }
}

/// The menu, in its order: a section, its path below the org's own, its name.
const MENU: [(Section, &str, &str); 9] = [
    (Overview, "", "Overview"),
    (Keys, "/keys", "API keys"),
    (Secrets, "/secrets", "Signing secrets"),
    (PublicKeys, "/public-keys", "Public keys"),
    (Queues, "/queues", "Queues"),
    (Events, "/events", "Events"),
    (Reports, "/reports", "Reports"),
    (Audit, "/audit", "Audit log"),
    (Snippets, "/snippets", "Code"),
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

    /// The page with this in it.
    pub fn show(self, body: &Markup) -> Response {
        match self.visiting.place() {
            Place::Portal => self.in_portal(body),
            Place::Console => self.in_console(body),
        }
    }

    fn in_portal(self, body: &Markup) -> Response {
        let visitor = self.visiting.visitor();
        let head = html! {
            div.who {
                strong.org { (visitor.org_name) }
                span.person { (visitor.name) " · " (visitor.role.name()) }
            }
            div.way-out {
                span.quiet { "until " (parts::clock(visitor.expires_at)) }
                @if let Some(back) = &visitor.return_url {
                    a.button href=(back) rel="noreferrer" { "Back" }
                }
                (parts::form(self.visiting, "/portal/leave", &html! { button type="submit" { "Leave" } }))
            }
        };
        let title = format!("{} · {}", self.title, visitor.org_name);
        let menu = html! { ul { (self.menu()) } };
        framed(Place::Portal, &head, ("Portal", &menu), body).titled(&title).show(self.status, self.refresh)
    }

    /// The same page with the console's head, below what only the console has of an org.
    fn in_console(self, body: &Markup) -> Response {
        let visitor = self.visiting.visitor();
        let (standing, is_here) = (self.visiting.path("/standing"), self.section == Standing);
        let menu = html! {
            ul { li { a href="/console/orgs" { "All organisations" } } }
            ul aria-label=(visitor.org_name) {
                (self.menu())
                li { a href=(standing) aria-current=[is_here.then_some("page")] { "Standing" } }
            }
        };
        let about = html! {
            strong.org { (visitor.org_name) }
            @if visitor.is_suspended { (parts::badge(Tone::Bad, "suspended")) }
            @if visitor.is_frozen { (parts::badge(Tone::Warning, "frozen")) }
        };
        let head = console_head(self.visiting, &visitor.name, visitor.expires_at, &about);
        let title = format!("{} · {} · Console", self.title, visitor.org_name);
        framed(Place::Console, &head, ("Console", &menu), body).titled(&title).show(self.status, self.refresh)
    }

    fn menu(&self) -> Markup {
        let is_live = |section: Section| section.feature().is_none_or(|feature| self.visiting.has(feature));
        let is_ours = |section| self.visiting.place() == Place::Portal || section != Snippets;
        let shown = MENU.into_iter().filter(|(section, ..)| is_live(*section) && is_ours(*section));
        html! {
            @for (section, path, name) in shown {
                li { a href=(self.visiting.path(path)) aria-current=[(section == self.section).then_some("page")] { (name) } }
            }
        }
    }
}

/// The console's head: what is looked at, who looks, and the way out.
pub fn console_head(sitting: &Sitting, name: &str, expires_at: DateTime<Utc>, about: &Markup) -> Markup {
    html! {
        div.who {
            (about)
            span.person { (name) " · console" }
        }
        div.way-out {
            span.quiet { "until " (parts::clock(expires_at)) }
            (parts::form(sitting, "/console/leave", &html! { button type="submit" { "Leave" } }))
        }
    }
}

/// A whole page, but for its title.
pub struct Framed {
    place: Place,
    title: String,
    body: Markup,
}

/// Puts a page's content below a head and beside a menu.
pub fn framed(place: Place, head: &Markup, (name, menu): (&str, &Markup), body: &Markup) -> Framed {
    let body = html! {
        body {
            a.skip href="#main" { "Skip to the content" }
            header.top { (head) }
            div.frame {
                nav aria-label=(name) { (menu) }
                main #main tabindex="-1" { (body) }
            }
        }
    };
    Framed { place, title: String::new(), body }
}

impl Framed {
    /// With this title.
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// The response.
    pub fn show(self, status: StatusCode, refresh: Option<u32>) -> Response {
        respond(status, document(&self.title, Style::Of(self.place), refresh, &self.body))
    }
}

/// A page for somebody without a session.
pub fn alone(place: Place, status: StatusCode, title: &str, body: &Markup) -> Response {
    let body = html! { body.alone { main { (body) } } };
    respond(status, document(title, Style::Of(place), None, &body))
}

fn respond(status: StatusCode, page: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
