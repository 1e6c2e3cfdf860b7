//! All orgs, and finding one.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::new_org;
use crate::console::layout::{Page, Section};
use crate::console::seat::Seated;
use crate::identity::platform::PlatformScope;
use crate::portal::form::Asked;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Tone};
use crate::portal::sitting::Listed;

/// Orgs on a page.
const PAGE: i64 = 50;

/// An org, as the platform's operations tell of it.
#[derive(Deserialize)]
pub struct Org {
    pub id: uuid::Uuid,
    pub key: String,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub state: String,
    pub suspended_at: Option<DateTime<Utc>>,
    pub suspend_reason: Option<String>,
    pub administration: Administration,
    pub contact_emails: Vec<String>,
    pub signature_policy: String,
    pub sign_responses: bool,
    pub allowed_networks: Option<Vec<String>>,
    pub network_policy: String,
    pub leak_policy: String,
    pub leak_grace_seconds: i64,
    pub limits: Option<Limits>,
    pub counts: Counts,
}

#[derive(Deserialize)]
pub struct Administration {
    pub frozen_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
}

#[derive(Deserialize)]
pub struct Limits {
    pub rate: u32,
    pub burst: Option<u32>,
}

#[derive(Deserialize)]
pub struct Counts {
    pub users: i64,
    pub tenant_keys: i64,
    pub public_keys: i64,
    pub queues: i64,
}

pub async fn list(seated: Seated, asked: Asked) -> Result<Response, Refused> {
    page(&seated, (asked.get("search").trim(), asked.get("cursor")), &Attempt::default()).await
}

/// The orgs that a search finds, from a place in the list on.
pub async fn page(
    seated: &Seated,
    (search, cursor): (&str, &str),
    attempt: &Attempt,
) -> Result<Response, Refused> {
    let mut path = format!("/internal/orgs?limit={PAGE}&cursor={}", parts::encoded(cursor));
    if !search.is_empty() {
        path.push_str("&search=");
        path.push_str(&parts::encoded(search));
    }
    let orgs: Listed<Org> = seated.get(&path).await?;
    let total = orgs.pagination.total;
    let body = html! {
        h1 { "Organisations" }
        (attempt.summary())
        (search_form(search))
        @if orgs.data.is_empty() { p.empty { @if search.is_empty() { "There is none." } @else { "None is found." } } }
        @else { (table(&orgs.data)) }
        div.pages {
            span.quiet { (total) @if total == 1 { " organisation" } @else { " organisations" } @if !search.is_empty() { " found" } ", the oldest first." }
            @if !cursor.is_empty() { a.button href={ "/console/orgs?search=" (parts::encoded(search)) } { "From the start" } }
            @if let Some(next) = &orgs.pagination.next_cursor {
                a.button href={ "/console/orgs?search=" (parts::encoded(search)) "&cursor=" (parts::encoded(next)) } { "Further ones" }
            }
        }
        @if seated.may(PlatformScope::OrgsWrite) {
            section.card { (parts::folded("Make an organisation", attempt.is_refused(), &new_org::new_form(seated, attempt))) }
        }
    };
    Ok(Page::new(seated, Section::Orgs, "Organisations").status(attempt.status()).show(&body))
}

fn search_form(search: &str) -> Markup {
    html! {
        form method="get" action="/console/orgs" role="search" {
            div.field {
                label for="f-search" { "Search" }
                p.hint #f-search-hint { "A part of the name or of the key, or the whole id." }
                input #f-search name="search" type="search" value=(search) maxlength="200" autocomplete="off" aria-describedby="f-search-hint";
            }
            button type="submit" { "Find" }
        }
    }
}

fn table(orgs: &[Org]) -> Markup {
    parts::table(
        "Organisations",
        &html! {
            (parts::columns(&["Name", "Key", "Standing", "Users", "API keys", "Public keys", "Queues", "Since"]))
            tbody { @for org in orgs { tr {
                th scope="row" { a href={ "/console/orgs/" (parts::encoded(&org.key)) } { (org.name) } }
                td { code { (org.key) } }
                td { (standing(org)) }
                td.number { (org.counts.users) }
                td.number { (org.counts.tenant_keys) }
                td.number { (org.counts.public_keys) }
                td.number { (org.counts.queues) }
                td { (parts::time(org.created_at)) }
            } } }
        },
    )
}

/// How an org stands, in words.
pub fn standing(org: &Org) -> Markup {
    let (is_suspended, is_frozen) = (org.state == "suspended", org.administration.frozen_at.is_some());
    html! {
        @if is_suspended { (parts::badge(Tone::Bad, "suspended")) " " }
        @if is_frozen { (parts::badge(Tone::Warning, "frozen")) " " }
        @if !is_suspended && !is_frozen { (parts::badge(Tone::Good, "active")) }
    }
}
