//! Bodies that are looked at before their route is: how much of one may be read.

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use public_keys::jwe;

use super::edge::limit_of;
use super::encrypted;
use crate::error::{ApiError, Code};
use crate::http::input::{BODY_LIMIT, announced_length};
use crate::http::lines::{MAX_BODY, next_chunk};
use crate::limits::{Limit, Listener};

/// The largest body that a request may have, as it is sent, in bytes.
pub fn limit(request: &Request) -> usize {
    if is_bulk(request) {
        MAX_BODY
    } else if encrypted::is_jose(request.headers()) {
        // The plain text's limit and a third (contract 12.3).
        jwe::longest(BODY_LIMIT)
    } else {
        BODY_LIMIT
    }
}

/// Whether the route takes lines in place of JSON.
pub fn is_bulk(request: &Request) -> bool {
    limit_of(Listener::Public, request.extensions().get::<MatchedPath>()) == Some(Limit::Bulk)
}

/// Reads a body to its end.
///
/// # Errors
/// 413 beyond the limit, 400 where it cannot be read.
pub async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, ApiError> {
    if announced_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(Code::PayloadTooLarge.into());
    }
    let mut read = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await? {
        if read.len() + chunk.len() > limit {
            return Err(Code::PayloadTooLarge.into());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}
