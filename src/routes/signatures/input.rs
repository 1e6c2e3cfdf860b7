//! What `signature/check` takes.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use utoipa::ToSchema;

use crate::http::input::{Body, Field, Input, Reader};

/// Header lines that one request may have (contract 0, step 1).
const MAX_HEADERS: usize = 200;

/// A request as it was signed.
#[derive(ToSchema)]
#[schema(example = json!({
    "method": "GET", "target_uri": "https://api.example.com/v1/users",
    "headers": [["signature-input", "sig1=(\"@method\" \"@target-uri\");created=1795248000;keyid=\"3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13\""], ["signature", "sig1=:AAAA:"]],
}))]
pub struct CheckSignature {
    /// The method.
    #[schema(min_length = 1, max_length = 32, example = "POST")]
    pub method: String,
    /// The whole URL that the request is sent to, with its query.
    #[schema(min_length = 1, max_length = 8192, example = "https://api.example.com/v1/users")]
    pub target_uri: String,
    /// Names and values of the headers, in order.
    #[schema(value_type = Vec<HeaderLine>, max_items = 200)]
    pub headers: HeaderMap,
    /// The body in base64, if there is one.
    #[schema(rename = "body_base64", value_type = Option<String>, example = "")]
    pub body: Vec<u8>,
}

/// A header's name and its value.
#[derive(ToSchema)]
#[schema(min_items = 2, max_items = 2)]
#[expect(dead_code, reason = "documents a pair")]
struct HeaderLine(Vec<String>);

impl Input for CheckSignature {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let method = request.body("method").required().text(1..=32);
        let target_uri = request.body("target_uri").required().text(1..=8_192);
        let pairs = request.body("headers").required().list(0..=MAX_HEADERS, pair);
        let body = request.body("body_base64").decoded(decode);
        let headers = pairs.and_then(|pairs| {
            let headers = pairs.into_iter().map(header).collect::<Option<HeaderMap>>();
            if headers.is_none() {
                request.refuse("headers", "must be names and values of headers");
            }
            headers
        });
        Some(Self {
            method: method?,
            target_uri: target_uri?,
            headers: headers?,
            body: body.unwrap_or_default(),
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    STANDARD.decode(text).map_err(|_| "must be base64")
}

fn pair(field: Field<'_>) -> Option<[String; 2]> {
    field.list(2..=2, |text| text.text(0..=8_192))?.try_into().ok()
}

fn header([name, value]: [String; 2]) -> Option<(HeaderName, HeaderValue)> {
    // As they are on the wire: case means nothing, and neither do blanks around the value.
    let value = HeaderValue::from_str(value.trim_matches([' ', '\t'])).ok()?;
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
}
