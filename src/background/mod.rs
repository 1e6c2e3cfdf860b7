//! Tasks that run beside the requests, for as long as the process lives; `serve` starts them.

pub mod expiry;
pub mod key_patterns;
pub mod leaks;
pub mod outbox_depth;
pub mod probe;
pub mod publisher;
pub mod queue_alerts;
mod queue_credential;
pub mod reports;
pub mod retention;
pub mod rotations;
mod rounds;
pub mod service_keys;
pub mod streams;
