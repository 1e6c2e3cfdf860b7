//! Secrets: how they are held in memory, sealed at rest, and recognised again.

pub mod access_token;
pub mod associated_data;
pub mod audit_chain;
pub mod event_key;
pub mod github_keys;
pub mod imported_key;
pub mod jwk;
pub mod key_text;
pub mod keyring;
pub mod master;
pub mod platform_token;
mod published_secrets;
pub mod reseal;
pub mod secret;
pub mod session_token;
pub mod signing_secret;
pub mod tenant_key;
