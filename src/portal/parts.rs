//! What pages are put together from.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::form::{self, Form};
use super::operations::Refused;
use super::sitting::Sitting;
use crate::identity::portal::Role;

/// What a page takes, as its refusal says it.
pub fn takes(role: Role) -> &'static str {
    match role {
        Role::Viewer => "This takes the role viewer.",
        Role::Developer => "This takes the role developer or admin.",
        Role::Admin => "This takes the role admin.",
    }
}

/// An instant, for people and for programs.
pub fn time(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.format("%Y-%m-%dT%H:%M:%SZ")) { (at.format("%-d %b %Y, %H:%M UTC")) } }
}

/// An instant that may not be known.
pub fn time_or(at: Option<DateTime<Utc>>, otherwise: &str) -> Markup {
    html! { @match at { Some(at) => (time(at)), None => (otherwise) } }
}

/// The time of a day.
pub fn clock(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.format("%Y-%m-%dT%H:%M:%SZ")) { (at.format("%H:%M UTC")) } }
}

/// How long until then, or since then.
pub fn distance(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let (span, is_ahead) = if at >= now { (at - now, true) } else { (now - at, false) };
    let text = span_of(span);
    if is_ahead { format!("in {text}") } else { format!("{text} ago") }
}

fn span_of(span: TimeDelta) -> String {
    let (many, unit) = match span.num_seconds() {
        seconds @ 0..120 => (seconds, "second"),
        seconds @ 120..7_200 => (seconds / 60, "minute"),
        seconds @ 7_200..172_800 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    format!("{many} {unit}{}", if many == 1 { "" } else { "s" })
}

/// How a thing stands, in a word: never by its colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Plain,
    Warning,
    Bad,
}

/// A word that says how something stands.
pub fn badge(tone: Tone, word: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Plain => "badge",
        Tone::Warning => "badge warning",
        Tone::Bad => "badge bad",
    };
    html! { span class=(class) { (word) } }
}

/// Something that is said above a page's content.
pub fn notice(tone: Tone, body: &Markup) -> Markup {
    let class = match tone {
        Tone::Good => "notice good",
        Tone::Plain => "notice",
        Tone::Warning => "notice warning",
        Tone::Bad => "notice bad",
    };
    html! { div class=(class) role="status" { (body) } }
}

/// A table that scrolls by itself where it is wider than the page; `name` says what is in it.
pub fn table(name: &str, body: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(name) tabindex="0" { table { caption.unseen { (name) } (body) } } }
}

/// The head of a table.
pub fn columns(names: &[&str]) -> Markup {
    html! { thead { tr { @for name in names { th scope="col" { (name) } } } } }
}

/// A form of the session's own.
pub fn form(sitting: &Sitting, action: &str, body: &Markup) -> Markup {
    html! { form method="post" action=(action) { (hidden(sitting)) (body) } }
}

/// The same with a file in it.
pub fn file_form(sitting: &Sitting, action: &str, body: &Markup) -> Markup {
    html! { form method="post" action=(action) enctype="multipart/form-data" { (hidden(sitting)) (body) } }
}

fn hidden(sitting: &Sitting) -> Markup {
    html! {
        input type="hidden" name=(form::TOKEN) value=(sitting.form_token());
        input type="hidden" name=(form::ONCE) value=(form::new_once());
    }
}

/// A form that is unfolded first, since it does something that cannot be undone, or is seldom wanted.
pub fn folded(title: &str, is_open: bool, body: &Markup) -> Markup {
    html! { details.action open[is_open] { summary { (title) } div.unfolded { (body) } } }
}

/// A form that was sent and refused, or one that was not sent yet.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    form: Form,
    refused: Option<Refused>,
}

impl Attempt {
    /// A form that was refused; `names` are what the operation calls the fields, and what the form does.
    ///
    /// # Errors
    /// The refusal, where the person cannot do anything about it on the page.
    pub fn refused(form: Form, refused: Refused) -> Result<Self, Refused> {
        if refused.is_for_the_form() { Ok(Self { form, refused: Some(refused) }) } else { Err(refused) }
    }

    /// `true` once it was.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The page's status.
    pub fn status(&self) -> StatusCode {
        if self.is_refused() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }

    /// What was sent in a field.
    pub fn value(&self, field: &str) -> Option<&str> {
        self.form.get(field)
    }

    /// What was sent in a field, or what a form begins with.
    pub fn or<'a>(&'a self, field: &str, otherwise: &'a str) -> &'a str {
        if self.is_refused() { self.value(field).unwrap_or_default() } else { otherwise }
    }

    /// Returns `true` if a box is ticked.
    pub fn ticked(&self, field: &str, value: &str) -> bool {
        self.form.has(field, value)
    }

    fn problem(&self, field: &str) -> Option<&str> {
        let problems = self.refused.as_ref()?.problems();
        problems.iter().find(|problem| problem.top_field() == field).map(|problem| problem.msg.as_ref())
    }

    /// All that is wrong, above the page's content.
    pub fn summary(&self) -> Markup {
        let Some(refused) = &self.refused else { return html! {} };
        html! {
            div.notice.bad role="alert" {
                p { strong { "That was not done." } }
                @if let Some((message, details)) = refused.message() {
                    p { (message) }
                    @for detail in details { p { code { (detail) } } }
                }
                @if !refused.problems().is_empty() {
                    ul {
                        @for problem in refused.problems() {
                            li { a href={ "#" (id_of(&problem.top_field())) } { (in_words(&problem.top_field())) } " " (problem.msg) }
                        }
                    }
                }
            }
        }
    }
}

/// The id of a field's element: operations' names, in lower case.
fn id_of(field: &str) -> String {
    format!("f-{}", field.to_ascii_lowercase().replace('_', "-"))
}

/// A field's name as people write it.
fn in_words(field: &str) -> String {
    let words = field.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A field of a form. `name` is what the operation calls it, so that what it refuses is shown beside it.
pub struct Field<'a> {
    pub attempt: &'a Attempt,
    pub name: &'a str,
    pub label: &'a str,
    pub hint: &'a str,
}

impl Field<'_> {
    fn around(&self, control: &Markup) -> Markup {
        let id = id_of(self.name);
        let problem = self.attempt.problem(self.name);
        html! {
            div.field.wrong[problem.is_some()] {
                label for=(id) { (self.label) }
                @if !self.hint.is_empty() { p.hint id={ (id) "-hint" } { (self.hint) } }
                @if let Some(problem) = problem { p.problem id={ (id) "-problem" } { "It " (problem) "." } }
                (control)
            }
        }
    }

    fn described_by(&self) -> Option<String> {
        let id = id_of(self.name);
        let hint = (!self.hint.is_empty()).then(|| format!("{id}-hint"));
        let problem = self.attempt.problem(self.name).map(|_| format!("{id}-problem"));
        let ids: Vec<_> = hint.into_iter().chain(problem).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// A line of text, or what else an `input` takes.
    pub fn input(&self, kind: &str, value: &str, is_required: bool) -> Markup {
        let invalid = self.attempt.problem(self.name).map(|_| "true");
        self.around(&html! {
            input id=(id_of(self.name)) name=(self.name) type=(kind) value=(value) required[is_required]
                autocomplete="off" aria-describedby=[self.described_by()] aria-invalid=[invalid];
        })
    }

    /// A file.
    pub fn file(&self) -> Markup {
        self.around(&html! {
            input id=(id_of(self.name)) name=(self.name) type="file" aria-describedby=[self.described_by()];
        })
    }

    /// Lines of text.
    pub fn text(&self, rows: u8, value: &str) -> Markup {
        let invalid = self.attempt.problem(self.name).map(|_| "true");
        self.around(&html! {
            textarea id=(id_of(self.name)) name=(self.name) rows=(rows) spellcheck="false" autocomplete="off"
                aria-describedby=[self.described_by()] aria-invalid=[invalid] { (value) }
        })
    }

    /// One of several values, each with its words.
    pub fn choice(&self, options: &[(&str, &str)], chosen: &str) -> Markup {
        self.around(&html! {
            select id=(id_of(self.name)) name=(self.name) aria-describedby=[self.described_by()] {
                @for (value, words) in options {
                    option value=(value) selected[*value == chosen] { (words) }
                }
            }
        })
    }
}

/// A secret, which is shown on this page and never again.
pub fn secret(label: &str, text: &str) -> Markup {
    html! {
        div.secret {
            p.label { (label) }
            output aria-label=(label) { code { (text) } }
            p { "Copy it now. It is not shown again, on no page and by nobody." }
        }
    }
}

/// Goes on with another page, as browsers do after a form.
pub fn go(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path.to_owned())]).into_response()
}

/// A text in a path or a query of the portal's or an operation's.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_words_that_fit() {
        let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().expect("a date");
        for (seconds, words) in [
            (0, "in 0 seconds"),
            (1, "in 1 second"),
            (119, "in 119 seconds"),
            (3_600, "in 60 minutes"),
            (86_400, "in 24 hours"),
            (172_800, "in 2 days"),
            (-30, "30 seconds ago"),
            (-172_800, "2 days ago"),
        ] {
            assert_eq!(distance(now, now + TimeDelta::seconds(seconds)), words);
        }
    }

    #[test]
    fn what_goes_into_a_path_stays_one_segment() {
        assert_eq!(encoded("a b/c?d#e%"), "a%20b%2Fc%3Fd%23e%25");
    }
}
