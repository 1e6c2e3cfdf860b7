//! `GET /v1/features`: what is live, for partners who plan ahead.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::features::{Feature, FeatureState};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::state::App;

/// Always on: it belongs to no feature.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_features))
}

/// A feature and how it stands.
#[derive(Serialize, ToSchema)]
pub struct FeatureStatus {
    /// The feature's name.
    #[schema(example = "users")]
    feature: &'static str,
    /// How it stands.
    status: FeatureState,
}

/// List features and whether they are live.
///
/// One that is not answers 503 on its routes.
#[utoipa::path(
    get, path = "/v1/features", tag = "Features",
    extensions(("x-required-scope" = json!(KeyScope::OrgRead))),
    responses((status = 200, description = "Every feature there is.", body = Data<Vec<FeatureStatus>>)),
)]
async fn list_features(
    State(app): State<App>,
    _: Partner,
    Valid(()): Valid<()>,
) -> Json<Data<Vec<FeatureStatus>>> {
    let status =
        |feature: Feature| FeatureStatus { feature: feature.name(), status: app.features.status(feature) };
    Json(Data { data: Feature::ALL.map(status).into() })
}
