//! How a queue's receiver did of late, minute by minute (contract 14).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::QueuePath;
use super::store;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::queue_health::Durations;
use crate::state::App;

/// Minutes that are shown.
const MINUTES: i64 = 60;

/// `.../queues/{queue_name}/health`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_queue_health))
}

/// How a queue did in the last hour. Attempts of the last seconds may not be in it yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueHour {
    /// The last 60 minutes, oldest first; the last one is running.
    #[schema(min_items = 60, max_items = 60)]
    minutes: Vec<MinuteOfAttempts>,
}

/// Attempts of a minute.
#[derive(Debug, Serialize, ToSchema)]
pub struct MinuteOfAttempts {
    /// Its beginning.
    #[schema(example = "2026-11-21T08:00:00Z")]
    minute: DateTime<Utc>,
    /// How many.
    #[schema(minimum = 0, example = 120)]
    attempts: i64,
    /// Of these, those that were acknowledged.
    #[schema(minimum = 0, example = 118)]
    delivered: i64,
    /// The milliseconds within which 95 of 100 were over, at most half too high; null where there were none.
    #[schema(required, minimum = 0, example = 48)]
    p95_ms: Option<i64>,
}

/// Show how an event queue did.
///
/// Attempts in each of the last 60 minutes, those that were acknowledged, and how long they took.
#[utoipa::path(
    get, path = "/v1/admin/org/queues/{queue_name}/health", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesRead))),
    responses(
        (status = 200, description = "The last hour.", body = Data<QueueHour>),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
    ),
)]
async fn get_queue_health(
    State(app): State<App>,
    partner: Partner,
    Valid(path): Valid<QueuePath>,
) -> Result<Json<Data<QueueHour>>, ApiError> {
    let (org_id, stream, now) = (partner.org_id, path.stream(&app.streams).await?, app.clock.now());
    let running = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    let first = running - TimeDelta::minutes(MINUTES - 1);
    let counted = store::minutes(&app.db.pool, org_id, &stream, first).await?;
    let counted = counted.ok_or(Code::QueueNotConfigured)?;
    let minutes = (0..MINUTES).map(|number| {
        let minute = first + TimeDelta::minutes(number);
        let row = counted.iter().find(|row| row.minute == minute);
        MinuteOfAttempts {
            minute,
            attempts: row.map_or(0, |row| row.attempts),
            delivered: row.map_or(0, |row| row.delivered),
            p95_ms: row.and_then(|row| Durations::p95(&row.durations)),
        }
    });
    Ok(Json(Data { data: QueueHour { minutes: minutes.collect() } }))
}
