//! `/v1/leaks`: keys that were found where others can read them (contract 13.4), reported by anybody and by GitHub's
//! secret scanning. Who calls needs no credentials, so no gate stands before these routes.

mod github;
pub mod input;
pub mod queue;
pub mod response;
pub mod rules;
pub mod store;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::{LeakReport, ReportLeak, SHAPELESS};
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::features::Feature;
use crate::http::input::take;
use crate::http::paging::Data;
use crate::identity::client::ClientAddress;
use crate::identity::usage::SourceNetwork;
use crate::state::App;

/// `/v1/leaks` and `/v1/leaks/github`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(report_leak)).routes(routes!(github::report_github_leaks))
}

/// The same for every report.
#[derive(Serialize, ToSchema)]
pub struct ReceivedLeak {
    /// Always `received`: whether the key is anybody's is told to its owner alone.
    #[schema(example = "received")]
    status: &'static str,
}

/// Report a leaked key.
///
/// For whoever finds a tenant API key where it does not belong; no credentials. The answer is the same for every text
/// with the shape of a key, whether it opens anything or not. Its owner is told, and the key ends as the owner wants
/// it. At most 10 reports a minute from one network.
#[utoipa::path(
    post, path = "/v1/leaks", tag = "Leaks", request_body = ReportLeak,
    responses(
        (status = 202, description = "Received.", body = Data<ReceivedLeak>),
        (status = 429, description = "`rate_limited`: more than 10 a minute from your network."),
    ),
)]
async fn report_leak(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<Data<ReceivedLeak>>), ApiError> {
    app.require_live(Feature::LeakReports)?;
    let address = request.extensions().get::<ClientAddress>().map(|ClientAddress(address)| *address);
    app.leaks
        .quota
        .take(SourceNetwork::of(address), app.clock.now())
        .map_err(|seconds| ApiError::new(Code::RateLimited).retry_after(seconds))?;
    let (mut report, _) = take::<LeakReport>(request, app.clock.now(), &app.workers).await?;
    if !report.complete(&app.identity.key_patterns).await? {
        return Err(ApiError::Invalid(vec![Problem::body("key", ProblemKind::ValueError, SHAPELESS)]));
    }
    app.leaks.push(vec![report])?;
    Ok((StatusCode::ACCEPTED, Json(Data { data: ReceivedLeak { status: "received" } })))
}
