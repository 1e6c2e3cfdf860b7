//! An org goes back to its owner. The new key is made when its owner opens a claim, so that the platform's people never
//! see it.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::standing;
use super::steps::operation;
use crate::console::layout::once_only;
use crate::console::seat::Seated;
use crate::portal::form::Form;
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Data, Visiting};

/// For whom the first answer is lost to.
const SENT_AGAIN: &str = "If you have not kept it, recover the organisation once more: that makes another claim, and ends this one's key.";

#[derive(Deserialize)]
struct Recovered {
    claim_url: Option<String>,
    signing_secret: Option<String>,
    ended: Ended,
    left: Left,
}

#[derive(Deserialize)]
struct Ended {
    tenant_keys: Vec<Uuid>,
    signing_secrets: Vec<Uuid>,
    public_keys: Vec<Uuid>,
    queues_paused: Vec<String>,
    lifted: Vec<String>,
    tokens_until: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Left {
    authentication_keys: Vec<Uuid>,
    signing_secret_created_at: Option<DateTime<Utc>>,
}

/// Recovers the org, and shows what ended and what is left.
pub async fn recover(seated: Seated, visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let page = |title| Page::new(&visiting, Section::Standing, title);
    if !seated.spend(&form).await? {
        return Ok(page("Done already").show(&once_only(&visiting.path("/standing"), SENT_AGAIN)));
    }
    let mut body = form.body([("keep_key_id", "keep_key_id")]);
    if body.is_empty() {
        body.insert("claim".to_owned(), true.into());
    }
    form.instant("since").map(|since| body.insert("since".to_owned(), since));
    match visiting.post(&operation(&visiting, "/recover"), Value::Object(body), &form.once()).await {
        Ok(answer) => {
            let Data { data } = answer.read::<Data<Recovered>>()?;
            Ok(page("Recovered").show(&recovered(&visiting, &data)))
        }
        Err(refused) => standing::page(&visiting, "", &Attempt::refused(form, refused)?).await,
    }
}

fn recovered(visiting: &Visiting, done: &Recovered) -> Markup {
    html! {
        h1 { "The organisation is its owner's again" }
        @if let Some(claim) = &done.claim_url {
            (parts::secret("The claim to its new key", claim))
            p { "Send this to the owner: a POST there, once, within 72 hours, makes the key and shows it. Whoever comes second is told that somebody was there." }
        }
        @if let Some(secret) = &done.signing_secret {
            (parts::secret("Its new signing secret", secret))
            p { "The one before was made after the thief may have come." }
        }
        section.card { (ended(&done.ended)) }
        section.card {
            h2 { "What is left, to be looked at before it is thawed" }
            @if done.left.authentication_keys.is_empty() { p { "No public key that signs." } }
            @else {
                p { "Whoever has the private half of one of these signs as the organisation, and can thaw it:" }
                ul { @for id in &done.left.authentication_keys { li { a href=(visiting.path(&format!("/public-keys/{id}"))) { code { (id) } } } } }
            }
            @if let Some(at) = done.left.signing_secret_created_at { p { "The signing secret in place is from " (parts::time(at)) "." } }
        }
        (parts::notice(Tone::Warning, &html! { p { "It is frozen, and its queues stand still. Thaw it and resume them when its owner is back." } }))
        p { a.button href=(visiting.path("/standing")) { "I have it, show its standing" } }
    }
}

fn ended(ended: &Ended) -> Markup {
    html! {
        h2 { "What ended" }
        dl {
            div { dt { "API keys" } dd { (ended.tenant_keys.len()) } }
            div { dt { "Signing secrets" } dd { (ended.signing_secrets.len()) } }
            div { dt { "Public keys" } dd { (ended.public_keys.len()) } }
            div { dt { "Tokens issued until" } dd { (parts::time(ended.tokens_until)) } }
            div { dt { "Queues paused" } dd { @if ended.queues_paused.is_empty() { "none" } @else { (ended.queues_paused.join(", ")) } } }
            @if !ended.lifted.is_empty() { div { dt { "Lifted" } dd { (ended.lifted.join(", ").replace('_', " ")) } } }
        }
    }
}

/// The form for it.
pub fn recovery_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/recover"),
        &html! {
            p { "Every API key ends but the one that is kept, and so do previous secrets, waiting rotations and all tokens. Queues are paused, and the administration is frozen. This cannot be undone." }
            div.fields {
                (field("keep_key_id", "Keep the key with this id", "One that its owner still trusts. Without it there is a claim to a new key.")
                    .input("text", attempt.or("keep_key_id", ""), false))
                (field("since", "The thief may have come (UTC)", "Public keys and a signing secret from then on end as well.")
                    .input("datetime-local", attempt.or("since", ""), false))
            }
            button.danger type="submit" { "Recover it" }
        },
    )
}
