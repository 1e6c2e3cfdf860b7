//! Partners' public keys (contract 9): registered and screened, listed, ended, or generated here.
//! The naming and the error shape are this contract section's own. What a key must be is judged in
//! [`public_keys`], the org's rules are in [`rules`], and what other features
//! do with keys is in [`delivery`].

mod body;
pub mod change;
pub mod delivery;
mod input;
mod list;
pub mod proof;
pub mod recipient;
mod reply;
pub mod rules;
mod selection;
pub mod store;
pub mod usage;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use public_keys::accepted::{AcceptedKey, KeyType, accept};
use public_keys::generate::generate;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{GenerateKeyPairBody, RegisterPublicKeyBody};
use self::change::registration;
use self::input::{
    GenerateKeyPair, OwnerPath, PublicKeyFilter, PublicKeyPath, RegisterPublicKey, SetExpiration,
};
use self::reply::{
    GeneratedKeyPair, PublicKeyEntry, PublicKeyExpiration, PublicKeyList, RegisteredPublicKey,
};
use self::rules::OrgPublicKeys;
use self::store::{NewPublicKey, PublicKeys, Row};
use self::usage::Usage;
use crate::changes::Mandate;
use crate::crypto::associated_data;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::events::Stream;
use crate::http::input::Valid;
use crate::http::paging::CursorPosition;
use crate::idempotency::{self, Once, Reply};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::{OrgId, new_row_id};
use crate::state::App;

/// `/api/v1/key`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register_public_key))
        .routes(routes!(get_public_key, delete_public_key))
        .routes(routes!(list_public_keys))
        .routes(routes!(set_public_key_expiration))
        .routes(routes!(generate_key_pair))
        .merge(proof::routes())
        .merge(selection::routes())
}

/// Register a public key.
///
/// It serves its usages from now on; keys registered earlier live on beside it. A key that is
/// refused is named with its reason in `ExtraData.PublicKey`.
#[utoipa::path(
    post, path = "/api/v1/key", tag = "Public keys", request_body = RegisterPublicKeyBody,
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    responses(
        (status = 200, description = "Registered.", body = RegisteredPublicKey),
        (status = 400, description = "`invalid_request`, `private_key`, `weak_key`, `duplicate_key`, \
                                      `too_many_keys` or `conflicting_credentials`."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: `OwnerCode` is not your organisation."),
    ),
)]
async fn register_public_key(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<RegisterPublicKey>,
) -> Result<Response, ApiError> {
    let (org_id, unique_id) = (mandate.org_id, new_row_id());
    let key = stored(input.public_key, &input.usage, input.related_client_id);
    let new = (unique_id, input.expiration_utc);
    let change = registration(&app.clock, mandate, input.owner_code, new, key);
    let reply = move |()| Reply::new(StatusCode::OK, &RegisteredPublicKey { unique_id });
    let response = idempotency::execute(&app, claim, change, reply).await?;
    changed(&app, org_id);
    Ok(response)
}

/// Show a public key.
///
/// Also one that has expired or was deleted.
#[utoipa::path(
    get, path = "/api/v1/key/{UniqueId}", tag = "Public keys", params(PublicKeyPath),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysRead))),
    responses(
        (status = 200, description = "The key.", body = PublicKeyEntry),
        (status = 404, description = "`not_found`: your organisation has no such key."),
    ),
)]
async fn get_public_key(
    State(app): State<App>,
    partner: Partner,
    Valid(PublicKeyPath { unique_id }): Valid<PublicKeyPath>,
) -> Result<Json<PublicKeyEntry>, ApiError> {
    let unique_id = unique_id.ok_or(Code::NotFound)?;
    let found = store::find(&app.db.pool, partner.org_id, unique_id).await?;
    let (owner_code, row) = found.ok_or(Code::NotFound)?;
    Ok(Json(PublicKeyEntry::of(&owner_code, row)))
}

/// List public keys.
///
/// Ordered by registration, oldest first, in pages: send each reply's `Next` as `next`, until it is
/// null. A page may have fewer keys than the one after it.
#[utoipa::path(
    get, path = "/api/v1/key/list/{OwnerCode}", tag = "Public keys", params(OwnerPath, PublicKeyFilter),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysRead))),
    responses(
        (status = 200, description = "The keys.", body = PublicKeyList),
        (status = 400, description = "`invalid_request` or `conflicting_credentials`."),
        (status = 404, description = "`not_found`: `OwnerCode` is not your organisation."),
    ),
)]
async fn list_public_keys(
    State(app): State<App>,
    partner: Partner,
    Valid((OwnerPath { owner_code }, filter)): Valid<(OwnerPath, PublicKeyFilter)>,
) -> Result<Json<PublicKeyList>, ApiError> {
    let (now, org_id) = (app.clock.now(), partner.org_id);
    let after = filter.next.unwrap_or(CursorPosition::START);
    let page = list::page(&app.db.pool, org_id, &owner_code, filter.include_expired, after, now).await?;
    let list::KeyPage { rows, next } = page.ok_or(Code::NotFound)?;
    let items = rows.into_iter().map(|row| PublicKeyEntry::of(&owner_code, row)).collect();
    Ok(Json(PublicKeyList { items, next: next.map(CursorPosition::encode) }))
}

/// Change a public key's expiry.
///
/// A dead key never comes back. A later end is granted only to a key that would be accepted today.
#[utoipa::path(
    put, path = "/api/v1/key/{UniqueId}/set-expiration", tag = "Public keys", params(PublicKeyPath),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    request_body = SetExpiration,
    responses(
        (status = 200, description = "Changed.", body = PublicKeyExpiration),
        (status = 400, description = "`invalid_request`, `key_not_live`, `weak_key` or `conflicting_credentials`."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: your organisation has no such key."),
    ),
)]
async fn set_public_key_expiration(
    State(app): State<App>,
    mandate: Mandate,
    Valid((PublicKeyPath { unique_id }, SetExpiration { expiration_utc })): Valid<(
        PublicKeyPath,
        SetExpiration,
    )>,
) -> Result<Json<PublicKeyExpiration>, ApiError> {
    let org_id = mandate.org_id;
    let keys = PublicKeys { named: unique_id, new: None };
    let seen = mandate.snapshot(&app.db, &app.clock, &keys).await?;
    let key = seen.movable(unique_id)?;
    let unique_id = key.unique_id;
    if expiration_utc > key.expires_at {
        let found = store::find(&app.db.pool, org_id, unique_id).await?;
        let (_, row) = found.ok_or(Code::NotFound)?;
        recheck(&app, row, expiration_utc).await?;
    }
    let rule = move |org: &OrgPublicKeys| org.set_expiration(unique_id, expiration_utc).map(Some);
    mandate.change(&app.clock, keys, rule).execute(&app.db).await?;
    changed(&app, org_id);
    Ok(Json(PublicKeyExpiration { unique_id, expiration_utc }))
}

/// End a public key.
///
/// Its expiry becomes now; it can still be shown.
#[utoipa::path(
    delete, path = "/api/v1/key/{UniqueId}", tag = "Public keys", params(PublicKeyPath),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    responses(
        (status = 204, description = "Ended, or it had ended already."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: your organisation has no such key."),
    ),
)]
async fn delete_public_key(
    State(app): State<App>,
    mandate: Mandate,
    Valid(PublicKeyPath { unique_id }): Valid<PublicKeyPath>,
) -> Result<StatusCode, ApiError> {
    let (org_id, keys) = (mandate.org_id, PublicKeys { named: unique_id, new: None });
    let is_proof_required = app.config.require_key_proof;
    let rule = move |org: &OrgPublicKeys| org.delete(unique_id, is_proof_required);
    let change = mandate.change(&app.clock, keys, rule);
    change.execute(&app.db).await?;
    changed(&app, org_id);
    Ok(StatusCode::NO_CONTENT)
}

/// Generate a key pair here.
///
/// `Key` is the public half. The private half never leaves the service, so nothing is delivered
/// with this key by `deliver_to`.
#[utoipa::path(
    post, path = "/api/v1/key/generate", tag = "Public keys", request_body = GenerateKeyPairBody,
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysWrite))),
    responses(
        (status = 200, description = "Generated.", body = GeneratedKeyPair),
        (status = 400, description = "`invalid_request`, `too_many_keys` or `conflicting_credentials`."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: `OwnerCode` is not your organisation."),
        (status = 429, description = "`rate_limited`: too many pairs are being generated, in all or for you: two at a time."),
    ),
)]
async fn generate_key_pair(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<GenerateKeyPair>,
) -> Result<Response, ApiError> {
    let (org_id, unique_id) = (mandate.org_id, new_row_id());
    // Whoever may not register the pair does not get it made either.
    let seen = mandate.snapshot(&app.db, &app.clock, &PublicKeys::default()).await?;
    seen.may_register(&input.owner_code)?;
    seen.has_room()?;
    let make = move || generate(input.length);
    let pair = app.workers.make_pair(org_id, make).await?.map_err(ApiError::internal)?;
    let sealed = app.keyring.master.seal(&associated_data::public_key(org_id, unique_id), &pair.private);
    let public = AcceptedKey::from(pair.public);
    let (shown, algorithm) = (public.text.clone(), public.algorithm.clone());
    let key = NewPublicKey { sealed: Some(sealed), ..stored(public, &input.usage, input.related_client_id) };
    let expiration_utc = input.expiration_utc;
    let change = registration(&app.clock, mandate, input.owner_code, (unique_id, expiration_utc), key);
    let data = GeneratedKeyPair { unique_id, key: shown, expiration_utc, algorithm };
    let reply = move |()| Reply::new(StatusCode::OK, &data);
    let response = idempotency::execute(&app, claim, change, reply).await?;
    changed(&app, org_id);
    Ok(response)
}

/// This process knows at once what others hear of: the event that waits, and which keys verify.
fn changed(app: &App, org_id: OrgId) {
    app.identity.forget_org(org_id);
    app.outbox.wake(org_id, Stream::Credentials);
}

/// Judges a stored key as if it were registered now with this end.
async fn recheck(app: &App, row: Row, until: DateTime<Utc>) -> Result<(), ApiError> {
    let kind = KeyType::parse(&row.kind).ok_or_else(|| ApiError::internal("a key of no type"))?;
    let now = app.clock.now();
    let judged = app.workers.run(move || accept(kind, &row.public_key, now, Some(until))).await?;
    judged.map(drop).map_err(|refusal| {
        let (code, msg) = input::refused(refusal);
        let problem = Problem::body("ExpirationUtc", ProblemKind::ValueError, "");
        ApiError::Invalid(vec![Problem { code, msg: format!("the key {msg}").into(), ..problem }])
    })
}

fn stored(key: AcceptedKey, usages: &[Usage], related_client_id: Option<String>) -> NewPublicKey {
    NewPublicKey {
        usages: usages.iter().map(|usage| usage.name().to_owned()).collect(),
        kind: key.kind.name(),
        public_key: key.text,
        fingerprint: key.fingerprint,
        algorithm: key.algorithm,
        related_client_id,
        sealed: None,
    }
}
