#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! - [`rsa`] reads and screens RSA keys, [`pgp`] OpenPGP certificates; both say why they refuse.
//! - [`encrypt`] seals bytes to an accepted key, [`verify`] checks what its holder signed.
//! - [`stream`] seals what is too long to be held, piece by piece.
//! - [`jwe`] is what passes over the wire: messages to a key, and what comes back for one made here.
//! - [`generate`] makes an RSA pair whose private half the caller seals.
//! - [`accepted`] speaks of a key without its type, as a database does.

pub mod accepted;
pub mod encrypt;
pub mod generate;
pub mod jwe;
pub mod pgp;
pub mod rsa;
pub mod stream;
pub mod verify;

mod encoding;
mod frames;
mod other;
mod private;
#[cfg(test)]
mod tests;

/// Longest key text that is looked at, in bytes.
pub const MAX_INPUT: usize = 64 * 1024;

/// What a refusal is about, for the `Code` of the error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Not a key of the asked type, or a damaged one.
    Malformed,
    /// Private material, which must never have been sent: not kept, not shown.
    Private,
    /// A key that does not protect what is encrypted to it or signed by it.
    Weak,
    /// A sound key that cannot serve: expired, revoked, or without a key to encrypt to.
    Unusable,
}
