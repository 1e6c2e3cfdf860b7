//! The input of the portal's links.

use url::Url;
use utoipa::ToSchema;

use crate::http::input::{Body, Input, Reader};
use crate::identity::portal::Role;
use crate::network::is_this_machine;

/// Characters of a `return_url`.
const MAX_URL: usize = 2_000;
/// What an `actor.id` must be, as a refusal says it.
const ID_RULE: &str =
    "must have 1 to 128 letters, digits and the characters . _ : | -, and be no e-mail address";

/// Whom a link to the portal is for.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({"actor": {"id": "ada"}, "role": "viewer"}))]
pub struct CreatePortalSession {
    /// The person.
    pub actor: PortalActor,
    /// What they may do.
    pub role: Role,
    /// Where the portal's way back leads: an https URL, of at most 2,000 characters.
    #[schema(max_length = 2_000, format = "uri", example = "https://app.example.com/settings")]
    pub return_url: Option<String>,
}

/// A person.
#[derive(Clone, Debug, ToSchema)]
pub struct PortalActor {
    /// Who it is, in your words: the audit log names it beside every change. No e-mail address.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:|-]{1,128}$", example = "ada")]
    pub id: String,
    /// For the page's head; the audit log does not have it.
    #[schema(max_length = 254, format = Email, example = "ada@example.com")]
    pub email: Option<String>,
}

impl Input for CreatePortalSession {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let actor = request.body("actor").required().object(|actor| {
            let id = actor.field("id").required().choice(ID_RULE, id);
            let email = actor.field("email").email();
            Some(PortalActor { id: id?, email })
        });
        let role = request.body("role").required();
        let role = role.choice("must be viewer, developer or admin", Role::parse);
        let return_url = request.body("return_url").decoded(return_url);
        Some(Self { actor: actor?, role: role?, return_url })
    }
}

fn id(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:|-".contains(c);
    ((1..=128).contains(&text.len()) && text.chars().all(is_plain)).then(|| text.to_owned())
}

/// An https URL; also http on the machine itself, where platforms are developed.
fn return_url(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "must be an https URL of at most 2,000 characters, without a user";
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL).ok_or(RULE)?;
    let is_good = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url.host());
    let names_user = !url.username().is_empty() || url.password().is_some();
    // As it was understood, so that no browser reads it as something else.
    if is_good && !names_user { Ok(url.into()) } else { Err(RULE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_https_and_nothing_that_runs() {
        for good in ["https://app.example.com/settings?tab=2", "http://localhost:3000/", "http://127.0.0.1/x"]
        {
            assert_eq!(return_url(good).as_deref(), Ok(good), "{good}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2_000));
        for bad in [
            "",
            "/settings",
            "//example.com",
            "http://example.com",
            "javascript:alert(1)",
            "JaVaScRiPt://example.com/%0aalert(1)",
            "data:text/html,<script>alert(1)</script>",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "http://localhost.example.com/",
            "ftp://localhost/",
            &long,
        ] {
            assert!(return_url(bad).is_err(), "{bad}");
        }
        assert_eq!(return_url("java\tscript:alert(1)"), return_url(""));
        assert_eq!(
            return_url("https://example.com/\"><b>").as_deref(),
            Ok("https://example.com/%22%3E%3Cb%3E")
        );
    }

    #[test]
    fn a_person_is_a_word_and_no_address() {
        for good in ["ada", "auth0|5f7c", "user:42", "0192f0c1-2345-7abc-8def-0123456789ab"] {
            assert_eq!(id(good).as_deref(), Some(good));
        }
        for bad in ["", "ada@example.com", "<b>", "a b", "é", &"a".repeat(129)] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
