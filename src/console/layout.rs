//! What is around the pages that are about no org.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::seat::Seated;
use crate::identity::platform::PlatformScope::{self, EventsPublish, OrgsRead};
use crate::page::Place;
use crate::portal::layout::{console_head, framed};
use crate::portal::parts::{self, Tone};

/// A part of the console, as the menu names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Orgs,
    Leaks,
    Streams,
    Service,
}

/// The menu, in its order: a section, its path, its name, and what it takes.
const MENU: [(Section, &str, &str, Option<PlatformScope>); 5] = [
    (Section::Overview, "/console", "Overview", None),
    (Section::Orgs, "/console/orgs", "Organisations", Some(OrgsRead)),
    (Section::Leaks, "/console/leaks", "Leaks", Some(OrgsRead)),
    (Section::Streams, "/console/streams", "Streams", Some(EventsPublish)),
    (Section::Service, "/console/service", "Service", None),
];

/// A page that is being put together.
pub struct Page<'s> {
    seated: &'s Seated,
    section: Section,
    title: String,
    status: StatusCode,
}

impl<'s> Page<'s> {
    /// A page of a section.
    pub fn new(seated: &'s Seated, section: Section, title: impl Into<String>) -> Self {
        Self { seated, section, title: title.into(), status: StatusCode::OK }
    }

    /// With another status, whose pages begin their title with what went wrong.
    pub fn status(mut self, status: StatusCode) -> Self {
        if status.is_client_error() {
            self.title = format!("Error: {}", self.title);
        }
        self.status = status;
        self
    }

    /// The page with this in it.
    pub fn show(self, body: &Markup) -> Response {
        let operator = self.seated.operator();
        let shown = MENU.into_iter().filter(|(.., scope)| scope.is_none_or(|scope| self.seated.may(scope)));
        let menu = html! {
            ul {
                @for (section, path, name, _) in shown {
                    li { a href=(path) aria-current=[(section == self.section).then_some("page")] { (name) } }
                }
            }
        };
        let about = html! { strong.org { "Console" } };
        let head = console_head(self.seated, &operator.name, operator.expires_at, &about);
        let title = format!("{} · Console", self.title);
        framed(Place::Console, &head, ("Console", &menu), body).titled(&title).show(self.status, None)
    }
}

/// The answer to a form that was sent before, and is not taken again; `otherwise` says what to do without the first.
pub fn once_only(back: &str, otherwise: &str) -> Markup {
    html! {
        h1 { "That was done already" }
        (parts::notice(Tone::Plain, &html! {
            p { "This form was sent before. What it made was shown in the first answer, and is not shown again." }
            p { (otherwise) }
        }))
        p { a.button href=(back) { "Back" } }
    }
}
