//! An answer, and the bodies that errors have.

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// A response that has arrived whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body arrives").to_bytes().to_vec();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Insists on a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Insists on a status and a whole body.
    #[track_caller]
    pub fn expect_json(self, status: u16, body: &Value) -> Self {
        assert_eq!((self.status, self.json()), (status, body.clone()));
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header that was sent at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().expect("headers are text"));
        assert_eq!(values.next(), None, "{name} is there twice");
        first
    }

    /// The error's code, whichever of the shapes it has.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        let code =
            body["error"]["code"].as_str().or(body["Error"]["Code"].as_str()).or(body["error"].as_str());
        code.unwrap_or_else(|| panic!("not an error: {body}")).to_owned()
    }
}

/// The error envelope under the request id that [`Caller`](super::Caller)s send.
pub fn envelope(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "details": [], "request_id": "test"}})
}

/// A 422's body with one problem.
pub fn invalid(loc: &[&str], kind: &str, msg: &str) -> Value {
    json!({"detail": [{"loc": loc, "msg": msg, "type": kind}]})
}
