//! What every request passes through before it is a resource's business.

pub mod chunks;
pub mod door;
pub mod edge;
pub mod gate;
pub mod held;
pub mod host;
pub mod input;
mod linger;
pub mod paced;
pub mod paging;
pub mod request_id;
pub mod totals;
