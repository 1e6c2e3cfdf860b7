//! The portal (contract 17), as a browser without scripts uses it.

mod access;
mod credentials;
mod ends;
mod events;
mod hostile;
mod links;
mod public_keys;
mod reports;

use serde_json::{Value, json};

use crate::support::{Caller, Org, Reply, TestApp, request};

pub const LINKS: &str = "/v1/admin/org/portal-sessions";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Whom a link is for.
pub fn wanted(role: &str) -> Value {
    json!({"actor": {"id": "ada", "email": "ada@example.com"}, "role": role})
}

/// The path of a new link.
pub async fn link(by: &Caller, body: Value) -> String {
    let made = by.post(LINKS, body).await.expect(201).json();
    let url = made["data"]["url"].as_str().expect("a link");
    url[url.find("/portal/open/").expect("the way in")..].to_owned()
}

/// Somebody's browser.
pub struct Browser {
    pub caller: Caller,
    pub cookie: String,
}

impl Browser {
    /// Follows a link that this backend asks for, and presses the button.
    pub async fn enter(app: &TestApp, by: &Caller, role: &str) -> Self {
        Self::open(app, &link(by, wanted(role)).await).await
    }

    /// Follows a link, and presses the button.
    pub async fn open(app: &TestApp, path: &str) -> Self {
        let shown = app.anyone().get(path).await.expect(200);
        let link = field(&shown.text(), "link").expect("the link's token");
        let opened = press(&app.anyone(), "/portal/open", &[("link", &link)]).await.expect(303);
        assert_eq!(opened.header("location"), Some("/portal"));
        let cookie = opened.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().expect("its value").to_owned();
        Self { caller: app.anyone().with("cookie", &cookie), cookie }
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
        let shown = self.page(page).await;
        let form = form(&shown, to).unwrap_or_else(|| panic!("{page} has no form to {to}"));
        let hidden = ["form", "once", "challenge"].map(|name| (name, field(form, name)));
        let hidden = hidden.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        press(&self.caller, to, &all).await
    }

    /// What the session's forms carry.
    pub async fn form_token(&self) -> String {
        field(&self.page("/portal").await, "form").expect("a form")
    }
}

/// Sends a form, as a browser on a page of the same site does.
pub async fn press(by: &Caller, to: &str, fields: &[(&str, &str)]) -> Reply {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    by.with("sec-fetch-site", "same-origin")
        .send(request("POST", to).header("content-type", FORM), body.finish())
        .await
}

/// The form of a page that is sent there.
pub fn form<'p>(page: &'p str, to: &str) -> Option<&'p str> {
    let start = page.find(&format!("action=\"{to}\""))?;
    let end = page[start..].find("</form>")?;
    Some(&page[start..start + end])
}

/// The value of a hidden field.
pub fn field(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<"))
}

/// The secret that a page shows.
pub fn shown_secret(page: &str) -> String {
    let (_, rest) = page.split_once("<output").expect("a secret");
    let (_, rest) = rest.split_once("<code>").expect("a secret");
    rest.split('<').next().expect("its end").to_owned()
}

/// Ids of the audit log's newest rows: action, actor, person.
pub async fn logged(org: &Org) -> Vec<(String, String, Option<String>)> {
    let log = org.get("/v1/admin/org/audit?limit=100").await.expect(200).json();
    let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned);
    let rows = log["data"].as_array().expect("rows").iter();
    rows.map(|row| (text(row, "action").unwrap(), text(row, "actor").unwrap(), text(row, "actor_id")))
        .collect()
}
