//! One public key: what it is, that it works, and its end.

use axum::http::Method;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::public_keys::standing;
use super::views::PublicKey;
use crate::error::Code;
use crate::identity::portal::Role;
use crate::ids::parse_uuid;
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Named, Visiting};

pub async fn show(visiting: Visiting, Named(id): Named, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, named(&id)?, asked.get("done"), &Attempt::default(), None).await
}

/// What a path names, if it is an id at all.
fn named(text: &str) -> Result<Uuid, Refused> {
    parse_uuid(text).ok_or_else(|| Code::NotFound.into())
}

/// Asks for a challenge, and shows it.
pub async fn challenge(visiting: Visiting, Named(id): Named, form: Form) -> Result<Response, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Challenged {
        challenge: String,
    }
    let id = named(&id)?;
    let path = format!("/api/v1/key/{id}/challenge");
    let once = form.once();
    match visiting.send(Ask { method: Method::POST, path: &path, body: None, once: Some(&once) }).await {
        Ok(answer) => {
            let challenged: Challenged = answer.read()?;
            page(&visiting, id, "", &Attempt::default(), Some(&challenged.challenge)).await
        }
        Err(refused) => page(&visiting, id, "", &Attempt::refused(form, refused)?, None).await,
    }
}

/// Takes the answer to one.
pub async fn prove(visiting: Visiting, Named(id): Named, form: Form) -> Result<Response, Refused> {
    let id = named(&id)?;
    let body = form.body([("Response", "Response")]);
    match visiting.post(&format!("/api/v1/key/{id}/proof"), Value::Object(body), &form.once()).await {
        Ok(_) => Ok(parts::go(&visiting.path(&format!("/public-keys/{id}?done=proven")))),
        Err(refused) => {
            let challenge = form.get("challenge").map(str::to_owned);
            page(&visiting, id, "", &Attempt::refused(form, refused)?, challenge.as_deref()).await
        }
    }
}

/// Moves its end.
pub async fn expire(visiting: Visiting, Named(id): Named, form: Form) -> Result<Response, Refused> {
    let id = named(&id)?;
    let path = format!("/api/v1/key/{id}/set-expiration");
    let mut body = serde_json::Map::new();
    form.instant("ExpirationUtc").map(|end| body.insert("ExpirationUtc".to_owned(), end));
    let ask = Ask { method: Method::PUT, path: &path, body: Some(Value::Object(body)), once: None };
    match visiting.send(ask).await {
        Ok(_) => Ok(parts::go(&visiting.path(&format!("/public-keys/{id}?done=moved")))),
        Err(refused) => page(&visiting, id, "", &Attempt::refused(form, refused)?, None).await,
    }
}

/// Ends it now.
pub async fn delete(visiting: Visiting, Named(id): Named, form: Form) -> Result<Response, Refused> {
    let id = named(&id)?;
    let path = format!("/api/v1/key/{id}");
    match visiting.send(Ask { method: Method::DELETE, path: &path, body: None, once: None }).await {
        Ok(_) => Ok(parts::go(&visiting.path("/public-keys?done=deleted"))),
        Err(refused) => page(&visiting, id, "", &Attempt::refused(form, refused)?, None).await,
    }
}

async fn page(
    visiting: &Visiting,
    id: Uuid,
    done: &str,
    attempt: &Attempt,
    challenge: Option<&str>,
) -> Result<Response, Refused> {
    let (now, key): (_, PublicKey) = (visiting.now(), visiting.get(&format!("/api/v1/key/{id}")).await?);
    let said = match done {
        "registered" => Some("The key is registered. Prove that it works, before something depends on it."),
        "proven" => Some("Proven: you hold its private half."),
        "moved" => Some("Its end is another one now."),
        _ => None,
    };
    let (is_live, title) = (key.expiration_utc > now, key.usage.join(", "));
    let body = html! {
        p.trail { a href=(visiting.path("/public-keys")) { "Public keys" } }
        div.head { h1 { (title) } div.row { (standing(&key, now)) } }
        (attempt.summary())
        @if let Some(said) = said { (parts::notice(Tone::Good, &html! { p { (said) } })) }
        @if let Some(challenge) = challenge { section.card { (answer_form(visiting, &key, challenge, attempt)) } }
        section.card { (facts(&key, now)) }
        section aria-labelledby="text" { h2 #text { "The key" } pre tabindex="0" { code { (key.public_key) } } }
        @if visiting.may(Role::Admin) && is_live { section.card { (actions(visiting, &key, attempt, challenge.is_none())) } }
    };
    Ok(Page::new(visiting, Section::PublicKeys, title.clone()).status(attempt.status()).show(&body))
}

fn facts(key: &PublicKey, now: DateTime<Utc>) -> Markup {
    html! {
        dl {
            div { dt { "Kind" } dd { (key.kind) ", " (key.algorithm) } }
            div { dt { "Private half" } dd { @if key.has_private_key { "here, sealed" } @else { "the organisation's" } } }
            div { dt { "Ends" } dd { (parts::time(key.expiration_utc)) ", " (parts::distance(now, key.expiration_utc)) } }
            div { dt { "Proven" } dd { (parts::time_or(key.proven_utc, "not yet")) } }
            @if let Some(client) = &key.related_client_id { div { dt { "Client" } dd { (client) } } }
            div { dt { "Fingerprint" } dd { code { (key.fingerprint) } } }
            div { dt { "Id" } dd { code { (key.unique_id) } } }
        }
    }
}

fn answer_form(visiting: &Visiting, key: &PublicKey, challenge: &str, attempt: &Attempt) -> Markup {
    const ENCRYPTS: [&str; 3] = ["CredentialsDownload", "Reports", "MessageLevelEncryption"];
    let decrypts = key.usage.iter().any(|usage| ENCRYPTS.contains(&usage.as_str()));
    let path = visiting.path(&format!("/public-keys/{}/proof", key.unique_id));
    html! {
        h2 { "Prove that you hold the private half" }
        @if decrypts { p { "Decrypt this message: its text is the answer." } }
        @else { p { "Sign this text, byte for byte: RSASSA-PSS, SHA-512, a salt of 64 bytes. The answer is the signature in base64." } }
        pre tabindex="0" { code { (challenge) } }
        (parts::form(visiting, &path, &html! {
            input type="hidden" name="challenge" value=(challenge);
            (Field { attempt, name: "Response", label: "The answer", hint: "There are 10 minutes and 5 tries." }.text(4, attempt.or("Response", "")))
            button.primary type="submit" { "Prove it" }
        }))
    }
}

fn actions(visiting: &Visiting, key: &PublicKey, attempt: &Attempt, may_ask: bool) -> Markup {
    let path = |what: &str| visiting.path(&format!("/public-keys/{}/{what}", key.unique_id));
    let end = key.expiration_utc.format("%Y-%m-%dT%H:%M").to_string();
    let field =
        Field { attempt, name: "ExpirationUtc", label: "Ends (UTC)", hint: "At most three years ahead." };
    let is_its_own = visiting.may_alone(Role::Admin);
    html! {
        @if may_ask && !key.has_private_key && is_its_own {
            (parts::form(visiting, &path("challenge"), &html! { button.primary type="submit" { "Ask for a challenge" } }))
        }
        @if is_its_own {
            (parts::folded("Move its end", false, &parts::form(visiting, &path("expiration"), &html! {
                (field.input("datetime-local", attempt.or("ExpirationUtc", &end), true))
                button type="submit" { "Set this end" }
            })))
        }
        (parts::folded("End this key", false, &parts::form(visiting, &path("delete"), &html! {
            p { "It ends now: nothing is encrypted to it, and nothing that it signs is believed. This cannot be undone." }
            button.danger type="submit" { "End it now" }
        })))
    }
}
