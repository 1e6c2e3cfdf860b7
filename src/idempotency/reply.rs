//! A successful reply as it is sent, and as it is kept for a retry.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::ApiError;

/// Marks a reply that was given before.
pub static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The reply to a POST.
pub struct Reply {
    status: StatusCode,
    body: Zeroizing<String>,
    made: Option<Vec<Made>>,
    kept_since: Option<KeptSince>,
}

/// When a reply that is given again was given first; beside it, for pages of this process.
#[derive(Clone, Copy, Debug)]
pub struct KeptSince(pub DateTime<Utc>);

/// Something that a reply with a secret made. Its id is told when the secret cannot be any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// The reply's name for it, such as `key_id`.
    pub field: String,
    /// The id.
    pub id: String,
}

impl Made {
    /// Names what was made.
    pub fn new(field: &str, id: impl ToString) -> Self {
        Self { field: field.to_owned(), id: id.to_string() }
    }
}

impl Reply {
    /// A reply without secrets.
    ///
    /// # Errors
    /// Never, for plain data with string keys.
    pub fn new(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(ApiError::internal)?;
        Ok(Self { status, body: Zeroizing::new(body), made: None, kept_since: None })
    }

    /// Says that the reply shows a secret, and what it belongs to.
    #[must_use]
    pub fn showing_secret_of(mut self, made: Vec<Made>) -> Self {
        self.made = Some(made);
        self
    }

    /// A reply that was kept since then.
    pub fn kept(status: i16, body: Zeroizing<String>, since: DateTime<Utc>) -> Result<Self, ApiError> {
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.ok_or_else(|| ApiError::internal("a kept reply has no status"))?;
        Ok(Self { status, body, made: None, kept_since: Some(KeptSince(since)) })
    }

    /// Its status.
    pub fn status(&self) -> i16 {
        // No status has more than three digits.
        self.status.as_u16().cast_signed()
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The things that it made, if it shows a secret.
    pub fn made(&self) -> Option<&[Made]> {
        self.made.as_deref()
    }

    /// The reply to a retry.
    pub fn replayed(self) -> Response {
        let since = self.kept_since;
        let mut response = self.into_response();
        since.map(|since| response.extensions_mut().insert(since));
        response.headers_mut().insert(&IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

impl IntoResponse for Reply {
    fn into_response(mut self) -> Response {
        let body = std::mem::take(&mut *self.body);
        let json = HeaderValue::from_static("application/json");
        (self.status, [(CONTENT_TYPE, json)], Body::from(body)).into_response()
    }
}
