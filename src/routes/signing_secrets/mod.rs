//! Event-signing secrets: rotated at leisure, because while a previous secret lives every event
//! carries a signature of each (contract 5). The rules are in [`rules`].

mod change;
mod input;
pub mod rules;
pub mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::change::confirming;
pub use self::change::{NewSecret, Rotated, abandoning, rotation};
pub use self::input::RotateSigningSecret;
use self::input::SecretPath;
use self::rules::{OrgSecrets, SigningSecret};
use crate::changes::Mandate;
use crate::crypto::secret::{Secret, reveal_some};
use crate::crypto::signing_secret;
use crate::error::{ApiError, Code};
use crate::events::{EventType, Stream};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::idempotency::{self, Made, Once, Reply};
use crate::identity::key_scopes::KeyScope;
use crate::routes::public_keys::delivery::{EncryptedTo, SecretDelivery, Shown};
use crate::state::App;

/// `/v1/auth/signing-secret`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rotate_signing_secret))
        .routes(routes!(get_signing_secret))
        .routes(routes!(revoke_signing_secret))
        .routes(routes!(confirm_signing_secret_rotation))
}

/// A new secret in place.
#[derive(Serialize, ToSchema)]
pub struct RotatedSigningSecret {
    /// When it was put in place, or began to wait for that.
    signing_secret_rotated_at: DateTime<Utc>,
    /// Until when the previous secret signs along; null if there was none, and while the rotation waits.
    #[schema(required)]
    previous_secret_expires_at: Option<DateTime<Utc>>,
    /// Until when the rotation may be confirmed, if it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation_expires_at: Option<DateTime<Utc>>,
    /// The new secret's id.
    secret_id: Uuid,
    /// The new secret, if the service made it; not with `deliver_to`. It is shown only here.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, pattern = "^whsec_[0-9A-Za-z+/]{43}=$")]
    new_signing_secret: Option<Secret<String>>,
    /// With `deliver_to`, the new secret encrypted: an armored OpenPGP message, or a compact JWE.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_secret: Option<String>,
    /// With `deliver_to`, the public key that it is encrypted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_to: Option<EncryptedTo>,
}

impl RotatedSigningSecret {
    fn of(rotated: &Rotated, shown: Option<Shown>) -> Self {
        let (clear, encrypted_secret, encrypted_to) =
            shown.map_or((None, None, None), |s| (s.clear, s.encrypted_secret, s.encrypted_to));
        Self {
            signing_secret_rotated_at: rotated.at,
            previous_secret_expires_at: rotated.previous_expires_at,
            confirmation_expires_at: rotated.confirm_by,
            secret_id: rotated.id,
            new_signing_secret: clear,
            encrypted_secret,
            encrypted_to,
        }
    }

    /// The reply, which is a secret's where it shows one.
    fn reply(self) -> Result<Reply, ApiError> {
        let (shows_secret, id) = (self.new_signing_secret.is_some(), self.secret_id);
        let reply = Reply::new(StatusCode::OK, &Data { data: self })?;
        Ok(if shows_secret { reply.showing_secret_of(vec![Made::new("secret_id", id)]) } else { reply })
    }
}

/// The secrets that sign.
#[derive(Serialize, ToSchema)]
pub struct SigningSecrets {
    /// The one to verify with.
    current: CurrentSecret,
    /// Those whose grace runs, newest first.
    previous: Vec<PreviousSecret>,
    /// The one that waits to be confirmed, and signs along.
    #[schema(required)]
    pending: Option<WaitingSecret>,
}

/// A secret that waits to be confirmed.
#[derive(Serialize, ToSchema)]
pub struct WaitingSecret {
    /// Its id.
    id: Uuid,
    /// Until when it may be confirmed.
    confirmation_expires_at: DateTime<Utc>,
}

/// A rotation that was confirmed.
#[derive(Serialize, ToSchema)]
pub struct ConfirmedSecretRotation {
    /// The new secret's id.
    secret_id: Uuid,
    /// The old secret's id.
    previous_secret_id: Uuid,
    /// Until when the old secret signs along.
    previous_secret_expires_at: DateTime<Utc>,
}

/// The current secret, without the secret.
#[derive(Serialize, ToSchema)]
pub struct CurrentSecret {
    /// Its id.
    id: Uuid,
    /// When it was put in place.
    created_at: DateTime<Utc>,
    /// Who made it.
    #[schema(value_type = SecretSource)]
    source: String,
}

/// Who made a secret.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what the database holds")]
enum SecretSource {
    /// The service.
    Server,
    /// The partner.
    Partner,
}

/// A previous secret that still signs.
#[derive(Serialize, ToSchema)]
pub struct PreviousSecret {
    /// Its id.
    id: Uuid,
    /// Until when it signs.
    expires_at: DateTime<Utc>,
}

/// Rotate the event-signing secret.
///
/// Until `previous_secret_expires_at` every event carries a signature of the new secret and of
/// the previous one. A secret made by the service is shown only here. With `activation` the
/// previous secret stays the current one until the rotation is confirmed, and the new one ends if
/// it is not.
#[utoipa::path(
    post, path = "/v1/auth/signing-secret/rotate", tag = "Signing secret", request_body = RotateSigningSecret,
    extensions(("x-required-scope" = json!(KeyScope::SigningSecretsWrite))),
    responses(
        (status = 200, description = "Rotated.", body = Data<RotatedSigningSecret>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 409, description = "`rotation_pending` (names the new secret), `too_many_live_secrets` (names the next expiry), \
                                      `secret_reused` or `no_delivery_key`."),
    ),
)]
async fn rotate_signing_secret(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<RotateSigningSecret>,
) -> Result<Response, ApiError> {
    let (org_id, wanted) = (mandate.org_id, input.rotation());
    let new = NewSecret::of(input.secret);
    // Only what the reply would show is delivered: a secret of the partner's own is not.
    let shown = new.made().map(signing_secret::encode);
    let delivery = match &shown {
        Some(made) => {
            SecretDelivery::prepare(&app, org_id, input.deliver_to.as_deref(), made.expose()).await?
        }
        None => SecretDelivery::Clear,
    };
    let change = rotation(&app.clock, &app.keyring, mandate, &new, wanted, delivery.recipient());
    let response = idempotency::execute(&app, claim, change, move |plan| {
        RotatedSigningSecret::of(&Rotated::of(plan)?, shown.map(|made| delivery.shown(made))).reply()
    });
    let mut response = response.await?;
    if wanted.confirm_within.is_some() {
        response.extensions_mut().insert(EventType::SigningSecretRotationStarted);
    }
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// Confirm the signing secret's rotation.
///
/// The new secret is the current one, and the grace window of the old one begins.
#[utoipa::path(
    post, path = "/v1/auth/signing-secret/{secret_id}/confirm", tag = "Signing secret", params(SecretPath),
    extensions(("x-required-scope" = json!(KeyScope::SigningSecretsWrite))),
    responses(
        (status = 200, description = "Confirmed.", body = Data<ConfirmedSecretRotation>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: this org has no such secret."),
        (status = 409, description = "`rotation_not_pending`: it was confirmed already, or does not wait; \
                                      `key_not_live`: its time is over."),
    ),
)]
async fn confirm_signing_secret_rotation(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: SecretPath { secret_id }, claim }: Once<SecretPath>,
) -> Result<Response, ApiError> {
    let org_id = mandate.org_id;
    let change = confirming(&app.clock, mandate, secret_id);
    let response = idempotency::execute(&app, claim, change, move |plan| {
        let old = plan.and_then(|plan| plan.ended).and_then(|old| Some((old.id, old.expires_at?)));
        let (previous_secret_id, previous_secret_expires_at) =
            old.ok_or_else(|| ApiError::internal("a confirmation has ended no secret"))?;
        let data = ConfirmedSecretRotation { secret_id, previous_secret_id, previous_secret_expires_at };
        Reply::new(StatusCode::OK, &Data { data })
    });
    let response = response.await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// Show which signing secrets are alive.
///
/// Ids and dates only: no secret is ever shown twice.
#[utoipa::path(
    get, path = "/v1/auth/signing-secret", tag = "Signing secret",
    extensions(("x-required-scope" = json!(KeyScope::SigningSecretsRead))),
    responses(
        (status = 200, description = "The live secrets.", body = Data<SigningSecrets>),
        (status = 404, description = "`signing_secret_not_configured`"),
    ),
)]
async fn get_signing_secret(
    State(app): State<App>,
    mandate: Mandate,
    Valid(()): Valid<()>,
) -> Result<Json<Data<SigningSecrets>>, ApiError> {
    let org = mandate.snapshot(&app.db, &app.clock, &store::SecretsChange::with(None)).await?;
    let mut secrets = org.secrets;
    secrets.reverse();
    let (waiting, secrets): (Vec<_>, Vec<_>) = secrets.into_iter().partition(|s| s.pending.is_some());
    let pending = waiting.into_iter().find_map(|secret| {
        Some(WaitingSecret { id: secret.id, confirmation_expires_at: secret.pending?.confirm_by })
    });
    let (current, previous): (Vec<_>, Vec<_>) = secrets.into_iter().partition(|s| s.expires_at.is_none());
    let current = current.into_iter().next().ok_or(Code::SigningSecretNotConfigured)?;
    let SigningSecret { id, created_at, source, .. } = current;
    let previous =
        previous.into_iter().filter_map(|s| Some(PreviousSecret { id: s.id, expires_at: s.expires_at? }));
    let current = CurrentSecret { id, created_at, source };
    let data = SigningSecrets { current, previous: previous.collect(), pending };
    Ok(Json(Data { data }))
}

/// End a previous signing secret.
///
/// Its grace ends now: events are no longer signed with it. Or a rotation that waits to be confirmed
/// is abandoned, and the current secret stands as it was.
#[utoipa::path(
    delete, path = "/v1/auth/signing-secret/{secret_id}", tag = "Signing secret", params(SecretPath),
    extensions(("x-required-scope" = json!(KeyScope::SigningSecretsWrite))),
    responses(
        (status = 204, description = "Ended, or it had ended already."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: this org has no such secret."),
        (status = 409, description = "`cannot_revoke_current`"),
    ),
)]
async fn revoke_signing_secret(
    State(app): State<App>,
    mandate: Mandate,
    Valid(SecretPath { secret_id }): Valid<SecretPath>,
) -> Result<StatusCode, ApiError> {
    let org_id = mandate.org_id;
    let secrets = store::SecretsChange::with(Some(secret_id));
    let change = mandate.change(&app.clock, secrets, move |org: &OrgSecrets| org.revoke(secret_id));
    change.execute(&app.db).await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(StatusCode::NO_CONTENT)
}
