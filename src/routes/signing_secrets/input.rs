//! The input of the signing secret routes.

use chrono::TimeDelta;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::rules::SecretRotation;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::http::input::{Body, Input, Reader};
use crate::routes::tenant_keys::input::{DEFAULT_CONFIRM_WITHIN, DEFAULT_GRACE, MAX_GRACE, read_activation};
use crate::routes::tenant_keys::rules::Activation;

/// Names a secret.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SecretPath {
    /// The secret's id.
    #[param(example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub secret_id: Uuid,
}

impl Input for SecretPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { secret_id: request.path("secret_id").required().uuid()? })
    }
}

/// How to rotate. There is no example of a secret: whoever sent it unedited would sign with one that
/// everybody knows.
#[derive(ToSchema)]
#[schema(example = json!({"grace_period_seconds": 86_400}))]
pub struct RotateSigningSecret {
    /// A secret of your own, 32 to 256 bytes once decoded; by default the service makes one.
    /// 64 or more, evenly many, hex characters are hex; everything else is base64, standard or
    /// URL-safe, padded or not. A `whsec_` in front is allowed. What looks like hex and is not, and
    /// published examples, are refused with a reason.
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 43, max_length = 518,
             pattern = "^(whsec_)?[0-9A-Za-z+/_-]+={0,2}$")]
    pub secret: Option<Secret<Vec<u8>>>,
    /// How long the previous secret signs along, in seconds.
    #[schema(minimum = 0, maximum = 604_800, default = 86_400, example = 86_400)]
    pub grace_period_seconds: Option<i64>,
    /// Encrypts the new secret to a registered public key of yours: `CredentialsDownload`, or the
    /// `UniqueId` of a key with this usage. A secret of your own is not sent back, so there is nothing
    /// to encrypt then.
    #[schema(min_length = 1, max_length = 200, example = "CredentialsDownload")]
    pub deliver_to: Option<String>,
    /// When the previous secret's grace window begins: with this request (the default), or when the new secret is confirmed. Until then
    /// both sign, and the previous one stays the current one.
    #[schema(value_type = SecretActivation, required = false, example = "immediate")]
    pub activation: Option<Activation>,
    /// How long the confirmation may take, in seconds; after that the new secret ends. By default a day; not with
    /// `immediate`.
    #[schema(minimum = 60, maximum = 604_800)]
    pub confirm_within_seconds: Option<i64>,
}

/// When a rotation takes hold. A secret has no first use that the service could see.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents the activations that secrets have")]
enum SecretActivation {
    /// With the request.
    Immediate,
    /// When somebody confirms it.
    OnConfirm,
}

impl Input for RotateSigningSecret {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        let of_secrets = |name: &str| Activation::parse(name).filter(|a| *a != Activation::OnFirstUse);
        let (activation, confirm_within_seconds) =
            read_activation(request, "must be immediate or on_confirm", of_secrets);
        Some(Self {
            activation,
            confirm_within_seconds,
            secret: request
                .body("secret")
                .decoded(|text| signing_secret::decode(text).map_err(|r| r.message())),
            grace_period_seconds: request.body("grace_period_seconds").integer(0..=MAX_GRACE),
            deliver_to: request.body("deliver_to").text(1..=200),
        })
    }
}

impl RotateSigningSecret {
    /// The rotation that is asked for.
    pub fn rotation(&self) -> SecretRotation {
        let waits = self.activation.is_some_and(|activation| activation != Activation::Immediate);
        let within = self.confirm_within_seconds.unwrap_or(DEFAULT_CONFIRM_WITHIN);
        SecretRotation {
            grace: TimeDelta::seconds(self.grace_period_seconds.unwrap_or(DEFAULT_GRACE)),
            confirm_within: waits.then(|| TimeDelta::seconds(within)),
        }
    }
}
