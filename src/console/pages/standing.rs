//! How an org stands with the platform: whether it is served, what binds it, how much it has.

use axum::response::Response;
use maud::{Markup, html};

use super::orgs::{self, Limits, Org};
use super::steps::operation;
use super::{link, recovery};
use crate::features::Feature;
use crate::identity::portal::Role;
use crate::portal::form::Asked;
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, Tone};
use crate::portal::visit::Visiting;

pub async fn show(visiting: Visiting, asked: Asked) -> Result<Response, Refused> {
    page(&visiting, asked.get("done"), &Attempt::default()).await
}

/// The page, after something was done, or after an attempt at it.
pub async fn page(visiting: &Visiting, done: &str, attempt: &Attempt) -> Result<Response, Refused> {
    let org: Org = visiting.data(&operation(visiting, "")).await?;
    let body = html! {
        div.head { h1 { "Standing" } div.row { (orgs::standing(&org)) } }
        (attempt.summary())
        @if let Some(said) = said(done) { (parts::notice(Tone::Good, &html! { p { (said) } })) }
        section.card { (facts(&org)) }
        @if visiting.may(Role::Admin) {
            section.card aria-labelledby="brakes" { h2 #brakes { "Brakes" } (brakes(visiting, &org, attempt)) }
            section.card {
                (parts::folded("Limit its requests", attempt.value("limits").is_some(), &limit_form(visiting, &org, attempt)))
                @if visiting.has(Feature::Portal) {
                    (parts::folded("Make a link to its portal", attempt.value("actor").is_some(), &link::link_form(visiting, attempt)))
                }
                (parts::folded("Recover it from a thief", attempt.value("keep_key_id").or(attempt.value("since")).is_some(), &recovery::recovery_form(visiting, attempt)))
            }
        }
    };
    Ok(Page::new(visiting, Section::Standing, "Standing").status(attempt.status()).show(&body))
}

fn said(done: &str) -> Option<&'static str> {
    Some(match done {
        "suspended" => "It is suspended: whatever it asks for is refused within a second.",
        "resumed" => "It is served again.",
        "frozen" => "Its administration is frozen: its own people change nothing, while traffic goes on.",
        "thawed" => "It may be changed again.",
        "limited" => "The limit is set.",
        _ => return None,
    })
}

/// Suspending and freezing, each with its way back. Both have one field for the reason.
fn brakes(visiting: &Visiting, org: &Org, attempt: &Attempt) -> Markup {
    let (is_suspended, is_frozen) = (org.suspended_at.is_some(), org.administration.frozen_at.is_some());
    let release = |what: &str, words: &str| {
        let button = html! { button type="submit" { (words) } };
        parts::form(visiting, &visiting.path(what), &button)
    };
    let reason = Field {
        attempt,
        name: "reason",
        label: "Why",
        hint: "For whoever looks later: at most 200 characters.",
    };
    html! {
        div.row {
            @if is_suspended { (release("/resume", "Serve it again")) }
            @if is_frozen { (release("/thaw", "Thaw it")) }
        }
        @if !is_suspended || !is_frozen {
            (parts::form(visiting, &visiting.path(if is_frozen { "/suspend" } else { "/freeze" }), &html! {
                (reason.input("text", attempt.or("reason", ""), false))
                div.row {
                    @if !is_frozen { button type="submit" { "Freeze its administration" } }
                    @if !is_suspended { button.danger type="submit" formaction=(visiting.path("/suspend")) { "Suspend it" } }
                }
            }))
        }
    }
}

fn limit_form(visiting: &Visiting, org: &Org, attempt: &Attempt) -> Markup {
    const KINDS: [(&str, &str); 3] =
        [("default", "as many as all may make"), ("own", "as many as this"), ("none", "any number")];
    let (kind, rate, burst) = match &org.limits {
        None => ("default", String::new(), String::new()),
        Some(Limits { rate: 0, .. }) => ("none", String::new(), String::new()),
        Some(Limits { rate, burst }) => ("own", rate.to_string(), burst.unwrap_or(*rate).to_string()),
    };
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/limits"),
        &html! {
            p { "On each replica. Beyond it there is 429." }
            div.fields {
                (field("limits", "It may make", "").choice(&KINDS, attempt.or("limits", kind)))
                (field("rate", "Requests a second", "").input("number", attempt.or("rate", &rate), false))
                (field("burst", "Requests at once", "").input("number", attempt.or("burst", &burst), false))
            }
            button.primary type="submit" { "Set the limit" }
        },
    )
}

fn facts(org: &Org) -> Markup {
    html! {
        dl {
            div { dt { "Key" } dd { code { (org.key) } } }
            div { dt { "Id" } dd { code { (org.id) } } }
            div { dt { "Since" } dd { (parts::time(org.created_at)) } }
            @if let Some(at) = org.suspended_at {
                div { dt { "Suspended" } dd { (parts::time(at)) @if let Some(reason) = &org.suspend_reason { ": " (reason) } } }
            }
            @if let Some(at) = org.administration.frozen_at {
                div { dt { "Frozen" } dd { (parts::time(at)) @if let Some(reason) = &org.administration.reason { ": " (reason) } } }
            }
            div { dt { "Whom to write to" } dd { @if org.contact_emails.is_empty() { "nobody is named" } @else { (org.contact_emails.join(", ")) } } }
            div { dt { "Requests" } dd { (limits(org.limits.as_ref())) } }
            div { dt { "Signed requests" } dd { (org.signature_policy) } }
            div { dt { "Signed responses" } dd { @if org.sign_responses { "all" } @else { "those that are asked for" } } }
            div { dt { "Networks" } dd { @match &org.allowed_networks { Some(networks) => { (networks.join(", ")) " (" (org.network_policy) ")" }, None => "any" } } }
            div { dt { "A key that leaks" } dd { (leaks(org)) } }
            div { dt { "Users" } dd { (org.counts.users) } }
            div { dt { "Live API keys" } dd { (org.counts.tenant_keys) } }
            div { dt { "Live public keys" } dd { (org.counts.public_keys) } }
            div { dt { "Queues" } dd { (org.counts.queues) } }
        }
    }
}

fn limits(limits: Option<&Limits>) -> Markup {
    html! {
        @match limits {
            None => "as many as all may make",
            Some(Limits { rate: 0, .. }) => "any number",
            Some(Limits { rate, burst }) => { (rate) " a second, " (burst.unwrap_or(*rate)) " at once" }
        }
    }
}

fn leaks(org: &Org) -> String {
    match org.leak_policy.as_str() {
        "notify" => "is told of, and goes on".to_owned(),
        "revoke" => "ends at once".to_owned(),
        _ => format!("ends after {} hours", org.leak_grace_seconds / 3_600),
    }
}
