//! Events and their delivery, and sending them again.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::paging::CursorPosition;
use crate::identity::portal::Role;
use crate::portal::form::{self, Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Data, Listed, Named, Visiting};

/// Events on a page.
const PAGE: i64 = 25;
/// The API's lists go that far from their start without a cursor.
const MAX_OFFSET: i64 = 10_000;

/// What the list shows.
#[derive(Clone, Debug, Default)]
struct Filter {
    stream: String,
    status: String,
    /// From when on, as a browser's field says it.
    since: String,
    cursor: String,
    replayed: Option<u64>,
}

impl Filter {
    fn of(asked: &Asked) -> Self {
        let text = |name: &str| asked.get(name).to_owned();
        Self {
            stream: text("stream"),
            status: text("status"),
            since: text("since"),
            cursor: text("cursor"),
            replayed: asked.get("replayed").parse().ok(),
        }
    }
}

#[derive(Deserialize)]
struct Event {
    event_id: String,
    stream: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    event: Event,
    subject: Option<String>,
    body: String,
    deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    attempt: i32,
    at: DateTime<Utc>,
    duration_ms: i64,
    status: Option<u16>,
    error: Option<String>,
}

pub async fn list(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    list_page(&visiting, &Filter::of(&asked), &Attempt::default()).await
}

/// Sends the events of a span again.
pub async fn replay_range(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let mut body = form.body([("stream", "stream")]);
    for field in ["from", "to"] {
        form.instant(field).map(|at| body.insert(field.to_owned(), at));
    }
    match visiting.post("/v1/admin/org/events/replay", Value::Object(body), &form.once()).await {
        Ok(answer) => {
            let stream = parts::encoded(form.get("stream").unwrap_or_default());
            let Data { data: Replayed { replayed } } = answer.read()?;
            Ok(parts::go(&visiting.path(&format!("/events?stream={stream}&replayed={replayed}"))))
        }
        Err(refused) => list_page(&visiting, &Filter::default(), &Attempt::refused(form, refused)?).await,
    }
}

#[derive(Deserialize)]
struct Replayed {
    replayed: u64,
}

pub async fn show(visiting: Visiting, Named(event_id): Named, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, &event_id, Filter::of(&asked).replayed, &Attempt::default()).await
}

/// Sends one event again.
pub async fn replay(visiting: Visiting, Named(event_id): Named, form: Form) -> Result<Response, Refused> {
    let body = json!({ "event_ids": [event_id] });
    match visiting.post("/v1/admin/org/events/replay", body, &form.once()).await {
        Ok(answer) => {
            let Data { data: Replayed { replayed } } = answer.read()?;
            Ok(parts::go(
                &visiting.path(&format!("/events/{}?replayed={replayed}", parts::encoded(&event_id))),
            ))
        }
        Err(refused) => page(&visiting, &event_id, None, &Attempt::refused(form, refused)?).await,
    }
}

/// The part of the list that is asked for; without a beginning, its end, where the newest are.
async fn load(visiting: &Visiting, filter: &Filter) -> Result<Listed<Event>, Refused> {
    let chosen = |name: &str, value: &str| {
        if value.is_empty() { String::new() } else { format!("&{name}={}", parts::encoded(value)) }
    };
    let path = format!(
        "/v1/admin/org/events?limit={PAGE}{}{}",
        chosen("stream", &filter.stream),
        chosen("status", &filter.status)
    );
    if !filter.cursor.is_empty() {
        return visiting.get(&format!("{path}&cursor={}", parts::encoded(&filter.cursor))).await;
    }
    if let Ok(created_at) = form::instant(&filter.since).parse::<DateTime<Utc>>() {
        let cursor = CursorPosition { created_at, id: before(created_at) }.encode();
        return visiting.get(&format!("{path}&cursor={cursor}")).await;
    }
    let first: Listed<Event> = visiting.get(&path).await?;
    match first.pagination.total - PAGE {
        ..=0 => Ok(first),
        skipped => visiting.get(&format!("{path}&offset={}", skipped.min(MAX_OFFSET))).await,
    }
}

/// An id before those of all events of this instant and later ones: they begin with its milliseconds (UUIDv7).
fn before(instant: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::from(instant.timestamp_millis().unsigned_abs()) << 80)
}

async fn list_page(visiting: &Visiting, filter: &Filter, attempt: &Attempt) -> Result<Response, Refused> {
    let listed = load(visiting, filter).await?;
    let pending = listed.data.iter().any(|event| event.status == "pending");
    let body = html! {
        h1 { "Events" }
        (attempt.summary())
        @if let Some(replayed) = filter.replayed { (said_replayed(replayed)) }
        (filter_form(visiting, filter))
        @if listed.data.is_empty() { p.empty { "There are none." } }
        @else {
            (parts::table("Events", &html! {
                (parts::columns(&["Type", "Stream", "Status", "Happened", "Attempts", "Last error"]))
                tbody { @for event in listed.data.iter().rev() { (row(visiting, event)) } }
            }))
        }
        div.pages {
            span.quiet { "About " (listed.pagination.total) " in all, the newest of this page first." }
            @if let Some(cursor) = &listed.pagination.next_cursor {
                a.button href={ (visiting.path("/events?stream=")) (parts::encoded(&filter.stream)) "&status=" (parts::encoded(&filter.status)) "&cursor=" (parts::encoded(cursor)) } { "Later ones" }
            }
        }
        @if visiting.may(Role::Developer) { section.card { (parts::folded("Send the events of a time again", attempt.is_refused(), &range_form(visiting, attempt))) } }
    };
    // What was just sent again goes on.
    let refresh = (pending && filter.replayed.is_some()).then_some(5);
    let page = Page::new(visiting, Section::Events, "Events").refresh(refresh);
    Ok(page.status(attempt.status()).show(&body))
}

fn said_replayed(replayed: u64) -> Markup {
    parts::notice(
        if replayed > 0 { Tone::Good } else { Tone::Plain },
        &html! {
            @match replayed {
                0 => p { "No event is sent again: there is none, or it is on its way at this moment." },
                1 => p { "1 event is sent again, with the id it had." },
                more => p { (more) " events are sent again, with the ids they had." },
            }
        },
    )
}

fn row(visiting: &Visiting, event: &Event) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ (visiting.path("/events/")) (parts::encoded(&event.event_id)) } { (event.kind) } }
            td { (event.stream) }
            td { (status(&event.status)) }
            td { (parts::time(event.created_at)) }
            td.number { (event.attempts) }
            td { (event.last_error.as_deref().unwrap_or_default()) }
        }
    }
}

fn status(status: &str) -> Markup {
    let tone = match status {
        "delivered" => Tone::Good,
        "failed" => Tone::Bad,
        "pending" => Tone::Warning,
        _ => Tone::Plain,
    };
    parts::badge(tone, status)
}

const STATUSES: [(&str, &str); 5] = [
    ("", "any"),
    ("pending", "pending"),
    ("delivered", "delivered"),
    ("failed", "failed"),
    ("skipped", "skipped"),
];

fn filter_form(visiting: &Visiting, filter: &Filter) -> Markup {
    let none = Attempt::default();
    let field = |name, label, hint| Field { attempt: &none, name, label, hint };
    html! {
        form method="get" action=(visiting.path("/events")) {
            div.fields {
                (field("status", "Status", "").choice(&STATUSES, &filter.status))
                (field("since", "From (UTC)", "").input("datetime-local", &filter.since, false))
                (html! { div.field { label for="f-of" { "Stream" } input #f-of name="stream" value=(filter.stream) autocomplete="off"; } })
            }
            button type="submit" { "Show these" }
        }
    }
}

fn range_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/events/replay"),
        &html! {
            p { "Receivers get them once more, under the same ids. At most 10,000 at a time." }
            div.fields {
                (field("stream", "Stream", "").input("text", attempt.or("stream", "credentials"), true))
                (field("from", "From (UTC)", "").input("datetime-local", attempt.or("from", ""), true))
                (field("to", "Until before (UTC)", "").input("datetime-local", attempt.or("to", ""), true))
            }
            button.primary type="submit" { "Send them again" }
        },
    )
}

async fn page(
    visiting: &Visiting,
    event_id: &str,
    replayed: Option<u64>,
    attempt: &Attempt,
) -> Result<Response, Refused> {
    let path = format!("/v1/admin/org/events/{}", parts::encoded(event_id));
    let Detail { event, subject, body: text, deliveries } = visiting.data(&path).await?;
    let is_on_its_way = event.status == "pending" && replayed.is_some();
    let body = html! {
        p.trail { a href=(visiting.path("/events")) { "Events" } }
        div.head { h1 { (event.kind) } div.row { (status(&event.status)) } }
        (attempt.summary())
        @if let Some(replayed) = replayed { (said_replayed(replayed)) }
        section.card { (facts(&event, subject.as_deref())) }
        section aria-labelledby="text" { h2 #text { "Its body" } pre tabindex="0" { code { (pretty(&text)) } } }
        section aria-labelledby="tries" {
            h2 #tries { "Attempts" }
            @if deliveries.is_empty() { p.empty { "It was not tried yet." } } @else { (attempts(&deliveries)) }
        }
        @if visiting.may(Role::Developer) {
            (parts::form(visiting, &visiting.path(&format!("/events/{}/replay", parts::encoded(event_id))), &html! { button.primary type="submit" { "Send it again" } }))
        }
    };
    let page = Page::new(visiting, Section::Events, event.kind.clone()).refresh(is_on_its_way.then_some(3));
    Ok(page.status(attempt.status()).show(&body))
}

fn facts(event: &Event, subject: Option<&str>) -> Markup {
    html! {
        dl {
            div { dt { "Id" } dd { code { (event.event_id) } } }
            div { dt { "Stream" } dd { (event.stream) } }
            div { dt { "Happened" } dd { (parts::time(event.created_at)) } }
            @if let Some(subject) = subject { div { dt { "Subject" } dd { (subject) } } }
            @if let Some(at) = event.delivered_at { div { dt { "Acknowledged" } dd { (parts::time(at)) } } }
            @if let Some(at) = event.next_attempt_at { div { dt { "Tried next" } dd { (parts::time(at)) } } }
            @if let Some(error) = &event.last_error { div { dt { "Last error" } dd { (error) } } }
        }
    }
}

fn attempts(deliveries: &[Delivery]) -> Markup {
    parts::table(
        "Each attempt",
        &html! {
            (parts::columns(&["Number", "Began", "Took", "Status", "Error"]))
            tbody { @for delivery in deliveries { tr {
                th scope="row" { (delivery.attempt) }
                td { (parts::time(delivery.at)) }
                td.number { (delivery.duration_ms) " ms" }
                td { @if let Some(status) = delivery.status { (status) } }
                td { (delivery.error.as_deref().unwrap_or("none")) }
            } } }
        },
    )
}

/// The body with line breaks and in the order of names, where it is JSON; what is signed has neither.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}
