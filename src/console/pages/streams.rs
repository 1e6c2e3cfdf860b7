//! The platform's streams, and the types of events on them.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use crate::console::layout::{Page, Section};
use crate::console::seat::Seated;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, encoded};
use crate::portal::sitting::Listed;
use crate::portal::visit::Named;

#[derive(Deserialize)]
struct Entry {
    name: String,
    description: String,
    types: Vec<String>,
    updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    description: String,
    types: Vec<Type>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Type {
    r#type: String,
    description: String,
    schema: Option<serde_json::Value>,
}

/// All of them: there are at most a hundred.
pub async fn list(seated: Seated) -> Result<Response, Refused> {
    let streams: Listed<Entry> = seated.get("/internal/streams?limit=100").await?;
    let body = html! {
        h1 { "Streams" }
        p { "The platform's own, beside users and credentials. They are put in place through the API." }
        @if streams.data.is_empty() { p.empty { "There is none." } }
        @else { (table(&streams.data)) }
    };
    Ok(Page::new(&seated, Section::Streams, "Streams").show(&body))
}

fn table(streams: &[Entry]) -> Markup {
    parts::table(
        "Streams",
        &html! {
            (parts::columns(&["Name", "What it is", "Types", "Last changed"]))
            tbody { @for stream in streams { tr {
                th scope="row" { a href={ "/console/streams/" (encoded(&stream.name)) } { (stream.name) } }
                td { (stream.description) }
                td.number { (stream.types.len()) }
                td { (parts::time(stream.updated_at)) }
            } } }
        },
    )
}

/// One, with what its types keep to.
pub async fn show(seated: Seated, Named(name): Named) -> Result<Response, Refused> {
    let stream: Stream = seated.data(&format!("/internal/streams/{}", encoded(&name))).await?;
    let body = html! {
        p.trail { a href="/console/streams" { "Streams" } }
        h1 { (stream.name) }
        p { (stream.description) }
        section.card {
            dl {
                div { dt { "Made" } dd { (parts::time(stream.created_at)) } }
                div { dt { "Last changed" } dd { (parts::time(stream.updated_at)) } }
            }
        }
        @if stream.types.is_empty() { p.empty { "It has no types." } }
        ul.cards { @for kind in &stream.types { li.card {
            h2 { (kind.r#type) }
            p { (kind.description) }
            @match &kind.schema {
                Some(schema) => (parts::folded("What its data keeps to", false, &html! {
                    pre tabindex="0" role="region" aria-label={ "Schema of " (kind.r#type) } { code { (serde_json::to_string_pretty(schema).unwrap_or_default()) } }
                })),
                None => p.quiet { "Any object will do." }
            }
        } } }
    };
    Ok(Page::new(&seated, Section::Streams, stream.name.clone()).show(&body))
}
