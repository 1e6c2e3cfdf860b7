//! Who still uses a key (contract 13.2), and whether it may go: the one who is on call asks, at night.

mod retire;
mod store;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use self::retire::{Known, SafeToRetire};
use self::store::StoredUsage;
use super::input::KeyPath;
use super::rotation::successor_of;
use super::rules::StoredTenantKey;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::KeyId;
use crate::state::App;

/// Hours that are shown.
const HOURS: usize = 48;
/// Of these, the ones that count as the last day.
const LAST_DAY: usize = 24;

/// The uses of a key. What reached the service in the last minute may not be in it yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantKeyUsage {
    /// The key's id.
    #[schema(value_type = uuid::Uuid)]
    key_id: KeyId,
    /// When it was last used, exactly; a gateway's question for it counts too.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// Requests in the last 24 of the hours below, the running one included.
    requests_last_24h: i64,
    /// Requests with it in each of the last 48 hours, oldest first; the last one is running.
    #[schema(min_items = 48, max_items = 48)]
    hourly: Vec<HourOfRequests>,
    /// Where they came from in the last 35 days: at most 50, the one that was seen last comes first.
    #[schema(max_items = 50)]
    sources: Vec<RequestSource>,
    /// Whether somebody would miss it.
    safe_to_retire: SafeToRetire,
}

/// Requests of an hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct HourOfRequests {
    /// Its beginning.
    #[schema(example = "2026-11-21T08:00:00Z")]
    hour: DateTime<Utc>,
    /// How many.
    #[schema(minimum = 0, example = 5210)]
    requests: i64,
}

/// Requests from one network with one `User-Agent`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestSource {
    /// A /24 of IPv4 or a /48 of IPv6, never an address; null where none is known.
    #[schema(required, example = "198.51.100.0/24")]
    network: Option<String>,
    /// The `User-Agent`, cut to 100 characters; null where none was sent.
    #[schema(required, example = "billing/1.4")]
    user_agent: Option<String>,
    /// The first request that is remembered.
    first_seen_at: DateTime<Utc>,
    /// The last request.
    last_seen_at: DateTime<Utc>,
    /// How many.
    #[schema(minimum = 1, example = 5210)]
    requests: i64,
    /// Of these, from outside the networks that the key and its org allow: refused, or with the policy `report` only
    /// counted.
    #[schema(minimum = 0, example = 0)]
    outside_networks: i64,
}

/// Show who still uses a tenant API key.
///
/// Requests with it by hour and by source, and whether it is safe to retire it: `yes` when its successor
/// was used and it was not for 24 hours (or the whole grace window, if that is shorter).
#[utoipa::path(
    get, path = "/v1/admin/org/tenant-keys/{key_id}/usage", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysRead))),
    responses(
        (status = 200, description = "Its uses.", body = Data<TenantKeyUsage>),
        (status = 404, description = "`not_found`: this org has no such key."),
    ),
)]
pub(super) async fn get_tenant_key_usage(
    State(app): State<App>,
    partner: Partner,
    Valid(KeyPath { key_id }): Valid<KeyPath>,
) -> Result<Json<Data<TenantKeyUsage>>, ApiError> {
    let now = app.clock.now();
    let keys = super::store::find_with_kin(&app.db.pool, partner.org_id, key_id).await?;
    let (key, kin) = keys.split_first().ok_or(Code::NotFound)?;
    let first = first_hour(now);
    let stored =
        store::load(&app.db.pool, partner.org_id, key_id, first, now).await?.ok_or(Code::NotFound)?;
    let data = TenantKeyUsage::of(key, successor_of(key, kin, now), stored, now);
    Ok(Json(Data { data }))
}

/// The beginning of the first hour that is shown.
fn first_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    let running = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    running - TimeDelta::hours(HOURS as i64 - 1)
}

impl TenantKeyUsage {
    fn of(
        key: &StoredTenantKey,
        successor: Option<&StoredTenantKey>,
        stored: StoredUsage,
        now: DateTime<Utc>,
    ) -> Self {
        let hourly: Vec<_> = (0..HOURS as i64)
            .map(|number| {
                let hour = first_hour(now) + TimeDelta::hours(number);
                HourOfRequests { hour, requests: stored.hours.get(&hour).copied().unwrap_or_default() }
            })
            .collect();
        let network = stored.sources.first().and_then(|source| source.network.as_deref());
        Self {
            key_id: key.id,
            last_used_at: key.last_used_at,
            requests_last_24h: hourly[HOURS - LAST_DAY..].iter().map(|hour| hour.requests).sum(),
            safe_to_retire: SafeToRetire::of(Known { key, successor, network, now }),
            sources: stored.sources,
            hourly,
        }
    }
}
