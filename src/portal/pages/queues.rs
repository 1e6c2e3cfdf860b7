//! The org's queues: how they do, one by one, and what can be done about it.

use axum::http::Method;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::views::Queue;
use crate::identity::portal::Role;
use crate::portal::charts::{self, Column};
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt, Tone};
use crate::portal::visit::{Listed, Named, Visiting};

#[derive(Deserialize)]
struct Hour {
    minutes: Vec<Minute>,
}

#[derive(Deserialize)]
struct Minute {
    attempts: i64,
    delivered: i64,
    p95_ms: Option<i64>,
}

/// All of them.
pub async fn list(visiting: Visiting) -> Result<Response, Refused> {
    let queues: Listed<Queue> = visiting.get("/v1/admin/org/queues?limit=100").await?;
    let body = html! {
        h1 { "Queues" }
        p { "Where events go, one queue a stream. Queues are registered through the API, which tries them first." }
        @if queues.data.is_empty() { p.empty { "No queue is registered. Events wait until there is one." } }
        ul.cards {
            @for queue in &queues.data {
                li.card {
                    div.title { h2 { a href={ (visiting.path("/queues/")) (parts::encoded(&queue.queue_name)) } { (queue.queue_name) } } (state(queue)) }
                    (numbers(queue))
                }
            }
        }
    };
    Ok(Page::new(&visiting, Section::Queues, "Queues").show(&body))
}

/// One of them.
pub async fn show(visiting: Visiting, Named(name): Named, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, &name, Some(asked.get("done")), &Attempt::default()).await
}

/// Sends a test event.
pub async fn test(visiting: Visiting, Named(name): Named, form: Form) -> Result<Response, Refused> {
    act(&visiting, &name, form, "test", "tested").await
}

/// Lets it stand still.
pub async fn pause(visiting: Visiting, Named(name): Named, form: Form) -> Result<Response, Refused> {
    act(&visiting, &name, form, "pause", "paused").await
}

/// Lets it go on.
pub async fn resume(visiting: Visiting, Named(name): Named, form: Form) -> Result<Response, Refused> {
    act(&visiting, &name, form, "resume", "resumed").await
}

async fn act(
    visiting: &Visiting,
    name: &str,
    form: Form,
    what: &str,
    done: &str,
) -> Result<Response, Refused> {
    let encoded = parts::encoded(name);
    let path = format!("/v1/admin/org/queues/{encoded}/{what}");
    let once = form.once();
    match visiting.send(Ask { method: Method::POST, path: &path, body: None, once: Some(&once) }).await {
        Ok(_) => Ok(parts::go(&visiting.path(&format!("/queues/{encoded}?done={done}")))),
        Err(refused) => page(visiting, name, None, &Attempt::refused(form, refused)?).await,
    }
}

async fn page(
    visiting: &Visiting,
    name: &str,
    done: Option<&str>,
    attempt: &Attempt,
) -> Result<Response, Refused> {
    let path = format!("/v1/admin/org/queues/{}", parts::encoded(name));
    let queue: Queue = visiting.data(&path).await?;
    let hour: Hour = visiting.data(&format!("{path}/health")).await?;
    let said = match done {
        Some("tested") => Some("The queue has the test event."),
        Some("paused") => Some("The queue stands still. Its events wait."),
        Some("resumed") => Some("Events are sent again."),
        _ => None,
    };
    let body = html! {
        p.trail { a href=(visiting.path("/queues")) { "Queues" } }
        div.head { h1 { (queue.queue_name) } div.row { (state(&queue)) } }
        (attempt.summary())
        @if let Some(said) = said { (parts::notice(Tone::Good, &html! { p { (said) } })) }
        section.card { (numbers(&queue)) (settings(&queue, visiting.now())) }
        @if queue.kind != "poll" { section.card aria-labelledby="hour" { h2 #hour { "The last hour" } (plots(&hour)) } }
        (actions(visiting, &queue))
        p { a href={ (visiting.path("/events?stream=")) (parts::encoded(&queue.queue_name)) } { "Events of this stream" } }
    };
    let page = Page::new(visiting, Section::Queues, format!("Queue {}", queue.queue_name));
    Ok(page.status(attempt.status()).show(&body))
}

fn state(queue: &Queue) -> Markup {
    match (queue.state.as_str(), queue.pause_reason.as_deref()) {
        ("active", _) => parts::badge(Tone::Good, "active"),
        ("failing", _) => parts::badge(Tone::Bad, "failing"),
        ("paused", Some("gone")) => parts::badge(Tone::Warning, "paused: its receiver said that it is gone"),
        ("paused", Some(_)) => parts::badge(Tone::Warning, "paused"),
        ("paused", None) => parts::badge(Tone::Warning, "asked for time"),
        (other, _) => parts::badge(Tone::Plain, other),
    }
}

/// A count as it is shown: they are cut off above ten thousand.
fn counted(number: i64) -> String {
    if number > 10_000 { "more than 10,000".to_owned() } else { number.to_string() }
}

fn numbers(queue: &Queue) -> Markup {
    let share =
        queue.success_rate_1h.map_or("nothing was tried".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    html! {
        dl {
            div { dt { "Waiting" } dd { (counted(queue.waiting_events)) } }
            div { dt { "Failed" } dd { (counted(queue.failed_events)) } }
            div { dt { "Acknowledged in the last hour" } dd { (share) } }
            div { dt { "95 of 100 within" } dd { @match queue.p95_ms_1h { Some(millis) => { (millis) " ms" }, None => "not known" } } }
        }
    }
}

fn settings(queue: &Queue, now: DateTime<Utc>) -> Markup {
    html! {
        dl {
            div { dt { "Type" } dd { code { (queue.kind) } } }
            div { dt { "Form" } dd { (queue.format) @if queue.ordering.is_some() { ", in order per subject" } @if queue.encrypt_to.is_some() { ", encrypted" } } }
            div { dt { "Takes" } dd { @match &queue.event_types { Some(types) => (types.join(", ")), None => "all types" } } }
            div { dt { "Registered" } dd { (parts::time(queue.created_at)) } }
            div { dt { "Last replaced" } dd { (parts::time(queue.updated_at)) } }
            @if let Some(oldest) = queue.oldest_waiting_at { div { dt { "The oldest waits since" } dd { (parts::time(oldest)) ", " (parts::distance(now, oldest)) } } }
            @if let Some(until) = queue.paused_until { div { dt { "Stands still until" } dd { (parts::time(until)) } } }
            @if queue.consecutive_failures > 0 { div { dt { "Failures in a row" } dd { (queue.consecutive_failures) } } }
            @if queue.skipped_events > 0 { div { dt { "Skipped, of types it does not take" } dd { (counted(queue.skipped_events)) } } }
            @if queue.lost_events > 0 { div { dt { "Lost after waiting too long" } dd { (queue.lost_events) } } }
        }
    }
}

fn plots(hour: &Hour) -> Markup {
    let (attempts, delivered) =
        hour.minutes.iter().fold((0, 0), |(a, d), minute| (a + minute.attempts, d + minute.delivered));
    if attempts == 0 {
        return html! { p.empty { "Nothing was sent." } };
    }
    let bad = |minute: &Minute| minute.attempts - minute.delivered;
    let tries: Vec<_> = hour.minutes.iter().map(|m| Column { all: m.attempts, bad: bad(m) }).collect();
    let times: Vec<_> =
        hour.minutes.iter().map(|m| Column { all: m.p95_ms.unwrap_or_default(), bad: 0 }).collect();
    let slowest = hour.minutes.iter().filter_map(|minute| minute.p95_ms).max().unwrap_or_default();
    let said = format!(
        "{attempts} attempts in the last 60 minutes, {} of them not acknowledged",
        attempts - delivered
    );
    let slow = format!("In the slowest minute 95 of 100 attempts were over within {slowest} ms");
    html! {
        (charts::columns(&tries, &said))
        p.quiet { (said) ". Each column is a minute; what failed is red." }
        (charts::columns(&times, &slow))
        p.quiet { (slow) "." }
    }
}

fn actions(visiting: &Visiting, queue: &Queue) -> Markup {
    let button = |what: &str, class: &str, words: &str| {
        let path = visiting.path(&format!("/queues/{}/{what}", parts::encoded(&queue.queue_name)));
        parts::form(visiting, &path, &html! { button class=(class) type="submit" { (words) } })
    };
    html! {
        @if visiting.may(Role::Developer) {
            div.row {
                @if queue.kind != "poll" { (button("test", "primary", "Send a test event")) }
                @if visiting.may(Role::Admin) {
                    @if queue.pause_reason.is_some() { (button("resume", "", "Resume it")) }
                    @else { (button("pause", "", "Pause it")) }
                }
            }
        }
    }
}
