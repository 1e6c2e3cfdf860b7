//! The org's audit log, the newest first.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::http::paging::CursorPosition;
use crate::page::Place;
use crate::portal::form::Asked;
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts;
use crate::portal::visit::Visiting;

/// Entries on a page.
const PAGE: i64 = 50;

#[derive(Deserialize)]
struct Log {
    data: Vec<Entry>,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    seq: i64,
    mac: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    seq: i64,
    at: DateTime<Utc>,
    actor: String,
    key_id: Option<Uuid>,
    actor_id: Option<String>,
    action: String,
    subject: String,
    client_address: Option<String>,
}

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    // Entries are numbered without gaps, so the page before an entry is known without reading it.
    let before: Option<i64> = asked.get("before").parse().ok().filter(|before| *before > 0);
    let last = match before {
        Some(before) => before - 1,
        None => load(&visiting, 0, 1).await?.head.seq,
    };
    let after = (last - PAGE).max(0);
    let log = load(&visiting, after, last - after).await?;
    let body = html! {
        h1 { "Audit log" }
        p { "Every change of keys, secrets, public keys and queues, and of the organisation, by whom it was made." }
        @if log.data.is_empty() { p.empty { "There is nothing." } }
        @else {
            (parts::table("The audit log", &html! {
                (parts::columns(&["Number", "When", "Who", "What", "To what", "From"]))
                tbody { @for entry in log.data.iter().rev() { (row(&visiting, entry)) } }
            }))
        }
        div.pages {
            @if after > 0 { a.button href={ (visiting.path("/audit?before=")) (after + 1) } { "Older entries" } }
            @if before.is_some() { a.button href=(visiting.path("/audit")) { "The newest" } }
        }
        @if let Some(mac) = &log.head.mac {
            section.card {
                h2 { "The end of the log" }
                p { "Whoever keeps this can have it proven that nothing before entry " (log.head.seq) " was changed since." }
                p { code { (mac) } }
            }
        }
    };
    Ok(Page::new(&visiting, Section::Audit, "Audit log").show(&body))
}

async fn load(visiting: &Visiting, after: i64, limit: i64) -> Result<Log, Refused> {
    let cursor = CursorPosition::numbered(after).encode();
    visiting.get(&format!("/v1/admin/org/audit?limit={}&cursor={cursor}", limit.clamp(1, PAGE))).await
}

fn row(visiting: &Visiting, entry: &Entry) -> Markup {
    html! {
        tr {
            th scope="row" { (entry.seq) }
            td { (parts::time(entry.at)) }
            td { (who(visiting, entry)) }
            td { code { (entry.action) } }
            td { code { (entry.subject) } }
            td { (entry.client_address.as_deref().unwrap_or_default()) }
        }
    }
}

fn who(visiting: &Visiting, entry: &Entry) -> Markup {
    let is_own = visiting.place() == Place::Portal;
    let words = match entry.actor.as_str() {
        "portal" => {
            return html! { (entry.actor_id.as_deref().unwrap_or_default()) " " span.quiet { "in the portal" } };
        }
        "tenant_key" if is_own => "your backend",
        "tenant_key" => "its backend",
        "public_key" if is_own => "your backend, signed",
        "public_key" => "its backend, signed",
        "gateway" if is_own => "your backend, through the gateway",
        "gateway" => "its backend, through the gateway",
        "operator" => "our operators",
        "platform" => "the platform",
        "claim" => "whoever opened the claim",
        "service" => "the service",
        other => other,
    };
    html! { (words) @if let Some(id) = entry.key_id { " " code.quiet { (id) } } }
}
