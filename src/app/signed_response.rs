//! Signed responses (contract 12.2). The gate agrees on a signature as soon as it knows who asks; the edge makes it,
//! because only there a response is what will be sent, errors and timeouts included.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use http_body_util::{BodyExt as _, Limited};
use message_signatures::respond::{Question, prepare};
use message_signatures::{Signed, accept, digest};

use super::slot::EdgeSlot;
use crate::error::{ApiError, Code};
use crate::features::{Feature, FeatureState};
use crate::http::content_digest::ContentDigest;
use crate::identity::message_keys::Pair;
use crate::identity::signatures::ACCEPT_SIGNATURE;
use crate::identity::{Access, Caller, Found};
use crate::ids::OrgId;
use crate::state::App;

/// The largest body that is held to be signed. Of ours, only reports are larger, and they bring their digest.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What signs the response to one request.
pub struct ResponseSigner {
    org_id: OrgId,
    pair: Arc<Pair>,
    question: Question,
    /// The answer to a HEAD is sent without its body.
    is_bodyless: bool,
}

/// Finds the pair that signs the response to a caller's request, if it is to be signed. An org that has all its
/// responses signed and no live pair left is answered without: its keys must stay within its reach.
///
/// # Errors
/// 409 `no_response_key` where a signature is asked for and there is no live pair; 503 while the feature is off or the
/// pair cannot be looked up.
pub async fn agree(
    app: &App,
    found: &Found<Caller>,
    request: &Parts,
    signed: Option<&Signed>,
) -> Result<(), ApiError> {
    let is_asked_for = request.headers.contains_key(&ACCEPT_SIGNATURE) && accept::wants(&request.headers);
    if is_asked_for {
        app.require_live(Feature::ResponseSignatures)?;
    } else if !found.org.policy.signs_responses
        || app.features.status(Feature::ResponseSignatures) != FeatureState::Live
    {
        return Ok(());
    }
    let org_id = found.caller.org_id();
    let keys = app.identity.message_keys.of(&app.db, org_id).await?;
    let Some(pair) = keys.signing(app.clock.now()).cloned() else {
        return if is_asked_for { Err(Code::NoResponseKey.into()) } else { Ok(()) };
    };
    if let Some(slot) = request.extensions.get::<EdgeSlot>() {
        // Whether there is a body is not covered.
        let question = app.identity.head_of(request, false, |head| Question::of(head, signed));
        let is_bodyless = request.method == Method::HEAD;
        slot.leave_signer(ResponseSigner { org_id, pair, question, is_bodyless });
    }
    Ok(())
}

/// The same where no route leads to a gate: whoever calls without a right to it gets the same answer unsigned.
pub async fn agree_without_a_route(app: &App, request: Request) {
    if request.extensions().get::<EdgeSlot>().is_none() {
        return;
    }
    let (request, body) = request.into_parts();
    let signature = app.identity.signature(&request, !body.is_end_stream());
    drop(body);
    let access = Access::PartnersAndMembers;
    if let Ok(identified) = app.identity.identify(&request.headers, &signature, access).await {
        // What is in the way of a signature is not in the way of a 404.
        let signed = signature.as_ref().ok().and_then(Option::as_ref);
        let _ = agree(app, &identified.found, &request, signed).await;
    }
}

impl ResponseSigner {
    /// Signs the response as it is.
    ///
    /// # Errors
    /// 503 where the worker threads are busy, 500 where the body or the pair cannot be read: the response is lost.
    pub async fn sign(&self, app: &App, response: Response) -> Result<Response, ApiError> {
        let (mut parts, mut body) = response.into_parts();
        let has_content = !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let content_digest = if !has_content {
            None
        } else if self.is_bodyless {
            Some(digest::of(b""))
        } else if let Some(ContentDigest(known)) = parts.extensions.get() {
            Some(digest::of_sha256(known))
        } else {
            let whole = Limited::new(body, MAX_BODY).collect().await.map_err(ApiError::internal)?.to_bytes();
            let digest = digest::of(&whole);
            body = Body::from(whole);
            Some(digest)
        };
        let (keyid, created) = (self.pair.unique_id.to_string(), app.clock.now().timestamp());
        let unsigned = prepare(&self.question, parts.status, content_digest, &keyid, created);
        let (unsigned, pair) = (unsigned.map_err(ApiError::internal)?, self.pair.clone());
        let fields = app.workers.message(self.org_id, move || pair.sign(unsigned)).await?;
        fields.map_err(ApiError::internal)?.apply(&mut parts.headers);
        Ok(Response::from_parts(parts, body))
    }
}
