//! What a signature leaves to be settled once its head was verified (contract 12.1): that the body is the one that
//! was signed, and that the request was not seen before.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use message_signatures::digest;

use super::body;
use crate::error::{ApiError, Code};
use crate::identity::signatures::Signer;
use crate::state::App;

/// Reads the body of a signed request and compares it, then takes its nonce; gives the request with that body.
///
/// # Errors
/// 401 where the body is another or the nonce was used; 413 for more body than the route takes.
pub async fn settle(app: &App, request: Request, signer: Signer) -> Result<Request, ApiError> {
    let limit = body::limit(&request);
    let (parts, body) = request.into_parts();
    let body =
        if body.is_end_stream() { Bytes::new() } else { body::read(body, &parts.headers, limit).await? };
    // A body that was taken away is another one as well.
    if !body.is_empty() || parts.headers.contains_key("content-digest") {
        digest::check(&parts.headers, &body).map_err(|_| Code::Unauthorized)?;
    }
    if let Some(nonce) = signer.nonce
        && !parts.method.is_safe()
        && !app.nonces.ask(nonce).await?
    {
        return Err(Code::Unauthorized.into());
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}
