//! Reports: asked for, on their way, and fetched.

use axum::http::Method;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::Code;
use crate::identity::portal::Role;
use crate::ids::parse_uuid;
use crate::portal::charts;
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Listed, Named, Visiting};

/// Seconds after which a page is loaded again while something is being made.
const REFRESH: u32 = 2;
/// The reports of a page: more than an org makes in the month that they are listed for.
const PAGE: i64 = 100;

#[derive(Deserialize)]
struct Report {
    report_id: Uuid,
    #[serde(rename = "type")]
    kind: String,
    format: String,
    status: String,
    rows: i64,
    bytes: i64,
    progress: f64,
    reason: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, asked.get("done"), &Attempt::default()).await
}

/// Asks for one.
pub async fn create(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let mut body = form.body([("type", "type"), ("format", "format")]);
    for field in ["from", "to"] {
        form.instant(field).map(|at| body.insert(field.to_owned(), at));
    }
    match visiting.post("/v1/admin/org/reports", Value::Object(body), &form.once()).await {
        Ok(_) => Ok(parts::go(&visiting.path("/reports?done=asked"))),
        Err(refused) => page(&visiting, "", &Attempt::refused(form, refused)?).await,
    }
}

/// Its content, as the API sends it.
pub async fn content(visiting: Visiting, Named(id): Named) -> Result<Response, Refused> {
    let path = format!("/v1/admin/org/reports/{}/content", named(&id)?);
    let ask = Ask { method: Method::GET, path: &path, body: None, once: None };
    Ok(visiting.operations().respond(&visiting, ask).await?.into_response())
}

/// Deletes one, or gives it up while it is being made.
pub async fn delete(visiting: Visiting, Named(id): Named, form: Form) -> Result<Response, Refused> {
    let path = format!("/v1/admin/org/reports/{}", named(&id)?);
    match visiting.send(Ask { method: Method::DELETE, path: &path, body: None, once: None }).await {
        Ok(_) => Ok(parts::go(&visiting.path("/reports?done=deleted"))),
        Err(refused) => page(&visiting, "", &Attempt::refused(form, refused)?).await,
    }
}

/// What a path names, if it is an id at all.
fn named(text: &str) -> Result<Uuid, Refused> {
    parse_uuid(text).ok_or_else(|| Code::NotFound.into())
}

async fn page(visiting: &Visiting, done: &str, attempt: &Attempt) -> Result<Response, Refused> {
    let path = format!("/v1/admin/org/reports?limit={PAGE}");
    let mut listed: Listed<Report> = visiting.get(&path).await?;
    let skipped = listed.pagination.total - PAGE;
    if skipped > 0 {
        listed = visiting.get(&format!("{path}&offset={skipped}")).await?;
    }
    let is_making = listed.data.iter().any(|report| matches!(report.status.as_str(), "queued" | "running"));
    let body = html! {
        h1 { "Reports" }
        p { "All that there is of a kind, from one moment, encrypted to the organisation's public key of the usage Reports. Kept for 7 days." }
        (attempt.summary())
        @match done {
            "asked" => (parts::notice(Tone::Good, &html! { p { "The report is asked for. This page follows it." } })),
            "deleted" => (parts::notice(Tone::Good, &html! { p { "The report is gone." } })),
            _ => {}
        }
        @if listed.data.is_empty() { p.empty { "There is no report." } }
        ul.cards { @for report in listed.data.iter().rev() { li.card { (entry(visiting, report)) } } }
        @if visiting.may_alone(Role::Developer) {
            section.card { (parts::folded("Ask for a report", attempt.is_refused(), &create_form(visiting, attempt))) }
        }
    };
    let refresh = (is_making && !attempt.is_refused()).then_some(REFRESH);
    Ok(Page::new(visiting, Section::Reports, "Reports").refresh(refresh).status(attempt.status()).show(&body))
}

fn entry(visiting: &Visiting, report: &Report) -> Markup {
    let tone = match report.status.as_str() {
        "ready" => Tone::Good,
        "failed" => Tone::Bad,
        "expired" => Tone::Plain,
        _ => Tone::Warning,
    };
    let says = format!("How far the report on {} is", report.kind);
    html! {
        div.title { h2 { (report.kind) " (" (report.format) ")" } (parts::badge(tone, &report.status)) }
        @if report.status == "running" { (charts::progress(report.progress, &says)) }
        p { (report.rows) " rows, " (size(report.bytes)) ". Asked for " (parts::time(report.created_at)) "."
            @if let Some(end) = report.expires_at { " Kept until " (parts::time(end)) "." } }
        @if let Some(reason) = &report.reason { p { (reason) } }
        div.row {
            @if report.status == "ready" && visiting.may_alone(Role::Viewer) { a.button.primary href={ (visiting.path("/reports/")) (report.report_id) "/content" } download { "Fetch it" } }
            @if visiting.may_alone(Role::Developer) && report.status != "expired" {
                (parts::form(visiting, &visiting.path(&format!("/reports/{}/delete", report.report_id)), &html! { button type="submit" { "Delete it" } }))
            }
        }
    }
}

fn size(bytes: i64) -> String {
    match bytes {
        ..10_240 => format!("{bytes} octets"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

fn create_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    const KINDS: [(&str, &str); 4] = [
        ("users", "users"),
        ("audit_log", "the audit log"),
        ("events", "events and their delivery"),
        ("credentials", "keys and secrets, without what they are made of"),
    ];
    const FORMATS: [(&str, &str); 2] = [("csv", "a table (CSV)"), ("ndjson", "a JSON object a line")];
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/reports"),
        &html! {
            div.fields {
                (field("type", "On", "").choice(&KINDS, attempt.or("type", "users")))
                (field("format", "As", "").choice(&FORMATS, attempt.or("format", "csv")))
                (field("from", "Only from (UTC)", "").input("datetime-local", attempt.or("from", ""), false))
                (field("to", "Until before (UTC)", "").input("datetime-local", attempt.or("to", ""), false))
            }
            button.primary type="submit" { "Ask for it" }
        },
    )
}
