//! What the platform does to an org: each as the operation of the same name does it, with the token in its audit log.

use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::standing;
use crate::portal::form::Form;
use crate::portal::operations::{Ask, Refused};
use crate::portal::parts::{self, Attempt};
use crate::portal::visit::Visiting;

/// Stops serving the org.
pub async fn suspend(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let body = form.body([("reason", "reason")]);
    step(&visiting, form, (Method::POST, "/suspend"), Some(body), "suspended").await
}

/// Serves it again.
pub async fn resume(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    step(&visiting, form, (Method::POST, "/resume"), None, "resumed").await
}

/// Lets nobody of the org change anything.
pub async fn freeze(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let body = form.body([("reason", "reason")]);
    step(&visiting, form, (Method::POST, "/freeze"), Some(body), "frozen").await
}

/// Lets them again.
pub async fn thaw(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    step(&visiting, form, (Method::POST, "/thaw"), None, "thawed").await
}

/// Sets how many requests it may make.
pub async fn limit(visiting: Visiting, form: Form) -> Result<Response, Refused> {
    let mut own = Map::new();
    for (name, field) in [("rate", "rate"), ("burst", "burst")] {
        form.number(field).map(|number| own.insert(name.to_owned(), number));
    }
    let limits = match form.get("limits") {
        Some("own") => Value::Object(own),
        Some("none") => json!({"rate": 0}),
        _ => Value::Null,
    };
    let body = Map::from_iter([("limits".to_owned(), limits)]);
    step(&visiting, form, (Method::PATCH, ""), Some(body), "limited").await
}

async fn step(
    visiting: &Visiting,
    form: Form,
    (method, rest): (Method, &str),
    body: Option<Map<String, Value>>,
    done: &str,
) -> Result<Response, Refused> {
    let path = operation(visiting, rest);
    match visiting.send(Ask { method, path: &path, body: body.map(Value::Object), once: None }).await {
        Ok(_) => Ok(parts::go(&visiting.path(&format!("/standing?done={done}")))),
        Err(refused) => standing::page(visiting, "", &Attempt::refused(form, refused)?).await,
    }
}

/// The path of an operation on the org.
pub fn operation(visiting: &Visiting, rest: &str) -> String {
    format!("/internal/orgs/{}{rest}", visiting.visitor().visit.partner.org_id)
}
