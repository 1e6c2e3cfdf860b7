//! What the tests are written with: a database of its own for every test, the service on top of
//! it with a clock that stands still, and callers who speak HTTP.

pub mod app;
pub mod database;
pub mod document;
pub mod exposition;
pub mod frozen;
#[path = "../../../src/events/targets/kafka/test_broker.rs"]
pub mod kafka;
pub mod nodes;
pub mod process;
pub mod raw;
pub mod replica;
pub mod reply;
pub mod run;
pub mod sealed;
pub mod server;
pub mod tenants;
pub mod webhook;

pub use app::{Caller, Org, TestApp, request};
pub use database::Database;
pub use replica::Replica;
pub use reply::{Reply, envelope, invalid};

use std::time::{Duration, Instant};

/// Asks again and again until `probe` has an answer.
///
/// # Panics
/// When there is none in time.
pub async fn within<T>(patience: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(began.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
