//! The way out, tried on its own: whether a name is found, and whether something answers. For operators, not for queues.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;

use super::error::Reason;
use super::outbound::{AllowedAddresses, Outbound, Over, Resolve as _, SystemResolver};
use crate::clock::Clock;

/// For one request or look-up.
const PATIENCE: Duration = Duration::from_secs(4);

/// The status with which `url` answers a GET, on whatever address it has.
///
/// # Errors
/// The class of what went wrong before there was an answer.
pub async fn answer_of(url: &str, clock: Clock) -> Result<StatusCode, Reason> {
    let request =
        Request::get(url).body(Full::new(Bytes::new())).map_err(|_| Reason::Settings("not a URL"))?;
    let client = Outbound::new(AllowedAddresses::Anywhere, Arc::new(SystemResolver), clock);
    let answer = timeout(PATIENCE, client.send(request, Over::New)).await.map_err(|_| Reason::Timeout)?;
    answer.map(|answer| answer.status())
}

/// Returns `true` if the machine's resolver has an address for the name.
pub async fn is_found(host: &str) -> bool {
    let found = timeout(PATIENCE, SystemResolver.resolve(host)).await;
    found.is_ok_and(|found| found.is_ok_and(|addresses| !addresses.is_empty()))
}
