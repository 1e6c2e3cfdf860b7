//! The secrets under the org's events.

use axum::http::Method;
use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::views::Secrets;
use crate::error::Code;
use crate::identity::portal::Role;
use crate::portal::form::{Asked, Form};
use crate::portal::layout::{Page, Section};
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::{Data, Named, Visiting};

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, Some(asked.get("done")), &Attempt::default()).await
}

/// The secrets, if the org has one.
pub async fn load(visiting: &Visiting) -> Result<Option<Secrets>, Refused> {
    match visiting.data("/v1/auth/signing-secret").await {
        Err(refused) if refused.is(Code::SigningSecretNotConfigured) => Ok(None),
        loaded => loaded.map(Some),
    }
}

#[derive(Deserialize)]
struct Rotated {
    new_signing_secret: Option<String>,
    previous_secret_expires_at: Option<DateTime<Utc>>,
    confirmation_expires_at: Option<DateTime<Utc>>,
}

/// Rotates the secret, and shows the new one if it was made here.
pub async fn rotate(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let mut body = form.body([("activation", "activation"), ("secret", "secret")]);
    form.number("grace_period_seconds").map(|grace| body.insert("grace_period_seconds".to_owned(), grace));
    match visiting.post("/v1/auth/signing-secret/rotate", Value::Object(body), &form.once()).await {
        Ok(answer) if answer.is_replayed => Ok(once_only(&visiting)),
        Ok(answer) => {
            let made: Data<Rotated> = answer.read()?;
            Ok(rotated(&visiting, &made.data))
        }
        Err(refused) if refused.is(Code::SecretNoLongerAvailable) => Ok(once_only(&visiting)),
        // What was sent as a secret is not sent back.
        Err(refused) => page(&visiting, None, &Attempt::refused(form, refused)?).await,
    }
}

fn rotated(visiting: &Visiting, made: &Rotated) -> Response {
    let body = html! {
        h1 { "The signing secret is rotated" }
        @match &made.new_signing_secret {
            Some(secret) => (parts::secret("The new signing secret", secret)),
            None => p { "Events are signed with the secret that you sent." }
        }
        (parts::notice(Tone::Plain, &html! {
            @match (made.confirmation_expires_at, made.previous_secret_expires_at) {
                (Some(end), _) => p { "Both sign. Put the new one in place, and confirm it by " (parts::time(end)) "; otherwise it ends." },
                (None, Some(end)) => p { "Until " (parts::time(end)) " every event is signed with both, so receivers may change over at any time before." },
                (None, None) => p { "It is the first: events are signed with it from now on." },
            }
        }))
        p { a.button href=(visiting.path("/secrets")) { "I have it, show the secrets" } }
    };
    Page::new(visiting, Section::Secrets, "A new signing secret").show(&body)
}

fn once_only(visiting: &Visiting) -> Response {
    let body = html! {
        h1 { "That was done already" }
        (parts::notice(Tone::Plain, &html! { p { "This form was sent before. A secret that it made was shown then, and is not shown again." } }))
        p { a.button href=(visiting.path("/secrets")) { "To the signing secrets" } }
    };
    Page::new(visiting, Section::Secrets, "Done already").show(&body)
}

/// Confirms the rotation to this secret.
pub async fn confirm(visiting: Visiting, Named(secret_id): Named, form: Form) -> Result<Response, Refused> {
    let path = format!("/v1/auth/signing-secret/{}/confirm", parts::encoded(&secret_id));
    let once = form.once();
    let ask = Ask { method: Method::POST, path: &path, body: None, once: Some(&once) };
    settle(&visiting, form, ask, "confirmed").await
}

/// Ends this secret.
pub async fn revoke(visiting: Visiting, Named(secret_id): Named, form: Form) -> Result<Response, Refused> {
    let path = format!("/v1/auth/signing-secret/{}", parts::encoded(&secret_id));
    settle(&visiting, form, Ask { method: Method::DELETE, path: &path, body: None, once: None }, "revoked")
        .await
}

async fn settle(visiting: &Visiting, form: Form, ask: Ask<'_>, done: &str) -> Result<Response, Refused> {
    match visiting.send(ask).await {
        Ok(_) => Ok(parts::go(&visiting.path(&format!("/secrets?done={done}")))),
        Err(refused) => page(visiting, None, &Attempt::refused(form, refused)?).await,
    }
}

async fn page(visiting: &Visiting, done: Option<&str>, attempt: &Attempt) -> Result<Response, Refused> {
    let (now, secrets) = (visiting.now(), load(visiting).await?);
    let body = html! {
        h1 { "Signing secrets" }
        p { "Every event is signed with each of these that lives. Receivers accept it if one of the signatures is right." }
        (attempt.summary())
        @match done {
            Some("confirmed") => (parts::notice(Tone::Good, &html! { p { "Confirmed: the secret before is in its grace window now." } })),
            Some("revoked") => (parts::notice(Tone::Good, &html! { p { "The secret has ended." } })),
            _ => {}
        }
        @match &secrets {
            Some(secrets) => (list(visiting, secrets, now)),
            None => p.empty { "There is no secret yet. There must be one before a queue is registered." }
        }
        @if visiting.may_alone(Role::Admin) {
            section.card {
                (parts::folded(if secrets.is_some() { "Rotate the secret" } else { "Make a secret" }, attempt.is_refused(), &rotation_form(visiting, attempt)))
            }
        }
    };
    Ok(Page::new(visiting, Section::Secrets, "Signing secrets").status(attempt.status()).show(&body))
}

fn list(visiting: &Visiting, secrets: &Secrets, now: DateTime<Utc>) -> Markup {
    let admin = visiting.may(Role::Admin);
    let act = |id: &uuid::Uuid, what: &str, class: &str, words: &str| {
        parts::form(
            visiting,
            &visiting.path(&format!("/secrets/{id}/{what}")),
            &html! { button class=(class) type="submit" { (words) } },
        )
    };
    html! {
        ul.cards {
            @if let Some(pending) = &secrets.pending {
                li.card {
                    div.title { h2 { "New secret" } (parts::badge(Tone::Warning, "waits for its confirmation")) }
                    p { "Until " (parts::time(pending.confirmation_expires_at)) ", " (parts::distance(now, pending.confirmation_expires_at)) ". " code { (pending.id) } }
                    @if admin { div.row { @if visiting.may_alone(Role::Admin) { (act(&pending.id, "confirm", "primary", "Confirm it")) } (act(&pending.id, "revoke", "danger", "Give it up")) } }
                }
            }
            li.card {
                div.title { h2 { "Current secret" } (parts::badge(Tone::Good, "live")) }
                p { "Since " (parts::time(secrets.current.created_at)) ", made by " @if secrets.current.source == "server" { "the service" } @else { "the organisation" } ". " code { (secrets.current.id) } }
            }
            @for previous in &secrets.previous {
                li.card {
                    div.title { h2 { "Previous secret" } (parts::badge(Tone::Warning, "in its grace window")) }
                    p { "Until " (parts::time(previous.expires_at)) ", " (parts::distance(now, previous.expires_at)) ". " code { (previous.id) } }
                    @if admin { (act(&previous.id, "revoke", "danger", "End it now")) }
                }
            }
        }
    }
}

fn rotation_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    const WINDOWS: [(&str, &str); 4] =
        [("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days, the longest"), ("0", "none")];
    const ACTIVATIONS: [(&str, &str); 2] =
        [("immediate", "now"), ("on_confirm", "when I confirm it, within a day")];
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/secrets/rotate"),
        &html! {
            div.fields {
                (field("activation", "The grace window begins", "").choice(&ACTIVATIONS, attempt.or("activation", "immediate")))
                (field("grace_period_seconds", "The previous secret signs along for", "").choice(&WINDOWS, attempt.or("grace_period_seconds", "86400")))
            }
            (field("secret", "A secret of your own", "32 to 256 bytes in base64 or hex. Leave it empty, and the service makes one.")
                .input("password", "", false))
            button.primary type="submit" { "Make the new secret" }
        },
    )
}
