//! One module per resource: URL, rules and SQL together. `app` mounts them.

pub mod audit;
pub mod claims;
pub mod docs;
pub mod errors;
pub mod event_keys;
pub mod event_types;
pub mod events;
pub mod features;
pub mod gateway;
pub mod health;
pub mod index;
pub mod internal;
pub mod leaks;
pub mod member_tokens;
pub mod oauth;
pub mod org;
pub mod pages;
pub mod portal_sessions;
pub mod public_keys;
pub mod queues;
pub mod reports;
pub mod signatures;
pub mod signing_secrets;
pub mod tenant_keys;
pub mod users;
