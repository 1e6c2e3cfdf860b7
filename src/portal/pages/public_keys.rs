//! The org's public keys, and pairs whose private halves the service holds.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::views::{PublicKey, PublicKeys};
use crate::identity::portal::Role;
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::Visiting;
use crate::routes::public_keys::usage::Usage;

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, &asked, &Attempt::default()).await
}

/// Registers a key that was pasted or sent as a file.
pub async fn register(visiting: Visiting, asked: Asked, form: Form) -> Result<Response, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Registered {
        unique_id: Uuid,
    }
    let mut body =
        form.body([("Type", "Type"), ("PublicKey", "PublicKey"), ("RelatedClientId", "RelatedClientId")]);
    if let Some(file) = form.get("File") {
        body.insert("PublicKey".to_owned(), file.into());
    }
    body.insert("OwnerCode".to_owned(), json!(visiting.visitor().org_key));
    body.insert("Usage".to_owned(), form.all("Usage").into());
    form.instant("ExpirationUtc").map(|end| body.insert("ExpirationUtc".to_owned(), end));
    match visiting.post("/api/v1/key", Value::Object(body), &form.once()).await {
        Ok(answer) => {
            let made: Registered = answer.read()?;
            Ok(parts::go(&visiting.path(&format!("/public-keys/{}?done=registered", made.unique_id))))
        }
        Err(refused) => page(&visiting, &asked, &Attempt::refused(form, refused)?).await,
    }
}

async fn page(visiting: &Visiting, asked: &Asked, attempt: &Attempt) -> Result<Response, Refused> {
    let (now, shows_all) = (visiting.now(), !asked.get("all").is_empty());
    let path = format!(
        "/api/v1/key/list/{}?includeExpired={shows_all}&next={}",
        parts::encoded(&visiting.visitor().org_key),
        parts::encoded(asked.get("next"))
    );
    let keys: PublicKeys = visiting.get(&path).await?;
    let body = html! {
        div.head {
            h1 { "Public keys" }
            @if shows_all { a href=(visiting.path("/public-keys")) { "Show live keys only" } }
            @else { a href=(visiting.path("/public-keys?all=1")) { "Show ended keys too" } }
        }
        (attempt.summary())
        @if asked.get("done") == "deleted" { (parts::notice(Tone::Good, &html! { p { "The key has ended." } })) }
        @if keys.items.is_empty() { p.empty { "There is no key." } }
        ul.cards { @for key in &keys.items { li.card { (entry(visiting, key, now)) } } }
        @if let Some(next) = &keys.next {
            p { a.button href={ (visiting.path("/public-keys?all=")) @if shows_all { "1" } "&next=" (parts::encoded(next)) } { "Further keys" } }
        }
        @if visiting.may_alone(Role::Admin) {
            section.card { (parts::folded("Register a key", attempt.is_refused(), &register_form(visiting, attempt))) }
        }
    };
    Ok(Page::new(visiting, Section::PublicKeys, "Public keys").status(attempt.status()).show(&body))
}

fn entry(visiting: &Visiting, key: &PublicKey, now: DateTime<Utc>) -> Markup {
    html! {
        div.title {
            h2 { a href={ (visiting.path("/public-keys/")) (key.unique_id) } { (key.usage.join(", ")) } }
            (standing(key, now))
        }
        dl {
            div { dt { "Kind" } dd { (key.algorithm) @if key.has_private_key { ", a pair: we hold its private half" } } }
            div { dt { "Ends" } dd { (parts::time(key.expiration_utc)) ", " (parts::distance(now, key.expiration_utc)) } }
            div { dt { "Fingerprint" } dd { code { (key.fingerprint) } } }
            @if let Some(client) = &key.related_client_id { div { dt { "Client" } dd { (client) } } }
        }
    }
}

/// How a key stands, in words.
pub fn standing(key: &PublicKey, now: DateTime<Utc>) -> Markup {
    html! {
        @if key.expiration_utc <= now { (parts::badge(Tone::Plain, "ended")) } @else { (parts::badge(Tone::Good, "live")) }
        @if key.proven_utc.is_some() { (parts::badge(Tone::Good, "proven")) }
        @else if !key.has_private_key { (parts::badge(Tone::Plain, "not proven")) }
    }
}

fn register_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    const KINDS: [(&str, &str); 2] = [("RSA", "RSA"), ("PGP", "PGP")];
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::file_form(
        visiting,
        &visiting.path("/public-keys"),
        &html! {
            (field("PublicKey", "The public key", "Paste it: PEM or base64 of an RSA key, or an armored PGP certificate. Never a private key.")
                .text(6, attempt.or("PublicKey", "")))
            (field("File", "Or its file", "").file())
            div.fields {
                (field("Type", "Kind", "").choice(&KINDS, attempt.or("Type", "RSA")))
                (field("ExpirationUtc", "Ends (UTC)", "At most three years ahead.").input("datetime-local", attempt.or("ExpirationUtc", ""), true))
                (field("RelatedClientId", "Client", "Only if you name your OAuth clients.").input("text", attempt.or("RelatedClientId", ""), false))
            }
            fieldset #f-usage {
                legend { "What it is for" }
                div.boxes {
                    @for usage in Usage::ALL {
                        label { input type="checkbox" name="Usage" value=(usage.name()) checked[attempt.ticked("Usage", usage.name())]; (usage.name()) }
                    }
                }
            }
            button.primary type="submit" { "Register the key" }
        },
    )
}
