//! What runs beside the requests, for as long as the process lives; `serve` starts it.

pub mod expiry;
pub mod outbox_depth;
pub mod probe;
pub mod publisher;
mod queue_credential;
pub mod retention;
pub mod service_keys;
