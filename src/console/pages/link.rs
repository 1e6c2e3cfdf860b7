//! A link to an org's portal: for somebody of the org whom the platform has authenticated, or for its own support.

use axum::response::Response;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::standing;
use super::steps::operation;
use crate::console::layout::once_only;
use crate::console::seat::Seated;
use crate::identity::portal::Role;
use crate::portal::form::Form;
use crate::portal::layout::{Page, Section};
use crate::portal::operations::Refused;
use crate::portal::parts::{self, Attempt, Field};
use crate::portal::visit::{Data, Visiting};

/// For whom the first answer is lost to.
const SENT_AGAIN: &str = "If you have not kept it, make another one.";

#[derive(Deserialize)]
struct Link {
    url: String,
    expires_at: DateTime<Utc>,
}

/// Makes one, and shows it.
pub async fn make(seated: Seated, visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let page = |title| Page::new(&visiting, Section::Standing, title);
    if !seated.spend(&form).await? {
        return Ok(page("Done already").show(&once_only(&visiting.path("/standing"), SENT_AGAIN)));
    }
    let body = json!({"actor": {"id": form.get("actor").unwrap_or_default()}, "role": form.get("role")});
    match visiting.post(&operation(&visiting, "/portal-sessions"), body, &form.once()).await {
        Ok(answer) => {
            let Data { data: link } = answer.read::<Data<Link>>()?;
            Ok(page("A link to the portal").show(&made(&visiting, &link)))
        }
        Err(refused) => standing::page(&visiting, "", &Attempt::refused(form, refused)?).await,
    }
}

fn made(visiting: &Visiting, link: &Link) -> Markup {
    html! {
        h1 { "A link to the portal" }
        (parts::secret("The link", &link.url))
        p { "It opens once, until " (parts::time(link.expires_at)) ", and then a session of 30 minutes. Whoever has it gets in." }
        div.row {
            a.button.primary href=(link.url) rel="noreferrer" { "Open it here" }
            a.button href=(visiting.path("/standing")) { "Back" }
        }
    }
}

/// The form for it.
pub fn link_form(visiting: &Visiting, attempt: &Attempt) -> Markup {
    const ROLES: [(&str, &str); 3] = [
        ("viewer", "see everything but secrets"),
        ("developer", "and test queues, replay events, ask for reports"),
        ("admin", "and change keys, secrets and public keys"),
    ];
    let field = |name, label, hint| Field { attempt, name, label, hint };
    parts::form(
        visiting,
        &visiting.path("/link"),
        &html! {
            div.fields {
                (field("actor", "For whom", "As the audit log is to name them: letters, digits and . _ : | -, no e-mail address.")
                    .input("text", attempt.or("actor", ""), true))
                (field("role", "Who may", "").choice(&ROLES, attempt.or("role", Role::Viewer.name())))
            }
            button.primary type="submit" { "Make a link" }
        },
    )
}
