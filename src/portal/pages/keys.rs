//! The org's API keys: all of them, and a further one.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::views::{Key, Standing};
use crate::error::Code;
use crate::identity::portal::Role;
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Data, Listed, Visiting};

/// What the list shows.
#[derive(Default)]
struct Filter {
    all: bool,
    is_revoked: bool,
}

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    let filter = Filter { all: !asked.get("all").is_empty(), is_revoked: asked.get("done") == "revoked" };
    page(&visiting, &filter, &Attempt::default()).await
}

/// Mints a key, and shows it.
pub async fn mint(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let mut body = form.body([("name", "name")]);
    form.instant("expires_at").map(|end| body.insert("expires_at".to_owned(), end));
    if !form.has("scope", "*") && !form.all("scope").is_empty() {
        body.insert("scopes".to_owned(), form.all("scope").into());
    }
    match visiting.post("/v1/admin/org/tenant-keys", Value::Object(body), &form.once()).await {
        Ok(answer) if answer.is_replayed => Ok(once_only(&visiting)),
        Ok(answer) => {
            let made: Data<Minted> = answer.read()?;
            Ok(minted(&visiting, &made.data))
        }
        Err(refused) if refused.is(Code::SecretNoLongerAvailable) => Ok(once_only(&visiting)),
        Err(refused) => page(&visiting, &Filter::default(), &Attempt::refused(form, refused)?).await,
    }
}

/// The live keys, each with the rotation that it takes part in. There are at most ten.
pub async fn live(visiting: &Visiting) -> Result<Vec<Key>, Refused> {
    let listed: Listed<Key> = visiting.get("/v1/admin/org/tenant-keys?limit=100").await?;
    let mut keys = Vec::with_capacity(listed.data.len());
    for key in listed.data {
        keys.push(visiting.data(&format!("/v1/admin/org/tenant-keys/{}", key.id)).await?);
    }
    Ok(keys)
}

#[derive(Deserialize)]
struct Minted {
    id: uuid::Uuid,
    name: String,
    secret: String,
}

fn minted(visiting: &Visiting, made: &Minted) -> Response {
    let body = html! {
        h1 { "The key “" (made.name) "” is made" }
        (parts::secret("The new API key", &made.secret))
        p { a.button href={ (visiting.path("/keys/")) (made.id) } { "I have it, show the key's page" } }
    };
    Page::new(visiting, Section::Keys, "A new API key").show(&body)
}

/// The answer to a form that was sent before, as by loading its page again: nothing is done twice, nothing shown twice.
pub fn once_only(visiting: &Visiting) -> Response {
    let body = html! {
        h1 { "That was done already" }
        (parts::notice(Tone::Plain, &html! {
            p { "This form was sent before. What it made was shown then, and is not shown again." }
            p { "If you have not kept it, make another one." }
        }))
        p { a.button href=(visiting.path("/keys")) { "To the API keys" } }
    };
    Page::new(visiting, Section::Keys, "Done already").show(&body)
}

async fn page(visiting: &Visiting, filter: &Filter, attempt: &Attempt) -> Result<Response, Refused> {
    let (now, shows_all) = (visiting.now(), filter.all);
    let keys = if shows_all {
        let listed: Listed<Key> =
            visiting.get("/v1/admin/org/tenant-keys?include_revoked=true&limit=100").await?;
        listed.data
    } else {
        live(visiting).await?
    };
    let body = html! {
        div.head {
            h1 { "API keys" }
            @if shows_all { a href=(visiting.path("/keys")) { "Show live keys only" } }
            @else { a href=(visiting.path("/keys?all=1")) { "Show ended keys too" } }
        }
        (attempt.summary())
        @if filter.is_revoked {
            (parts::notice(Tone::Good, &html! { p { "The key has ended." } }))
        }
        @if keys.is_empty() { p.empty { "There is no key." } }
        ul.cards { @for key in &keys { li.card { (entry(visiting, key, now)) } } }
        @if visiting.may_alone(Role::Admin) { section.card { (parts::folded("Make a further key", attempt.is_refused(), &mint_form(visiting, attempt))) } }
    };
    Ok(Page::new(visiting, Section::Keys, "API keys").status(attempt.status()).show(&body))
}

fn entry(visiting: &Visiting, key: &Key, now: DateTime<Utc>) -> Markup {
    html! {
        div.title {
            h2 { a href={ (visiting.path("/keys/")) (key.id) } { (key.name) } }
            (standing(key, now))
        }
        dl {
            div { dt { "Begins with" } dd { code { (key.prefix) "…" } } }
            div { dt { "Last used" } dd { (parts::time_or(key.last_used_at, "never")) } }
            div { dt { @if key.revoked_at.is_some() { "Revoked" } @else { "Ends" } }
                dd { (parts::time_or(key.revoked_at.or(key.ends_at(now)), "has no end")) } }
        }
    }
}

/// How a key stands, in words.
pub fn standing(key: &Key, now: DateTime<Utc>) -> Markup {
    html! {
        @match key.standing(now) {
            Standing::Live => (parts::badge(Tone::Good, "live")),
            Standing::Waiting => (parts::badge(Tone::Warning, "waits for its confirmation")),
            Standing::Replaced => (parts::badge(Tone::Warning, "replaced, in its grace window")),
            Standing::Leaked => (parts::badge(Tone::Bad, "leaked")),
            Standing::Over if key.revoked_at.is_some() => (parts::badge(Tone::Plain, "revoked")),
            Standing::Over => (parts::badge(Tone::Plain, "expired")),
        }
        @if key.is_current { (parts::badge(Tone::Plain, "opened this session")) }
    }
}

fn mint_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/keys"),
        &html! {
            div.fields {
                (field("name", "Name", "Where it is used, such as billing backend.").input("text", attempt.or("name", ""), true))
                (field("expires_at", "Ends (UTC)", "Leave it empty for a key without an end.")
                    .input("datetime-local", attempt.or("expires_at", ""), false))
            }
            fieldset {
                legend { "What it may do" }
                p.hint { "With none of these it may do everything." }
                div.boxes {
                    @for scope in crate::identity::key_scopes::KeyScope::ALL {
                        label { input type="checkbox" name="scope" value=(scope.name()) checked[attempt.ticked("scope", scope.name())]; (scope.name()) }
                    }
                }
            }
            button.primary type="submit" { "Make the key" }
        },
    )
}
