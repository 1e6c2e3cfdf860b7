//! Secrets: how they are held in memory, sealed at rest, and recognised again.

pub mod keyring;
pub mod master;
pub mod member_token;
mod published_secrets;
pub mod secret;
pub mod signing_secret;
pub mod tenant_key;
