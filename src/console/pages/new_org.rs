//! A new org. Its credentials are made when its owner opens a claim, so that the platform's people never see them.

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::orgs;
use crate::console::layout::{Page, Section, once_only};
use crate::console::seat::Seated;
use crate::portal::form::Form;
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field, encoded};
use crate::portal::sitting::Data;

/// For whom the first answer is lost to.
const SENT_AGAIN: &str = "If you have not kept the claim, recover the organisation: that makes another one.";

#[derive(Deserialize)]
struct Made {
    key: String,
    name: String,
    claim_url: String,
}

/// Makes an org, and shows the claim to it.
pub async fn create(seated: Seated, form: Form) -> Result<Response, Refused> {
    let page = |title| Page::new(&seated, Section::Orgs, title);
    if !seated.spend(&form).await? {
        return Ok(page("Done already").show(&once_only("/console/orgs", SENT_AGAIN)));
    }
    let mut body = form.body([("key", "key"), ("name", "name")]);
    body.insert("claim".to_owned(), true.into());
    if let Some(email) = form.get("contact_emails") {
        body.insert("contact_emails".to_owned(), vec![email].into());
    }
    match seated.post("/internal/orgs", Value::Object(body), &form.once()).await {
        Ok(answer) => {
            let Data { data } = answer.read::<Data<Made>>()?;
            Ok(page("A new organisation").show(&made(&data)))
        }
        Err(refused) => orgs::page(&seated, ("", ""), &Attempt::refused(form, refused)?).await,
    }
}

fn made(made: &Made) -> Markup {
    html! {
        h1 { "“" (made.name) "” is made" }
        (parts::secret("The claim to its credentials", &made.claim_url))
        p { "Send this to its owner: a POST there, once, within 72 hours, makes its first API key and signing secret and shows them." }
        p { a.button href={ "/console/orgs/" (encoded(&made.key)) } { "I have it, show the organisation" } }
    }
}

/// The form for it.
pub fn new_form(seated: &Seated, attempt: &Attempt) -> Markup {
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        seated,
        "/console/orgs",
        &html! {
            div.fields {
                (field("key", "Key", "2 to 63 of a-z, 0-9 and -. It never changes.").input("text", attempt.or("key", ""), true))
                (field("name", "Name", "").input("text", attempt.or("name", ""), true))
                (field("contact_emails", "Whom to write to", "").input("email", attempt.or("contact_emails", ""), false))
            }
            button.primary type="submit" { "Make it" }
        },
    )
}
