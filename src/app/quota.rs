//! The rate of an org's requests (contract 13.5).

use crate::error::{ApiError, Code};
use crate::identity::{Caller, Found};
use crate::limits::rates::Quota;
use crate::state::App;

/// Counts a request against its org's limit: what is left of it; `None` where there is no limit.
pub fn count(app: &App, found: &Found<Caller>) -> Option<Result<Quota, Quota>> {
    let limit = found.org.rate.or(app.config.rate_limit)?;
    Some(app.limits.rates.take(found.caller.org_id(), limit, app.clock.now()))
}

/// The refusal of a request for which nothing is left.
pub fn refusal(app: &App, quota: Quota) -> ApiError {
    app.metrics.http.over_rate.inc();
    ApiError::new(Code::RateLimited).retry_after(quota.more_in)
}
