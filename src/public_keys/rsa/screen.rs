//! Moduli whose factors a stranger finds, and exponents that are not used. Public values only, so
//! nothing here needs constant time; everything is bounded for 8192 bits.

use std::sync::LazyLock;

use num_bigint_dig::BigUint;
use num_integer::Integer;
use num_traits::{One, ToPrimitive, Zero};

use super::{MAX_BITS, MIN_BITS, RsaRefusal};

/// All primes below this are tried as factors.
const TRIAL_LIMIT: usize = 1 << 16;

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

    fn bits(&self) -> usize {
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
    if !n.gcd(&(&*SMALL_PRIMES_PRODUCT % &n)).is_one() {
        return Err(RsaRefusal::SmallFactor);
    }
    if has_roca_fingerprint(&n) {
        return Err(RsaRefusal::Roca);
    }
    refuse_close_primes(&n)?;
    Ok(bits)
}

fn is_good_exponent(big_endian: &[u8]) -> bool {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = &big_endian[zeros..];
    let value = digits.iter().fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit));
    digits.len() <= 4 && value % 2 == 1 && value >= 65_537
}

/// The product of the primes below [`TRIAL_LIMIT`]: one gcd with it is trial division by them all.
static SMALL_PRIMES_PRODUCT: LazyLock<BigUint> = LazyLock::new(|| {
    let mut products: Vec<BigUint> = small_primes(TRIAL_LIMIT).map(BigUint::from).collect();
    while products.len() > 1 {
        products = products.chunks(2).map(|pair| pair.iter().product()).collect();
    }
    products.pop().unwrap_or_else(BigUint::one)
});

/// Eratosthenes.
fn small_primes(limit: usize) -> impl Iterator<Item = u32> {
    let mut composite = vec![false; limit];
    for factor in 2..limit {
        if factor * factor >= limit {
            break;
        }
        if !composite[factor] {
            (factor * factor..limit).step_by(factor).for_each(|multiple| composite[multiple] = true);
        }
    }
    (2_u32..)
        .zip(composite.into_iter().skip(2))
        .filter_map(|(number, composite)| (!composite).then_some(number))
}

/// Primes made by the ROCA library are `k * M + (65537^a mod M)` with `M` a product of the first
/// primes, so the modulus is a power of 65537 modulo each of them (Nemec et al., CCS 2017, section 3).
/// `M` has the primes to 167 for every key length; a sound modulus passes for all with probability 2^-27.
fn has_roca_fingerprint(n: &BigUint) -> bool {
    const LARGEST: usize = 167;
    small_primes(LARGEST + 1).skip(1).all(|prime| {
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
        return Err(RsaRefusal::Square);
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
