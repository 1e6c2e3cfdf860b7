//! Moduli whose factors a stranger finds, and exponents that are not used. Public values only, so
//! nothing here needs constant time; everything is bounded for 8192 bits.

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::{ToPrimitive, Zero};

use super::{MAX_BITS, MIN_BITS, RsaRefusal, blocked, numbers};

/// How many steps of Fermat's factorisation are tried. The broken generators known (CVE-2022-26320)
/// fall to the first few; sound keys would need about 2^(bits/2 - 100).
const FERMAT_STEPS: u32 = 100;

/// A modulus as received, big endian; its length is known before it becomes a number.
pub struct Modulus<'a>(&'a [u8]);

impl<'a> Modulus<'a> {
    pub fn new(big_endian: &'a [u8]) -> Self {
        let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
        Self(&big_endian[zeros..])
    }

    pub fn bits(&self) -> usize {
        self.0.first().map_or(0, |first| self.0.len() * 8 - first.leading_zeros() as usize)
    }
}

/// Refuses keys that protect nothing; returns the length in bits of the others.
pub fn screen(modulus: &Modulus<'_>, exponent: &[u8]) -> Result<usize, RsaRefusal> {
    let bits = modulus.bits();
    if bits < MIN_BITS {
        return Err(RsaRefusal::TooShort);
    }
    if bits > MAX_BITS {
        return Err(RsaRefusal::TooLong);
    }
    if !is_good_exponent(exponent) {
        return Err(RsaRefusal::Exponent);
    }
    let n = BigUint::from_bytes_be(modulus.0);
    if n.is_even() {
        return Err(RsaRefusal::EvenModulus);
    }
    if blocked::is_published(modulus.0) {
        return Err(RsaRefusal::Published);
    }
    if numbers::has_small_factor(&n) {
        return Err(RsaRefusal::SmallFactor);
    }
    if has_pattern(modulus.0) {
        return Err(RsaRefusal::Pattern);
    }
    if has_roca_fingerprint(&n) {
        return Err(RsaRefusal::Roca);
    }
    refuse_close_primes(&n)?;
    if numbers::is_power(&n) {
        return Err(RsaRefusal::Power);
    }
    Ok(bits)
}

/// The part of the screening that takes milliseconds (20 for 2048 bits, 80 for 4096): only for keys
/// that passed the other one, and only before they are stored.
pub fn screen_closely(modulus: &Modulus<'_>) -> Result<(), RsaRefusal> {
    let n = BigUint::from_bytes_be(modulus.0);
    if blocked::shares_prime(&n) {
        return Err(RsaRefusal::SharedPrime);
    }
    if numbers::has_medium_factor(&n) {
        return Err(RsaRefusal::SmallFactor);
    }
    if numbers::is_prime(&n) { Err(RsaRefusal::Prime) } else { Ok(()) }
}

/// Sixteen equal octets in a row, or many more bits of one kind than of the other: what badkeys calls
/// `pattern`, `rsapoly` and `rsabias`. A sound modulus has neither once in 2^100.
fn has_pattern(modulus: &[u8]) -> bool {
    const ROW: usize = 16;
    let ones: usize = modulus.iter().map(|octet| octet.count_ones() as usize).sum();
    let percent = ones * 100 / (modulus.len() * 8);
    !(40..60).contains(&percent) || modulus.windows(ROW).any(|row| row.iter().all(|octet| *octet == row[0]))
}

fn is_good_exponent(big_endian: &[u8]) -> bool {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = &big_endian[zeros..];
    let value = digits.iter().fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit));
    digits.len() <= 4 && value % 2 == 1 && value >= 65_537
}

/// Primes made by the ROCA library are `k * M + (65537^a mod M)` with `M` a product of the first
/// primes, so the modulus is a power of 65537 modulo each of them (Nemec et al., CCS 2017, section 3).
/// `M` has the primes to 167 for every key length; a sound modulus passes for all with probability 2^-27.
fn has_roca_fingerprint(n: &BigUint) -> bool {
    const LARGEST: usize = 167;
    numbers::primes(LARGEST).into_iter().skip(1).all(|prime| {
        let residue = residue(n, prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65_537 % prime) % prime));
        powers.take(prime as usize).any(|power| power == residue)
    })
}

/// Fermat: `n = a^2 - b^2` with `a` just above the root of `n` when the primes are close.
fn refuse_close_primes(n: &BigUint) -> Result<(), RsaRefusal> {
    let root = n.sqrt();
    let rest = n - &root * &root;
    if rest.is_zero() {
        return Err(RsaRefusal::Power);
    }
    // For a = root + 1: a^2 - n = 2 * root + 1 - rest; the next one is 2a + 1 more.
    let mut difference: BigUint = (&root << 1) + 1_u32 - rest;
    let mut step: BigUint = ((root + 1_u32) << 1) + 1_u32;
    for _ in 0..FERMAT_STEPS {
        if is_square(&difference) {
            return Err(RsaRefusal::ClosePrimes);
        }
        difference += &step;
        step += 2_u32;
    }
    Ok(())
}

/// Residues modulo small numbers first: they spare all but one in about 200 roots.
fn is_square(number: &BigUint) -> bool {
    const MODULI: [u32; 5] = [64, 63, 65, 11, 17];
    let possible = MODULI.iter().all(|&modulus| {
        let residue = residue(number, modulus);
        (0..modulus).any(|root| root * root % modulus == residue)
    });
    possible && {
        let root = number.sqrt();
        &root * &root == *number
    }
}

fn residue(number: &BigUint, modulus: u32) -> u32 {
    (number % modulus).to_u32().unwrap_or_default()
}
