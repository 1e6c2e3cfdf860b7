#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! - [`Signed`] reads a request's signature and checks it with a [`VerifyingKey`]; [`Problem`] says what is wrong.
//! - [`digest`] compares a body with `Content-Digest` and makes one.
//! - [`accept`] reads whether a response shall be signed, [`respond`] signs it.

pub mod accept;
pub mod digest;
pub mod respond;

mod component;
mod fields;
mod key;
mod problem;
mod request;
mod signed;
#[cfg(test)]
mod tests;

pub use key::VerifyingKey;
pub use problem::Problem;
pub use request::{Base, RequestHead};
pub use signed::{Algorithm, Signed};

/// The `tag` that marks signatures for this service among others, and the label of its own.
pub const TAG: &str = "partner-api";

/// How far `created` may lie in the past or in the future, in seconds.
pub const WINDOW: i64 = 300;

/// Longest `Signature-Input`, `Signature`, `Accept-Signature` or `Content-Digest` that is read, in bytes,
/// its lines joined.
pub const MAX_FIELD: usize = 8 * 1024;

/// Most components that one signature may cover.
pub const MAX_COMPONENTS: usize = 64;

/// Longest signature base, and most that is parsed to make it, in bytes.
pub const MAX_BASE: usize = 64 * 1024;
