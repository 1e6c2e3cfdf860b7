//! The layers that every request passes before it is a resource's business.

pub mod at_once;
pub mod chunks;
pub mod content_digest;
pub mod held;
pub mod input;
pub mod lines;
pub mod linger;
pub mod networks;
pub mod paced;
pub mod paging;
pub mod range;
pub mod ratelimit;
pub mod totals;
