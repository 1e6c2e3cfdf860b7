//! The first page: what needs somebody's eye, over all orgs.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::console::layout::{Page, Section};
use crate::console::seat::Seated;
use crate::error::ApiError;
use crate::identity::platform::PlatformScope;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Tone, encoded};
use crate::routes::internal::watch::{self, Ending, OrgTotals, TroubledQueue};

pub async fn show(seated: Seated) -> Result<Response, Refused> {
    let page = Page::new(&seated, Section::Overview, "Overview");
    if !seated.may(PlatformScope::OrgsRead) {
        return Ok(page.show(&html! {
            h1 { "Overview" }
            p.empty { "This token sees no organisations: that takes the scope orgs:read. The menu has what it may see." }
        }));
    }
    let (db, now) = (&seated.app().db.pool, seated.now());
    let totals = watch::totals(db).await.map_err(ApiError::from)?;
    let queues = watch::troubled_queues(db).await.map_err(ApiError::from)?;
    let endings = watch::endings(db, now).await.map_err(ApiError::from)?;
    let body = html! {
        h1 { "Overview" }
        (tiles(totals, &queues, &endings))
        section aria-labelledby="queues" {
            h2 #queues { "Queues that fail or stand still" }
            @if queues.is_empty() { p.empty { "There is none." } } @else { (queue_table(&queues, now)) }
        }
        section aria-labelledby="ends" {
            h2 #ends { "What ends within 30 days" }
            @if endings.is_empty() { p.empty { "Nothing does." } } @else { (ending_table(&endings, now)) }
        }
    };
    Ok(page.show(&body))
}

fn tiles(totals: OrgTotals, queues: &[TroubledQueue], endings: &[Ending]) -> Markup {
    let failing = queues.iter().filter(|queue| queue.paused_at.is_none()).count();
    html! {
        ul.tiles {
            li { span.quiet { "Organisations" } strong { (totals.all) } a href="/console/orgs" { "All of them" } }
            li { span.quiet { "Suspended" } strong { (totals.suspended) } span.quiet { "are not served" } }
            li { span.quiet { "Frozen" } strong { (totals.frozen) } span.quiet { "change nothing" } }
            li { span.quiet { "Queues failing" } strong { (counted(failing)) } span.quiet { (counted(queues.len() - failing)) " stand still" } }
            li { span.quiet { "Ending soon" } strong { (counted(endings.len())) } span.quiet { "within 30 days" } }
        }
    }
}

/// A count of a list that is cut off.
fn counted(listed: usize) -> String {
    if listed as i64 >= watch::LISTED { format!("{listed} or more") } else { listed.to_string() }
}

fn queue_table(queues: &[TroubledQueue], now: DateTime<Utc>) -> Markup {
    parts::table(
        "Each queue",
        &html! {
            (parts::columns(&["Organisation", "Queue", "Type", "State", "Failures in a row", "Since"]))
            tbody { @for queue in queues {
                @let since = queue.paused_at.or(queue.failing_since);
                tr {
                    th scope="row" { a href={ "/console/orgs/" (encoded(&queue.org_key)) } { (queue.org_name) } }
                    td { a href={ "/console/orgs/" (encoded(&queue.org_key)) "/queues/" (encoded(&queue.stream)) } { (queue.stream) } }
                    td { code { (queue.kind) } }
                    td { (state(queue)) }
                    td.number { (queue.failures) }
                    td { @match since { Some(at) => { (parts::time(at)) ", " (parts::distance(now, at)) }, None => "a moment ago" } }
                }
            } }
        },
    )
}

fn state(queue: &TroubledQueue) -> Markup {
    match (queue.paused_at, queue.pause_reason.as_deref()) {
        (None, _) => parts::badge(Tone::Bad, "failing"),
        (Some(_), Some("gone")) => parts::badge(Tone::Warning, "paused: its receiver said that it is gone"),
        (Some(_), _) => parts::badge(Tone::Warning, "paused"),
    }
}

fn ending_table(endings: &[Ending], now: DateTime<Utc>) -> Markup {
    parts::table(
        "Each end",
        &html! {
            (parts::columns(&["Organisation", "What", "Name", "Ends"]))
            tbody { @for ending in endings {
                @let (what, part) = kind(&ending.kind);
                tr {
                    th scope="row" { a href={ "/console/orgs/" (encoded(&ending.org_key)) } { (ending.org_name) } }
                    td { (what) }
                    td { a href={ "/console/orgs/" (encoded(&ending.org_key)) "/" (part) "/" (encoded(&ending.id)) } { (ending.name) } }
                    td { (parts::time(ending.expires_at)) ", " strong { (parts::distance(now, ending.expires_at)) } }
                }
            } }
        },
    )
}

/// What it is, for people, and the part of an org's pages that it is on.
fn kind(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "tenant_key" => ("API key", "keys"),
        "public_key" => ("Public key", "public-keys"),
        _ => ("A queue's credential", "queues"),
    }
}
