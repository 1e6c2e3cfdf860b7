//! What a form sends: fields by name, and files as the text that they hold.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use axum::extract::{FromRequest as _, FromRequestParts, Multipart, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use serde_json::{Map, Value};

use crate::crypto::session_token::SessionToken;
use crate::error::{ApiError, Code};
use crate::http::input::{BODY_LIMIT, read_body};

/// The field that proves that a form is one of the session's own.
pub const TOKEN: &str = "form";
/// The field that makes a form the same when it is sent again.
pub const ONCE: &str = "once";
/// A form may hold a key beside its fields, as text and as a file.
const LIMIT: usize = 2 * BODY_LIMIT;

/// The fields of a form that was sent. What was left empty is not there.
#[derive(Clone, Default)]
pub struct Form(BTreeMap<String, Vec<String>>);

/// Without what was typed: some of it is secret.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Form {
    /// Reads a form, of either kind that browsers send.
    ///
    /// # Errors
    /// 413 for too much, 415 for another kind, 400 for what is broken.
    pub async fn read(request: Request<Body>) -> Result<Self, ApiError> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (parts, body) = request.into_parts();
        let sent = read_body(&parts.headers, body, LIMIT).await?;
        let mut form = Self::default();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(&sent).for_each(|(name, value)| form.add(&name, &value));
            }
            "multipart/form-data" => {
                let request = Request::from_parts(parts, Body::from(sent));
                form.read_parts(request).await.map_err(|()| Code::InvalidRequest)?;
            }
            _ => return Err(Code::UnsupportedMediaType.into()),
        }
        Ok(form)
    }

    async fn read_parts(&mut self, request: Request<Body>) -> Result<(), ()> {
        let mut parts = Multipart::from_request(request, &()).await.map_err(drop)?;
        while let Some(part) = parts.next_field().await.map_err(drop)? {
            let name = part.name().unwrap_or_default().to_owned();
            let sent = part.bytes().await.map_err(drop)?;
            match str::from_utf8(&sent) {
                Ok(text) => self.add(&name, text),
                // A binary file: keys have a text form for that.
                Err(_) => self.add(&name, &base64(&sent)),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: &str) {
        if !value.trim().is_empty() {
            self.0.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }

    /// A field, as it was sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// All values of a field, as a group of boxes sends them.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns `true` if a box was ticked, or a choice made.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).iter().any(|sent| sent == value)
    }

    /// What makes the form the same when it is sent again. A form without it is nobody's twice.
    pub fn once(&self) -> String {
        // Quotes and what else would end the header's text are none of ours.
        let sent =
            self.get(ONCE).filter(|once| once.len() >= 32 && once.bytes().all(|b| b.is_ascii_alphanumeric()));
        sent.map_or_else(new_once, str::to_owned)
    }

    /// An operation's body of these fields as text, those that are there: pairs of its name and the form's.
    pub fn body<const N: usize>(&self, fields: [(&str, &str); N]) -> Map<String, Value> {
        let sent = |(name, field): (&str, &str)| Some((name.to_owned(), Value::from(self.get(field)?)));
        fields.into_iter().filter_map(sent).collect()
    }

    /// A number of a field: as a number where it is one, else as it is, to be refused by who knows the rule.
    pub fn number(&self, name: &str) -> Option<Value> {
        let sent = self.get(name)?.trim();
        Some(sent.parse::<i64>().map_or_else(|_| Value::from(sent), Value::from))
    }

    /// An instant of a field. Browsers send one without an offset, and without seconds where there are none.
    pub fn instant(&self, name: &str) -> Option<Value> {
        Some(instant(self.get(name)?.trim()).into())
    }
}

/// What a browser's field says, as an instant in UTC is written.
pub fn instant(field: &str) -> String {
    let has_seconds = field.matches(':').count() > 1;
    format!("{field}{}", if has_seconds { "Z" } else { ":00Z" })
}

/// The query of a page's address.
pub struct Asked(Form);

impl Asked {
    /// What it says of this; empty where it says nothing.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut asked = Form::default();
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        form_urlencoded::parse(query).for_each(|(name, value)| asked.add(&name, &value));
        Ok(Self(asked))
    }
}

/// A value of the field [`ONCE`].
pub fn new_once() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Refuses what another site's page sends: browsers say where a form was, and the rest proves itself by [`TOKEN`].
/// `public_url` is where this place is, if it is known otherwise than by the request's own host.
///
/// # Errors
/// 403.
pub fn require_own_site(public_url: Option<&str>, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site_is_own = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin_is_own = text(ORIGIN.as_str()).is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        let is_public = public_url.is_some_and(|url| url.split('/').take(3).eq(origin.split('/')));
        is_public || host.is_some() && host == text(HOST.as_str())
    });
    if site_is_own && origin_is_own { Ok(()) } else { Err(foreign()) }
}

/// Takes the form out of a request, if it is one of the session's own; gives the request with the form beside it.
///
/// # Errors
/// 403 for another one, and what [`Form::read`] refuses.
pub async fn take(request: Request, token: &impl SessionToken) -> Result<Request, ApiError> {
    let (head, body) = request.into_parts();
    let (mut left, ()) = Request::new(()).into_parts();
    left.headers.clone_from(&head.headers);
    let form = Form::read(Request::from_parts(left, body)).await?;
    if !form.get(TOKEN).is_some_and(|sent| token.is_form_token(sent)) {
        return Err(foreign());
    }
    let mut request = Request::from_parts(head, Body::empty());
    request.extensions_mut().insert(form);
    Ok(request)
}

/// The refusal of a form that is not the session's own.
fn foreign() -> ApiError {
    const SAID: &str =
        "This form is not one of your session's. Open the page again, and send the form from there.";
    ApiError::with_message(Code::Forbidden, SAID)
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.remove::<Self>().ok_or_else(|| ApiError::internal("a form was not read"))
    }
}
