//! One API key: who uses it, and what becomes of it.

use axum::http::Method;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys;
use super::views::{Key, RotationState, Standing};
use crate::error::Code;
use crate::identity::portal::Role;
use crate::ids::{KeyId, parse_uuid};
use crate::portal::charts::{self, Column};
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Data, Named, Visiting};
use crate::routes::portal_sessions;

#[derive(Deserialize)]
struct Usage {
    requests_last_24h: i64,
    hourly: Vec<Hour>,
    sources: Vec<Source>,
    safe_to_retire: SafeToRetire,
}

#[derive(Deserialize)]
struct Hour {
    requests: i64,
}

#[derive(Deserialize)]
struct Source {
    network: Option<String>,
    user_agent: Option<String>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    requests: i64,
}

#[derive(Deserialize)]
struct SafeToRetire {
    answer: String,
    reason: String,
}

pub async fn show(visiting: Visiting, Named(key_id): Named, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, id(&key_id)?, Some(asked.get("done")), &Attempt::default()).await
}

/// What a path names, if it is an id at all.
fn id(text: &str) -> Result<Uuid, Refused> {
    parse_uuid(text).ok_or_else(|| Code::NotFound.into())
}

#[derive(Deserialize)]
struct Rotated {
    new_tenant_api_key: String,
    key_id: Uuid,
    previous_key_id: Uuid,
    previous_key_expires_at: Option<DateTime<Utc>>,
    confirmation_expires_at: Option<DateTime<Utc>>,
}

/// Rotates the key, and shows its successor.
pub async fn rotate(visiting: Visiting, Named(key_id): Named, form: Form) -> Result<Response, Refused> {
    let key_id = id(&key_id)?;
    let mut body = form.body([("activation", "activation")]);
    body.insert("key_id".to_owned(), json!(key_id));
    form.number("grace_period_seconds").map(|grace| body.insert("grace_period_seconds".to_owned(), grace));
    match visiting.post("/v1/auth/tenant-key/rotate", Value::Object(body), &form.once()).await {
        Ok(answer) if answer.is_replayed => Ok(keys::once_only(&visiting)),
        Ok(answer) => {
            let made: Data<Rotated> = answer.read()?;
            if made.data.confirmation_expires_at.is_none() {
                follow(&visiting, made.data.previous_key_id, made.data.key_id).await?;
            }
            Ok(rotated(&visiting, &made.data))
        }
        Err(refused) if refused.is(Code::SecretNoLongerAvailable) => Ok(keys::once_only(&visiting)),
        Err(refused) => page(&visiting, key_id, None, &Attempt::refused(form, refused)?).await,
    }
}

/// A session lives by the key that it was asked for with. Where its own person puts another in that key's place, it
/// goes on by that one; where somebody else does, it ends with the old one.
async fn follow(visiting: &Visiting, from: Uuid, to: Uuid) -> Result<(), Refused> {
    let (visit, db) = (&visiting.visitor().visit, &visiting.app().db.pool);
    let keys = (KeyId(from), KeyId(to));
    let followed = portal_sessions::store::follow(db, visit.partner.org_id, visit.session_id, keys).await;
    followed.map_err(|error| crate::error::ApiError::from(error).into())
}

fn rotated(visiting: &Visiting, made: &Rotated) -> Response {
    let body = html! {
        h1 { "The key is rotated" }
        (parts::secret("The new API key", &made.new_tenant_api_key))
        @match made.confirmation_expires_at {
            Some(end) => {
                (parts::notice(Tone::Plain, &html! {
                    p { "Both keys work. Put the new one in place, and confirm it by " (parts::time(end)) ": then the old key's grace window begins." }
                    p { "If you do not, the new key ends, and the old one goes on as if nothing had happened." }
                }))
            }
            None => {
                (parts::notice(Tone::Plain, &html! {
                    p { "The old key works until " (parts::time_or(made.previous_key_expires_at, "it is revoked")) ". Put the new one in place before." }
                }))
            }
        }
        p { a.button href={ (visiting.path("/keys/")) (made.key_id) } { "I have it, show the new key's page" } }
    };
    Page::new(visiting, Section::Keys, "A new API key").show(&body)
}

/// Confirms the rotation to this key.
pub async fn confirm(visiting: Visiting, Named(key_id): Named, form: Form) -> Result<Response, Refused> {
    #[derive(Deserialize)]
    struct Confirmed {
        previous_key_id: Uuid,
    }
    let key_id = id(&key_id)?;
    let path = format!("/v1/admin/org/tenant-keys/{key_id}/confirm");
    let ask = Ask { method: Method::POST, path: &path, body: None, once: Some(&form.once()) };
    match visiting.send(ask).await {
        Ok(answer) => {
            let confirmed: Data<Confirmed> = answer.read()?;
            follow(&visiting, confirmed.data.previous_key_id, key_id).await?;
            Ok(parts::go(&visiting.path(&format!("/keys/{key_id}?done=confirmed"))))
        }
        Err(refused) => page(&visiting, key_id, None, &Attempt::refused(form, refused)?).await,
    }
}

/// Ends the key; of one that waits for its confirmation, abandons the rotation.
pub async fn revoke(visiting: Visiting, Named(key_id): Named, form: Form) -> Result<Response, Refused> {
    let key_id = id(&key_id)?;
    let path = format!("/v1/admin/org/tenant-keys/{key_id}");
    match visiting.send(Ask { method: Method::DELETE, path: &path, body: None, once: None }).await {
        Ok(_) => Ok(parts::go(&visiting.path("/keys?done=revoked"))),
        Err(refused) => page(&visiting, key_id, None, &Attempt::refused(form, refused)?).await,
    }
}

async fn page(
    visiting: &Visiting,
    key_id: Uuid,
    done: Option<&str>,
    attempt: &Attempt,
) -> Result<Response, Refused> {
    let now = visiting.now();
    let key: Key = visiting.data(&format!("/v1/admin/org/tenant-keys/{key_id}")).await?;
    let usage: Usage = visiting.data(&format!("/v1/admin/org/tenant-keys/{key_id}/usage")).await?;
    let body = html! {
        p.trail { a href=(visiting.path("/keys")) { "API keys" } }
        div.head { h1 { (key.name) } div.row { (keys::standing(&key, now)) } }
        (attempt.summary())
        @if done == Some("confirmed") {
            (parts::notice(Tone::Good, &html! { p { "Confirmed: the old key is in its grace window now." } }))
        }
        section.card { (facts(&key, now)) (kin(visiting, &key)) }
        section.card aria-labelledby="usage" {
            h2 #usage { "Who uses it" }
            (used(&usage))
        }
        @if visiting.may(Role::Admin) && key.standing(now) != Standing::Over { section.card { (actions(visiting, &key, now, attempt)) } }
    };
    Ok(Page::new(visiting, Section::Keys, key.name.clone()).status(attempt.status()).show(&body))
}

fn facts(key: &Key, now: DateTime<Utc>) -> Markup {
    html! {
        dl {
            div { dt { "Begins with" } dd { code { (key.prefix) "…" } } }
            div { dt { "Made" } dd { (parts::time(key.created_at)) } }
            div { dt { "Last used" } dd { (parts::time_or(key.last_used_at, "never")) } }
            div { dt { "Ends" } dd { (parts::time_or(key.revoked_at.or(key.ends_at(now)), "has no end")) } }
            div { dt { "May do" } dd { @if key.scopes.iter().any(|scope| scope == "*") { "everything" } @else { (key.scopes.join(", ")) } } }
            div { dt { "From" } dd { @match &key.allowed_networks { Some(networks) => (networks.join(", ")), None => "any network" } } }
            div { dt { "Id" } dd { code { (key.id) } } }
        }
    }
}

/// The other key of the rotation that this one takes part in.
fn kin(visiting: &Visiting, key: &Key) -> Markup {
    let Some(rotation) = &key.rotation else { return html! {} };
    let is_new = rotation.successor_id == key.id;
    let other = if is_new { rotation.previous_key_id } else { rotation.successor_id };
    let words = match (rotation.state, is_new) {
        (RotationState::Pending, true) => "It waits to replace ",
        (RotationState::Pending, false) => "It is to be replaced, once that is confirmed, by ",
        (_, true) => "It replaces ",
        (_, false) => "It was replaced by ",
    };
    html! { p { (words) a href={ (visiting.path("/keys/")) (other) } { "another key" } "." } }
}

fn used(usage: &Usage) -> Markup {
    let columns: Vec<_> = usage.hourly.iter().map(|hour| Column { all: hour.requests, bad: 0 }).collect();
    let total: i64 = usage.hourly.iter().map(|hour| hour.requests).sum();
    let says =
        format!("{total} requests in the last 48 hours, {} of them in the last 24", usage.requests_last_24h);
    let (tone, word) = match usage.safe_to_retire.answer.as_str() {
        "yes" => (Tone::Good, "nobody would miss it"),
        "no" => (Tone::Warning, "somebody would miss it"),
        _ => (Tone::Plain, "not known whether it would be missed"),
    };
    html! {
        p { (parts::badge(tone, word)) " " (usage.safe_to_retire.reason) }
        @if total > 0 { (charts::columns(&columns, &says)) }
        p.quiet { (says) "." }
        @if !usage.sources.is_empty() {
            (parts::table("Where requests came from", &html! {
                (parts::columns(&["Network", "Program", "Requests", "First seen", "Last seen"]))
                tbody { @for source in &usage.sources { tr {
                    td { code { (source.network.as_deref().unwrap_or("not known")) } }
                    td { (source.user_agent.as_deref().unwrap_or("not said")) }
                    td.number { (source.requests) }
                    td { (parts::time(source.first_seen_at)) }
                    td { (parts::time(source.last_seen_at)) }
                } } }
            }))
        }
    }
}

fn actions(visiting: &Visiting, key: &Key, now: DateTime<Utc>, attempt: &Attempt) -> Markup {
    let path = |what: &str| visiting.path(&format!("/keys/{}/{what}", key.id));
    let end = |title: &str, words: &str, button: &str| {
        parts::folded(
            title,
            false,
            &parts::form(
                visiting,
                &path("revoke"),
                &html! {
                    p { (words) }
                    button.danger type="submit" { (button) }
                },
            ),
        )
    };
    if key.standing(now) == Standing::Waiting {
        return html! {
            @if visiting.may_alone(Role::Admin) {
                h2 { "The rotation waits for you" }
                p { "Once the new key is in place everywhere, confirm it: the old key's grace window begins then." }
                (parts::form(visiting, &path("confirm"), &html! { button.primary type="submit" { "Confirm the rotation" } }))
            }
            (end("Give the rotation up", "This new key ends now, and the old one goes on as if nothing had happened.", "Give it up"))
        };
    }
    let may_rotate =
        visiting.may_alone(Role::Admin) && matches!(key.standing(now), Standing::Live | Standing::Leaked);
    html! {
        @if may_rotate { (parts::folded("Rotate this key", attempt.is_refused(), &rotation_form(visiting, &path("rotate"), attempt))) }
        (end("Revoke this key", "It ends now, everywhere within a second. Whatever still uses it is refused. This cannot be undone.", "Revoke it now"))
    }
}

fn rotation_form(visiting: &Visiting, action: &str, attempt: &Attempt) -> Markup {
    const WINDOWS: [(&str, &str); 5] = [
        ("3600", "1 hour"),
        ("86400", "1 day"),
        ("259200", "3 days"),
        ("604800", "7 days, the longest"),
        ("0", "none: the old key ends at once"),
    ];
    const ACTIVATIONS: [(&str, &str); 3] = [
        ("on_confirm", "when I confirm it, within a day"),
        ("on_first_use", "when the new key is first used, within a day"),
        ("immediate", "now"),
    ];
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        action,
        &html! {
            p { "A new key is made and shown once. The old one goes on working through its grace window, so that nothing stops while you put the new one in place." }
            div.fields {
                (field("activation", "The grace window begins", "").choice(&ACTIVATIONS, attempt.or("activation", "on_confirm")))
                (field("grace_period_seconds", "Grace window", "").choice(&WINDOWS, attempt.or("grace_period_seconds", "86400")))
            }
            button.primary type="submit" { "Rotate the key" }
        },
    )
}
