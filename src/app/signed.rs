//! What a signature leaves to be settled once its head was verified (contract 12.1): that the body is the one that
//! was signed, and that the request was not seen before.

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use message_signatures::digest;

use super::edge::limit_of;
use crate::error::{ApiError, Code};
use crate::http::input::{BODY_LIMIT, announced_length};
use crate::identity::signatures::Signer;
use crate::limits::{Limit, Listener};
use crate::routes::users::bulk;
use crate::state::App;

/// Reads the body of a signed request and compares it, then takes its nonce; gives the request with that body.
///
/// # Errors
/// 401 where the body is another or the nonce was used; 413 for more body than the route takes.
pub async fn settle(app: &App, request: Request, signer: Signer) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let limit = match limit_of(Listener::Public, parts.extensions.get::<MatchedPath>()) {
        Some(Limit::Bulk) => bulk::MAX_BODY,
        _ => BODY_LIMIT,
    };
    let body = read(body, &parts.headers, limit).await?;
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

async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, ApiError> {
    if announced_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(Code::PayloadTooLarge.into());
    }
    let mut read = Vec::new();
    while let Some(chunk) = bulk::next_chunk(&mut body).await? {
        if read.len() + chunk.len() > limit {
            return Err(Code::PayloadTooLarge.into());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}
