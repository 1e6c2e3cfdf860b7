//! A value that must not leak by accident.

use std::fmt;

use serde::Serializer;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Wiped when dropped, never printed, and serialised only where a reply says so with
/// `#[serde(serialize_with = "reveal_some")]`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes charge of a secret.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself; for use, not for keeping.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Serialises a secret in clear: for the one reply that shows it.
///
/// # Errors
/// As the serializer.
pub fn reveal_some<S: Serializer>(secret: &Option<Secret<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.expose()),
        None => serializer.serialize_none(),
    }
}

/// The same, where it is always shown.
///
/// # Errors
/// As the serializer.
pub fn reveal<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// One repeated byte, a repeated pattern, or a sequence that counts. Random bytes are none of
/// these but once in 2^128.
#[must_use]
pub fn is_guessable(bytes: &[u8]) -> bool {
    let [first, second, ..] = bytes else { return true };
    let step = second.wrapping_sub(*first);
    let counts = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    let repeats = (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    counts || repeats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("marker".to_owned())), "Secret(..)");
    }
}
