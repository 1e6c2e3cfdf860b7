//! The first page: what the org has, how it does, and what ends next.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::keys;
use super::secrets;
use super::views::{Key, PublicKey, PublicKeys, Queue, Secrets, Standing};
use crate::features::Feature;
use crate::page::Place;
use crate::portal::charts::{self, Bar, Line};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Tone};
use crate::portal::visit::{Listed, Visiting};

/// Lines of the timeline; what ends later than that many others is on its own page.
const LINES: usize = 24;

/// What the page is made from; a feature that is switched off has nothing.
#[derive(Default)]
struct Seen {
    keys: Vec<Key>,
    secrets: Option<Secrets>,
    public_keys: Vec<PublicKey>,
    queues: Vec<Queue>,
}

pub async fn show(visiting: Visiting) -> Result<Response, Refused> {
    let mut seen = Seen::default();
    if visiting.has(Feature::TenantKeys) {
        seen.keys = keys::live(&visiting).await?;
    }
    if visiting.has(Feature::SigningSecretRotation) {
        seen.secrets = secrets::load(&visiting).await?;
    }
    if visiting.has(Feature::PublicKeys) {
        let path = format!("/api/v1/key/list/{}", parts::encoded(&visiting.visitor().org_key));
        seen.public_keys = visiting.get::<PublicKeys>(&path).await?.items;
    }
    if visiting.has(Feature::EventQueues) {
        seen.queues = visiting.get::<Listed<Queue>>("/v1/admin/org/queues?limit=100").await?.data;
    }
    let now = visiting.now();
    let lines = seen.lines(&visiting, now);
    let body = html! {
        h1 { "Overview" }
        @if visiting.visitor().is_frozen { (frozen(&visiting)) }
        (seen.tiles(now))
        section.card aria-labelledby="ends" {
            h2 #ends { "What ends when" }
            @if lines.is_empty() {
                p.empty { "There is no key and no secret yet." }
            } @else {
                (charts::timeline(now, &lines))
            }
        }
    };
    Ok(Page::new(&visiting, Section::Overview, "Overview").show(&body))
}

fn frozen(visiting: &Visiting) -> Markup {
    parts::notice(
        Tone::Warning,
        &html! {
            p { strong { "The administration is frozen." } }
            @match visiting.place() {
                Place::Portal => p { "Nothing of it can be changed, while traffic goes on. A signed request or your integration contact releases it." },
                Place::Console => p { "Its own people can change nothing, while traffic goes on. " a href=(visiting.path("/standing")) { "Its standing" } " says why." },
            }
        },
    )
}

impl Seen {
    fn tiles(&self, now: DateTime<Utc>) -> Markup {
        let failing = self.queues.iter().filter(|queue| queue.state == "failing").count();
        let paused = self.queues.iter().filter(|queue| queue.state == "paused").count();
        let failed: i64 = self.queues.iter().map(|queue| queue.failed_events).sum();
        let waiting: i64 = self.queues.iter().map(|queue| queue.waiting_events).sum();
        let leaked = self.keys.iter().filter(|key| key.standing(now) == Standing::Leaked).count();
        html! {
            ul.tiles {
                li { span.quiet { "API keys" } strong { (self.keys.len()) }
                    @if leaked > 0 { span { (parts::badge(Tone::Bad, &format!("{leaked} leaked"))) } } @else { span.quiet { "of at most 10" } } }
                li { span.quiet { "Public keys" } strong { (self.public_keys.len()) } span.quiet { "live" } }
                li { span.quiet { "Queues" } strong { (self.queues.len()) }
                    @if failing > 0 { span { (parts::badge(Tone::Bad, &format!("{failing} failing"))) } }
                    @if paused > 0 { span { (parts::badge(Tone::Warning, &format!("{paused} paused"))) } }
                    @if failing + paused == 0 { span.quiet { "all well" } } }
                li { span.quiet { "Events" } strong { (waiting) } span.quiet { "waiting" }
                    @if failed > 0 { span { (parts::badge(Tone::Warning, &format!("{failed} failed"))) } } }
            }
        }
    }

    /// What ends first comes first, and what has no end last.
    fn lines(&self, visiting: &Visiting, now: DateTime<Utc>) -> Vec<Line> {
        let keys = self.keys.iter().map(|key| key_line(visiting, key, now));
        let secrets = self.secrets.iter().flat_map(|secrets| secret_lines(visiting, secrets));
        let public_keys = self.public_keys.iter().map(|key| public_key_line(visiting, key));
        let mut lines: Vec<_> = keys.chain(secrets).chain(public_keys).collect();
        lines.sort_by_key(|line| (line.ends_at.is_none(), line.ends_at));
        lines.truncate(LINES);
        lines
    }
}

fn key_line(visiting: &Visiting, key: &Key, now: DateTime<Utc>) -> Line {
    let bar = match key.standing(now) {
        Standing::Replaced | Standing::Leaked | Standing::Over => Bar::Grace,
        Standing::Waiting => Bar::Waiting,
        Standing::Live => Bar::Live,
    };
    let path = visiting.path(&format!("/keys/{}", key.id));
    Line { name: key.name.clone(), kind: "API key", path, bar, ends_at: key.ends_at(now) }
}

fn secret_lines(visiting: &Visiting, secrets: &Secrets) -> Vec<Line> {
    let line = |name: &str, bar, ends_at| Line {
        name: name.to_owned(),
        kind: "Signing secret",
        path: visiting.path("/secrets"),
        bar,
        ends_at,
    };
    let pending = secrets
        .pending
        .iter()
        .map(|pending| line("New secret", Bar::Waiting, Some(pending.confirmation_expires_at)));
    let previous = secrets
        .previous
        .iter()
        .map(|previous| line("Previous secret", Bar::Grace, Some(previous.expires_at)));
    let current = line("Current secret", Bar::Live, None);
    pending.chain(previous).chain([current]).collect()
}

fn public_key_line(visiting: &Visiting, key: &PublicKey) -> Line {
    Line {
        name: key.usage.join(", "),
        kind: if key.has_private_key { "Key pair" } else { "Public key" },
        path: visiting.path(&format!("/public-keys/{}", key.unique_id)),
        bar: Bar::Live,
        ends_at: Some(key.expiration_utc),
    }
}
