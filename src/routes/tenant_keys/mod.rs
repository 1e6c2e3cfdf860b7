//! Tenant API keys: rotation with a grace window, many keys at a time (contract 4). The rules
//! are in [`rules`]; a key is shown in the reply that makes it, and nowhere else.

pub mod input;
pub mod new_key;
pub mod operator;
mod phases;
mod reply;
mod restrictions;
mod rights;
mod rotation;
pub mod rules;
pub mod store;
pub mod stored;
mod usage;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::input::{CreateTenantKey, RotateTenantKey};
use self::input::{KeyPath, TenantKeyFilter, UpdateTenantKey};
use self::new_key::NewKey;
pub use self::reply::TenantKeyEntry;
use self::reply::{ConfirmedRotation, KeyLeak, MintedTenantKey, RotatedTenantKey, TenantKeyDetails};
use self::rotation::KeyRotation;
use self::rules::{Activation, OrgTenantKeys, TenantKeyPlan};
use self::store::TenantKeys;
use crate::changes::Mandate;
use crate::error::{ApiError, Code};
use crate::events::{EventType, Stream};
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Page};
use crate::idempotency::{self, Once, Reply};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::routes::public_keys::delivery::SecretDelivery;
use crate::state::App;

/// `POST /v1/auth/tenant-key/rotate`, a feature of its own.
pub fn rotation() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(rotate_tenant_key))
}

/// `/v1/admin/org/tenant-keys`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tenant_keys, create_tenant_key))
        .routes(routes!(get_tenant_key, update_tenant_key, revoke_tenant_key))
        .routes(routes!(confirm_tenant_key_rotation))
        .routes(routes!(usage::get_tenant_key_usage))
        .routes(routes!(restrictions::get_tenant_key_restrictions))
}

/// Rotate a tenant API key.
///
/// Old and new key both work until `previous_key_expires_at`. The new key is shown only here:
/// store it before anything else. A key can be rotated once; rotate its successor next. With
/// `activation` the old key goes on as it was until the rotation is confirmed, and the new key ends
/// if it is not.
#[utoipa::path(
    post, path = "/v1/auth/tenant-key/rotate", tag = "Tenant keys", request_body = RotateTenantKey,
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysWrite))),
    responses(
        (status = 200, description = "Rotated.", body = Data<RotatedTenantKey>),
        (status = 404, description = "`not_found`: this org has no key `key_id`."),
        (status = 409, description = "`ambiguous_tenant_key`, `key_already_rotated`, `key_not_live`, \
                                      `rotation_pending` (names the successor), `too_many_live_keys` (names the \
                                      next expiry) or `no_delivery_key`."),
    ),
)]
async fn rotate_tenant_key(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<RotateTenantKey>,
) -> Result<Response, ApiError> {
    let (org_id, new) = (mandate.org_id, NewKey::generate(&app.keyring, app.config.key_form));
    let delivery =
        SecretDelivery::prepare(&app, org_id, input.deliver_to.as_deref(), new.key.expose()).await?;
    let keys = TenantKeys::adding(&new, delivery.recipient()).replacing(input.key_id);
    let (rotation, fresh) = (input.rotation(), new.fresh.clone());
    let starts = rotation.activation != Activation::Immediate;
    let change = mandate.change(&app.clock, keys, move |org| org.rotate(&rotation, &fresh).map(Some));
    let response = idempotency::execute(&app, claim, change, move |plan| {
        RotatedTenantKey::of(required(plan)?, new, delivery).ok_or_else(unplanned)?.reply()
    });
    let mut response = response.await?;
    if starts {
        response.extensions_mut().insert(EventType::TenantKeyRotationStarted);
    }
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// List tenant API keys.
///
/// Ordered by creation, oldest first. Shows prefixes, never keys.
#[utoipa::path(
    get, path = "/v1/admin/org/tenant-keys", tag = "Tenant keys", params(TenantKeyFilter, Page),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysRead))),
    responses((status = 200, description = "A page of keys.", body = List<TenantKeyEntry>)),
)]
async fn list_tenant_keys(
    State(app): State<App>,
    partner: Partner,
    Valid((filter, page)): Valid<(TenantKeyFilter, Page)>,
) -> Result<Json<List<TenantKeyEntry>>, ApiError> {
    let (now, org_id) = (app.clock.now(), partner.org_id);
    let (keys, counted) = store::list(&app.db.pool, org_id, filter.include_revoked, page, now).await?;
    let count_all = async || store::count(&app.db.pool, org_id).await;
    let total = app.totals.total("tenant_keys", org_id, counted, count_all).await?;
    let entries = keys.into_iter().map(|key| TenantKeyEntry::of(key, partner.key_id)).collect();
    Ok(Json(page.of(entries, total)))
}

/// Mint a tenant API key.
///
/// The key, `secret`, is shown only here: store it before anything else. Give it the `scopes` that its backend needs;
/// it cannot have more than the key that mints it.
#[utoipa::path(
    post, path = "/v1/admin/org/tenant-keys", tag = "Tenant keys", request_body = CreateTenantKey,
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysWrite))),
    responses(
        (status = 201, description = "Minted.", body = Data<MintedTenantKey>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 409, description = "`too_many_live_keys` (names the next expiry) or `no_delivery_key`."),
    ),
)]
async fn create_tenant_key(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<CreateTenantKey>,
) -> Result<Response, ApiError> {
    let (org_id, new) = (mandate.org_id, NewKey::generate(&app.keyring, app.config.key_form));
    let delivery =
        SecretDelivery::prepare(&app, org_id, input.deliver_to.as_deref(), new.key.expose()).await?;
    let (keys, fresh) = (TenantKeys::adding(&new, delivery.recipient()), new.fresh.clone());
    let minting = input.minting();
    let rule = move |org: &OrgTenantKeys| org.mint(&minting, &fresh).map(Some);
    let response = idempotency::execute(&app, claim, mandate.change(&app.clock, keys, rule), move |plan| {
        MintedTenantKey::of(required(plan)?, new, delivery).ok_or_else(unplanned)?.reply()
    });
    let response = response.await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// Confirm a tenant API key's rotation.
///
/// The grace window of the old key begins. `key_id` is the successor's; it may confirm itself.
#[utoipa::path(
    post, path = "/v1/admin/org/tenant-keys/{key_id}/confirm", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysWrite))),
    responses(
        (status = 200, description = "Confirmed.", body = Data<ConfirmedRotation>),
        (status = 403, description = "`forbidden`, `key_superseded` or `key_not_confirmed`: the key that authenticates administers nothing."),
        (status = 404, description = "`not_found`: this org has no such key."),
        (status = 409, description = "`rotation_not_pending`: it was confirmed already, or is no successor that waits; \
                                      `key_not_live`: its time is over."),
    ),
)]
async fn confirm_tenant_key_rotation(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: KeyPath { key_id }, claim }: Once<KeyPath>,
) -> Result<Response, ApiError> {
    let org_id = mandate.org_id;
    let change = operator::confirming(&app.clock, mandate, key_id);
    let response = idempotency::execute(&app, claim, change, move |plan| {
        let data = ConfirmedRotation::of(&required(plan)?).ok_or_else(unplanned)?;
        Reply::new(StatusCode::OK, &Data { data })
    });
    let response = response.await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// Show a tenant API key.
///
/// And the rotation that it takes part in.
#[utoipa::path(
    get, path = "/v1/admin/org/tenant-keys/{key_id}", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysRead))),
    responses(
        (status = 200, description = "The key.", body = Data<TenantKeyDetails>),
        (status = 404, description = "`not_found`: this org has no such key."),
    ),
)]
async fn get_tenant_key(
    State(app): State<App>,
    partner: Partner,
    Valid(KeyPath { key_id }): Valid<KeyPath>,
) -> Result<Json<Data<TenantKeyDetails>>, ApiError> {
    let mut keys = store::find_with_kin(&app.db.pool, partner.org_id, key_id).await?.into_iter();
    let key = keys.next().ok_or(Code::NotFound)?;
    let rotation = KeyRotation::of(&key, keys.as_slice(), app.clock.now());
    let leak = key.leak.as_ref().map(KeyLeak::of);
    Ok(Json(Data {
        data: TenantKeyDetails { entry: TenantKeyEntry::of(key, partner.key_id), rotation, leak },
    }))
}

/// Change a tenant API key.
///
/// Its name, its end, what it may do and where it may be used from. Shortens or extends a running grace window as well. A dead key never comes back. Nobody changes a key that may do
/// more than their own, nor lets it.
#[utoipa::path(
    patch, path = "/v1/admin/org/tenant-keys/{key_id}", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysWrite))),
    request_body = UpdateTenantKey,
    responses(
        (status = 200, description = "Changed.", body = Data<TenantKeyEntry>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: this org has no such key."),
        (status = 409, description = "`key_not_live`: it is revoked or has expired; `would_lock_out`: it is the key that \
                                      authenticates, and its new networks shut out the address that you send from."),
    ),
)]
async fn update_tenant_key(
    State(app): State<App>,
    mandate: Mandate,
    Valid((KeyPath { key_id }, input)): Valid<(KeyPath, UpdateTenantKey)>,
) -> Result<Json<Data<TenantKeyEntry>>, ApiError> {
    let (org_id, caller) = (mandate.org_id, mandate.caller);
    let author = mandate.author.clone();
    let rule = move |org: &OrgTenantKeys| {
        let plan = org.update(key_id, &input)?;
        if input.networks().is_change() {
            org.require_way_back(&plan, &author)?;
        }
        Ok(Some(plan))
    };
    let plan = mandate.change(&app.clock, TenantKeys::with(key_id), rule).execute(&app.db).await?;
    app.outbox.wake(org_id, Stream::Credentials);
    let key = required(plan)?.changed.into_iter().next().ok_or_else(unplanned)?;
    Ok(Json(Data { data: TenantKeyEntry::of(key, caller) }))
}

/// Revoke a tenant API key.
///
/// It ends now, everywhere within a second. A key cannot revoke itself: rotate it with a grace
/// period of 0, or use another one. A successor that waits for its confirmation may: its rotation
/// is abandoned, and the old key stands as it was. Whoever is waited for is replaced at once.
#[utoipa::path(
    delete, path = "/v1/admin/org/tenant-keys/{key_id}", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysWrite))),
    responses(
        (status = 204, description = "Revoked, or it had ended already."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: this org has no such key."),
        (status = 409, description = "`cannot_revoke_self`"),
    ),
)]
async fn revoke_tenant_key(
    State(app): State<App>,
    mandate: Mandate,
    Valid(KeyPath { key_id }): Valid<KeyPath>,
) -> Result<StatusCode, ApiError> {
    let org_id = mandate.org_id;
    let change = mandate.change(&app.clock, TenantKeys::with(key_id), move |org| org.revoke(key_id));
    change.execute(&app.db).await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(StatusCode::NO_CONTENT)
}

fn required(plan: Option<TenantKeyPlan>) -> Result<TenantKeyPlan, ApiError> {
    plan.ok_or_else(unplanned)
}

fn unplanned() -> ApiError {
    ApiError::internal("a rule returned less than its route needs")
}
