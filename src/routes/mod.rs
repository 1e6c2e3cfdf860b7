//! One room per resource: URL, rules and SQL together. `features.rs` says which are mounted.

pub mod docs;
pub mod features;
pub mod health;
pub mod org;
pub mod users;
