//! Keys whose private halves anybody can have.
//!
//! `published/*.txt` hold SHA-256 of moduli (big endian, no leading zeros), one family a file, with the
//! family's reason and origin in its first lines; `.ci/published-keys` adds the keys of files or folders.
//! `published/shared-primes-*.bin` hold products of primes that were found in several keys.

use std::sync::LazyLock;

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::One;
use sha2::{Digest as _, Sha256};

const FAMILIES: [&str; 3] = [
    include_str!("published/standards.txt"),
    include_str!("published/tests.txt"),
    include_str!("published/broken.txt"),
];

static PUBLISHED: LazyLock<Vec<[u8; 32]>> = LazyLock::new(|| {
    let lines = FAMILIES.iter().flat_map(|family| family.lines());
    let mut list: Vec<[u8; 32]> =
        lines.filter_map(|line| hex::decode(line.get(..64)?).ok()?.try_into().ok()).collect();
    list.sort_unstable();
    list
});

/// Products of primes of 1024 and of 2048 bits, big endian.
static SHARED: LazyLock<[BigUint; 2]> = LazyLock::new(|| {
    [
        &include_bytes!("published/shared-primes-1024.bin")[..],
        include_bytes!("published/shared-primes-2048.bin"),
    ]
    .map(BigUint::from_bytes_be)
});

/// Whether the private half of this modulus is published.
pub fn is_published(modulus: &[u8]) -> bool {
    let digest: [u8; 32] = Sha256::digest(modulus).into();
    PUBLISHED.binary_search(&digest).is_ok()
}

/// Whether `n` has a prime that is known from other keys.
pub fn shares_prime(n: &BigUint) -> bool {
    SHARED.iter().any(|product| !n.gcd(&(product % n)).is_one())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_a_digest_or_a_comment() {
        let digests = FAMILIES.iter().flat_map(|family| family.lines()).filter(|line| !line.starts_with('#'));
        assert_eq!(digests.filter(|line| line.len() == 64).count(), PUBLISHED.len());
        assert!(PUBLISHED.len() > 100);
        assert!(PUBLISHED.windows(2).all(|pair| pair[0] < pair[1]), "each once");
        assert!(SHARED.iter().all(|product| product.bits() > 4096));
    }
}
