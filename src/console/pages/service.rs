//! The service itself: this process, as its probes and metrics have it, and those that deliver events.

use std::sync::atomic::Ordering;

use axum::response::Response;
use maud::{Markup, html};

use crate::console::layout::{Page, Section};
use crate::console::seat::Seated;
use crate::db::PoolUsage;
use crate::error::ApiError;
use crate::features::{Feature, FeatureState};
use crate::limits::Limit;
use crate::metrics::WORK;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Tone};
use crate::readiness::NotReady;
use crate::routes::internal::watch::{self, Deliverer};
use crate::state::App;

pub async fn show(seated: Seated) -> Result<Response, Refused> {
    let app = seated.app();
    let deliverers = watch::deliverers(&app.db.pool, seated.now()).await.map_err(ApiError::from)?;
    let body = html! {
        h1 { "Service" }
        p { "What this process knows of itself. Another replica answers the next page, if there are several." }
        section.card aria-labelledby="process" { h2 #process { "This process" } (process(app)) }
        section aria-labelledby="load" { h2 #load { "What it does now" } (load(app)) }
        section aria-labelledby="deliverers" {
            h2 #deliverers { "Processes that deliver events" }
            @if deliverers.is_empty() { p.empty { "Nothing waits to be delivered." } } @else { (table(&deliverers)) }
        }
        section aria-labelledby="features" { h2 #features { "Features" } (features(app)) }
    };
    Ok(Page::new(&seated, Section::Service, "Service").show(&body))
}

fn process(app: &App) -> Markup {
    let draining = app.draining.load(Ordering::Acquire).then_some(NotReady::Draining);
    let reason = draining.or_else(|| app.readiness.reason());
    html! {
        dl {
            div { dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) } }
            div { dt { "Ready for traffic" } dd { @match reason {
                None => (parts::badge(Tone::Good, "ready")),
                Some(reason) => (parts::badge(Tone::Bad, reason.text())),
            } } }
            div { dt { "What it remembers" } dd { @if app.trust.is_fresh() { (parts::badge(Tone::Good, "is believed")) }
                @else { (parts::badge(Tone::Warning, "is not believed: every request asks the database")) } } }
            div { dt { "Events on their way" } dd { (app.outbox.in_flight()) } }
        }
    }
}

fn load(app: &App) -> Markup {
    let requests = Limit::ALL.map(|limit| {
        let capacity = app.limits.capacity(limit);
        (
            format!("Requests: {}", limit.name()),
            capacity - app.limits.permits(limit).available_permits(),
            capacity,
        )
    });
    let PoolUsage { in_use, max, .. } = app.db.pool.usage();
    let database = ("Connections to the database".to_owned(), in_use, max as usize);
    let workers = app.workers.load();
    parts::table(
        "Its load",
        &html! {
            (parts::columns(&["What", "Running", "At most", "Waiting"]))
            tbody {
                @for (what, running, most) in requests.iter().chain([&database]) { tr {
                    th scope="row" { (what) } td.number { (running) } td.number { (most) } td.number { "none" }
                } }
                @for (what, load) in WORK.iter().zip(workers) { tr {
                    th scope="row" { "Threads: " (what.replace('_', " ")) } td.number { (load.running) } td.number { "half of the processors" } td.number { (load.waiting) }
                } }
            }
        },
    )
}

fn table(deliverers: &[Deliverer]) -> Markup {
    parts::table(
        "Each process",
        &html! {
            (parts::columns(&["Process", "Queues that it has"]))
            tbody { @for deliverer in deliverers { tr {
                th scope="row" { code { (deliverer.id) } }
                td.number { (deliverer.queues) }
            } } }
        },
    )
}

fn features(app: &App) -> Markup {
    parts::table(
        "Each feature",
        &html! {
            (parts::columns(&["Feature", "State"]))
            tbody { @for feature in Feature::ALL { tr {
                th scope="row" { (feature.name()) }
                td { @match app.features.status(feature) {
                    FeatureState::Live => (parts::badge(Tone::Good, "live")),
                    FeatureState::Disabled => (parts::badge(Tone::Warning, "switched off")),
                    FeatureState::Planned => (parts::badge(Tone::Plain, "to come")),
                } }
            } } }
        },
    )
}
