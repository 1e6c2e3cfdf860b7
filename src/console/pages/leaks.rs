//! Keys that were found where others can read them, and what was done.

use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::console::layout::{Page, Section};
use crate::console::seat::Seated;
use crate::error::ApiError;
use crate::portal::form::Asked;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Tone, encoded};
use crate::routes::internal::watch::{self, LISTED, Leak};

pub async fn show(seated: Seated, asked: Asked) -> Result<Response, Refused> {
    let now = seated.now();
    let asked_before: Option<DateTime<Utc>> = asked.get("before").parse().ok();
    let before = asked_before.unwrap_or(now + TimeDelta::seconds(1));
    let mut leaks = watch::leaks(&seated.app().db.pool, before).await.map_err(ApiError::from)?;
    let has_more = leaks.len() as i64 > LISTED;
    leaks.truncate(LISTED as usize);
    let body = html! {
        h1 { "Leaks" }
        p { "API keys that somebody found where others can read them, and reported. What is done with one its organisation has chosen." }
        @if leaks.is_empty() { p.empty { "None was reported." } } @else { (table(&leaks, now)) }
        div.pages {
            @if asked_before.is_some() { a.button href="/console/leaks" { "The latest" } }
            @if let Some(last) = leaks.last().filter(|_| has_more) {
                a.button href={ "/console/leaks?before=" (encoded(&last.leaked_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))) } { "Earlier ones" }
            }
        }
    };
    Ok(Page::new(&seated, Section::Leaks, "Leaks").show(&body))
}

fn table(leaks: &[Leak], now: DateTime<Utc>) -> Markup {
    parts::table(
        "Leaked keys",
        &html! {
            (parts::columns(&["Organisation", "API key", "Reported", "By", "Found", "Done", "Now"]))
            tbody { @for leak in leaks { tr {
                th scope="row" { a href={ "/console/orgs/" (encoded(&leak.org_key)) } { (leak.org_name) } }
                td { a href={ "/console/orgs/" (encoded(&leak.org_key)) "/keys/" (leak.key_id) } { (leak.name) } }
                td { (parts::time(leak.leaked_at)) }
                td { (leak.source) }
                // A stranger's text, and no link: nobody is to follow it from here.
                td { @if let Some(url) = &leak.url { code { (url) } } @if let Some(note) = &leak.note { p.quiet { (note) } } }
                td { (done(&leak.response)) }
                td { (state(leak, now)) }
            } } }
        },
    )
}

fn done(response: &str) -> &'static str {
    match response {
        "notify" => "its organisation was told",
        "revoke" => "it ended at once",
        _ => "a grace window began",
    }
}

fn state(leak: &Leak, now: DateTime<Utc>) -> Markup {
    let is_over = leak.revoked_at.is_some() || leak.expires_at.is_some_and(|end| end <= now);
    html! {
        @match leak.expires_at {
            _ if is_over => (parts::badge(Tone::Plain, "ended")),
            Some(end) => { (parts::badge(Tone::Warning, "works")) " until " (parts::time(end)) }
            None => (parts::badge(Tone::Bad, "works")),
        }
    }
}
