//! Which key would be used for what, at any time (contract 12.5): for partners who plan a change of keys.

mod rules;
mod store;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::rules::{Moment, Selected};
use super::input::OwnerPath;
use super::reply::{millis, some_millis};
use super::usage::Usage;
use crate::error::{ApiError, Code};
use crate::http::input::{Body, Input, Reader, Valid};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::state::App;

/// `/api/v1/key/selection/{OwnerCode}`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_public_key_selection))
}

/// The time that is asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SelectionFilter {
    /// In the past or in the future, with an offset; now if absent. Ends are taken as they are set today.
    #[param(value_type = Option<DateTime<Utc>>, example = "2027-01-31T12:00:00Z")]
    at: Option<DateTime<Utc>>,
}

impl Input for SelectionFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        // To the precision of replies, so that what is shown is what was asked.
        Some(Self { at: request.query("at").datetime().map(|at| at.trunc_subsecs(3)) })
    }
}

/// The keys that would be used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeySelection {
    /// The time that is spoken of.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2027-01-31T12:00:00.000Z")]
    at: DateTime<Utc>,
    /// One for each usage and holder of the private half.
    items: Vec<SelectedPublicKey>,
}

/// The key that would be used for a usage, or none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct SelectedPublicKey {
    /// What for.
    usage: Usage,
    /// The key's id.
    #[schema(required)]
    unique_id: Option<Uuid>,
    /// The key's fingerprint.
    #[schema(required)]
    fingerprint: Option<String>,
    /// When the key ends.
    #[serde(serialize_with = "some_millis")]
    #[schema(required, example = "2028-11-21T08:00:00.000Z")]
    expiration_utc: Option<DateTime<Utc>>,
    /// Whose key it would be: true for a pair that was generated here, false for one of yours.
    has_private_key: bool,
    /// Why this one, or why none; for people.
    #[schema(example = "registered last of 3 live keys")]
    reason: String,
}

impl From<Selected<'_>> for SelectedPublicKey {
    fn from(selected: Selected<'_>) -> Self {
        let Selected { purpose, key, reason } = selected;
        Self {
            usage: purpose.usage,
            unique_id: key.map(|key| key.unique_id),
            fingerprint: key.map(|key| key.fingerprint.clone()),
            expiration_utc: key.map(|key| key.expires_at),
            has_private_key: purpose.is_ours,
            reason,
        }
    }
}

/// Show which keys would be used.
///
/// For each usage, and for you and the service as holders of the private half: the key that is used at a time, and
/// why. Ask for a time after a planned change to see what it does.
#[utoipa::path(
    get, path = "/api/v1/key/selection/{OwnerCode}", tag = "Public keys", params(OwnerPath, SelectionFilter),
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysRead))),
    responses(
        (status = 200, description = "The keys, and where there is none the reason.", body = PublicKeySelection),
        (status = 400, description = "`invalid_request` or `conflicting_credentials`."),
        (status = 404, description = "`not_found`: `OwnerCode` is not your organisation."),
    ),
)]
async fn get_public_key_selection(
    State(app): State<App>,
    partner: Partner,
    Valid((OwnerPath { owner_code }, filter)): Valid<(OwnerPath, SelectionFilter)>,
) -> Result<Json<PublicKeySelection>, ApiError> {
    let now = app.clock.now();
    let moment =
        Moment { at: filter.at.unwrap_or(now), now, is_proof_required: app.config.require_key_proof };
    let keys = store::candidates(&app.db.pool, partner.org_id, &owner_code, moment).await?;
    let keys = keys.ok_or(Code::NotFound)?;
    let items = rules::select(&keys, moment).into_iter().map(SelectedPublicKey::from).collect();
    Ok(Json(PublicKeySelection { at: moment.at, items }))
}
