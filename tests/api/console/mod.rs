//! The console (contract 17), as a browser without scripts uses it.

mod access;
mod door;
mod hostile;
mod orgs;
mod overview;
mod steps;

use partner_api::identity::platform::PlatformScope;
use uuid::Uuid;

use crate::portal::{field, form, press};
use crate::support::{Caller, Reply, TestApp};

pub const LOGIN: &str = "/console/login";

/// Somebody of the platform's, at a browser.
pub struct Operator {
    pub caller: Caller,
    pub cookie: String,
    pub token_id: Uuid,
}

impl Operator {
    /// Shows a platform token that may do this.
    pub async fn enter(app: &TestApp, scopes: &[PlatformScope]) -> Self {
        let (token_id, token) = app.platform_token(scopes).await;
        let entered = press(&app.operations(), LOGIN, &[("token", &token)]).await.expect(303);
        assert_eq!(entered.header("location"), Some("/console"));
        Self::holding(app, &entered, token_id)
    }

    /// Whoever got this answer at the door.
    pub fn holding(app: &TestApp, entered: &Reply, token_id: Uuid) -> Self {
        let cookie = entered.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().expect("its value").to_owned();
        Self { caller: app.operations().with("cookie", &cookie), cookie, token_id }
    }

    /// Somebody who may do everything.
    pub async fn of_all(app: &TestApp) -> Self {
        Self::enter(app, &PlatformScope::ALL).await
    }

    /// A page.
    pub async fn get(&self, path: &str) -> Reply {
        self.caller.get(path).await
    }

    /// A page that is there, as text.
    pub async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).text()
    }

    /// Fills in a form of this page, and sends it there.
    pub async fn submit(&self, page: &str, to: &str, fields: &[(&str, &str)]) -> Reply {
        press(
            &self.caller,
            to,
            &self
                .filled(page, to, fields)
                .await
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
        )
        .await
    }

    /// The fields of a form of this page, filled in.
    pub async fn filled(&self, page: &str, to: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let shown = self.page(page).await;
        // Beside it there may be one that only asks.
        let action = format!("action=\"{to}\"");
        let posted = shown.split("method=\"post\" ").find(|rest| rest.starts_with(&action));
        let posted = posted.and_then(|rest| form(rest, to));
        let form = posted.unwrap_or_else(|| panic!("{page} has no form to {to}"));
        let hidden =
            ["form", "once"].map(|name| (name.to_owned(), field(form, name).expect("a hidden field")));
        let typed = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        hidden.into_iter().chain(typed).collect()
    }

    /// What the session's forms carry.
    pub async fn form_token(&self) -> String {
        field(&self.page("/console/service").await, "form").expect("a form")
    }
}
