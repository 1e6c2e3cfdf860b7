//! What runs beside the requests, for as long as the process lives; `serve` starts it.

pub mod expiry;
pub mod outbox_depth;
pub mod probe;
pub mod publisher;
pub mod retention;
pub mod service_keys;
