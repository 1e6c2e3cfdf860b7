//! Knowing that a key works (contract 12.5): a challenge that only the private half answers, and the
//! proof that it was answered.

mod challenge;
mod input;
mod rules;
mod store;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::KeyProof;
use self::rules::{ChallengedOrg, no_challenge, not_the_answer};
use self::store::ChallengedKey;
pub use self::store::forget_old;
use super::changed;
use super::delivery::LiveKey;
use super::input::PublicKeyPath;
use super::reply::{ProvenPublicKey, PublicKeyChallenge};
use crate::changes::Mandate;
use crate::crypto::secret::Secret;
use crate::error::ApiError;
use crate::idempotency::{self, Once, Reply};
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::state::App;

/// `/api/v1/key/{UniqueId}/challenge` and `/proof`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(challenge_public_key)).routes(routes!(prove_public_key))
}

/// Ask for a challenge of a key.
///
/// A key to which something is encrypted (`CredentialsDownload`, `Reports`, `MessageLevelEncryption`) is asked to
/// decrypt: the text of the message is the answer. Any other is asked to sign `Challenge`, byte for byte:
/// RSASSA-PSS, SHA-512, salt of 64 bytes; the answer is the signature in base64. The newest challenge counts, for
/// 10 minutes and 5 tries.
#[utoipa::path(
    post, path = "/api/v1/key/{UniqueId}/challenge", tag = "Public keys", params(PublicKeyPath),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    responses(
        (status = 200, description = "To be answered.", body = PublicKeyChallenge),
        (status = 400, description = "`invalid_request` (the pair was generated here), `key_not_live` or `conflicting_credentials`."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: your organisation has no such key."),
    ),
)]
async fn challenge_public_key(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: PublicKeyPath { unique_id }, claim }: Once<PublicKeyPath>,
) -> Result<Response, ApiError> {
    let of = ChallengedKey { unique_id };
    // Whoever may not ask does not get it encrypted either.
    let seen = mandate.snapshot(&app.db, &app.clock, &of).await?;
    let key = seen.provable()?;
    let (challenge, new) = challenge::make(&app, key).await?;
    let unique_id = key.row.unique_id;
    let reply = move |expires_utc| {
        Reply::new(StatusCode::OK, &PublicKeyChallenge { unique_id, challenge, expires_utc })
    };
    let change = mandate.change(&app.clock, of, move |org: &ChallengedOrg| org.ask(&new).map(Some));
    idempotency::execute(&app, claim, change, reply).await
}

/// Prove that a key works.
///
/// `Response` answers the newest challenge. A challenge proves once; its right answer, sent again before it
/// expires, is answered again.
#[utoipa::path(
    post, path = "/api/v1/key/{UniqueId}/proof", tag = "Public keys", params(PublicKeyPath), request_body = KeyProof,
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    responses(
        (status = 200, description = "Proven.", body = ProvenPublicKey),
        (status = 400, description = "`proof_failed`, `key_not_live`, `invalid_request` or `conflicting_credentials`."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: your organisation has no such key."),
    ),
)]
async fn prove_public_key(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: (PublicKeyPath { unique_id }, KeyProof { response }), claim }: Once<(
        PublicKeyPath,
        KeyProof,
    )>,
) -> Result<Response, ApiError> {
    let (org_id, of) = (mandate.org_id, ChallengedKey { unique_id });
    // Whoever may not prove uses up no try.
    let seen = mandate.snapshot(&app.db, &app.clock, &of).await?;
    let key = LiveKey::of(seen.provable()?.row.clone())?;
    let (unique_id, response) = (key.unique_id, Secret::new(response));
    let challenge_id = answered(&app, org_id, &key, &response).await?;
    let rule = move |org: &ChallengedOrg| org.prove(challenge_id).map(Some);
    let reply = move |proven_utc| Reply::new(StatusCode::OK, &ProvenPublicKey { unique_id, proven_utc });
    let response = idempotency::execute(&app, claim, mandate.change(&app.clock, of, rule), reply).await?;
    changed(&app, org_id);
    Ok(response)
}

/// The challenge that a response answers. The try is counted before it is judged.
async fn answered(
    app: &App,
    org_id: OrgId,
    key: &LiveKey,
    response: &Secret<String>,
) -> Result<uuid::Uuid, ApiError> {
    let taken = store::take_try(&app.db.pool, org_id, key.unique_id, app.clock.now()).await?;
    let asked = taken.ok_or_else(no_challenge)?;
    if challenge::is_answer(app, key, &asked.expected, response).await? {
        Ok(asked.challenge_id)
    } else {
        Err(not_the_answer(asked.tries_left))
    }
}
