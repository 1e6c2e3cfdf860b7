//! Arithmetic on moduli: factors, roots and primality, on public values only, so that nothing here
//! needs constant time; everything is bounded for 8192 bits.

use std::sync::LazyLock;

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::{One, Pow, ToPrimitive};

/// All primes up to this are tried as factors: a little above 2^24.
const LARGEST_FACTOR: usize = (1 << 24) + 64;
/// Primes below this are tried first, because they cost nothing.
const SMALL: usize = 1 << 16;
/// Words of primes that make one product: of about 64 kbit, where division is quickest.
const WORDS: usize = 1024;
/// Longest modulus that is tested for being prime: twice the bits cost eight times as much, and this
/// takes 40 ms.
const LONGEST_PRIME: u64 = 4096;

/// Eratosthenes, up to and including `limit`. Plain loops: this is run once, over millions.
pub fn primes(limit: usize) -> Vec<u32> {
    // One place for each odd number.
    let mut composite = vec![false; limit / 2 + 1];
    let mut found = vec![2];
    let mut number = 3;
    while number <= limit {
        if !composite[number / 2] {
            found.extend(u32::try_from(number));
            let mut multiple = number * number;
            while multiple <= limit {
                composite[multiple / 2] = true;
                multiple += 2 * number;
            }
        }
        number += 2;
    }
    found
}

fn products(from: u32, to: usize) -> Vec<BigUint> {
    let mut words = vec![1_u64];
    for prime in primes(to).into_iter().filter(|prime| *prime >= from).map(u64::from) {
        match words.last_mut() {
            Some(last) if last.checked_mul(prime).is_some() => *last *= prime,
            _ => words.push(prime),
        }
    }
    let product = |words: &[u64]| {
        let mut list: Vec<BigUint> = words.iter().copied().map(BigUint::from).collect();
        while list.len() > 1 {
            list = list.chunks(2).map(|pair| pair.iter().product()).collect();
        }
        list.pop().unwrap_or_else(BigUint::one)
    };
    words.chunks(WORDS).map(product).collect()
}

fn shares_factor(n: &BigUint, products: &[BigUint]) -> bool {
    let all = products.iter().fold(BigUint::one(), |all, product| all * (product % n) % n);
    !n.gcd(&all).is_one()
}

static SMALL_PRODUCTS: LazyLock<Vec<BigUint>> = LazyLock::new(|| products(2, SMALL));
static MEDIUM_PRODUCTS: LazyLock<Vec<BigUint>> = LazyLock::new(|| products(1 << 16, LARGEST_FACTOR));

/// Makes the tables, which takes a fifth of a second, before the first key has to wait for it.
pub fn prepare() {
    LazyLock::force(&SMALL_PRODUCTS);
    LazyLock::force(&MEDIUM_PRODUCTS);
}

/// Whether a prime below 2^16 divides `n`.
pub fn has_small_factor(n: &BigUint) -> bool {
    shares_factor(n, &SMALL_PRODUCTS)
}

/// Whether a prime between that and a little above 2^24 divides `n`.
pub fn has_medium_factor(n: &BigUint) -> bool {
    shares_factor(n, &MEDIUM_PRODUCTS)
}

/// Whether `n` is a power of a number that has no small factor.
pub fn is_power(n: &BigUint) -> bool {
    let largest = n.bits() / 24;
    primes(usize::try_from(largest).unwrap_or_default()).into_iter().any(|exponent| {
        may_be_power(n, exponent) && {
            let root = n.nth_root(exponent);
            Pow::pow(&root, exponent) == *n
        }
    })
}

/// Modulo a prime `q = t * exponent + 1`, powers are those numbers whose t-th power is 1: a few such
/// primes spare nearly all roots.
fn may_be_power(n: &BigUint, exponent: u32) -> bool {
    const TRIED: usize = 12;
    let candidates = (2_u64..).step_by(2).map(|t| (t, t * u64::from(exponent) + 1));
    let suitable = candidates.filter(|(_, q)| (2..).take_while(|d| d * d <= *q).all(|d| q % d != 0));
    suitable.take(TRIED).all(|(t, q)| {
        let residue = (n % q).to_u64().unwrap_or_default();
        power(residue, t, q) == 1
    })
}

fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let (mut result, mut square) = (1, base % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % modulus;
        }
        square = square * square % modulus;
        exponent >>= 1;
    }
    result
}

/// Whether `n` is prime, as Fermat's test to the base 2 has it: it errs once in a lifetime of the
/// universe for the product of two random primes. Only up to [`LONGEST_PRIME`] bits.
pub fn is_prime(n: &BigUint) -> bool {
    n.bits() <= LONGEST_PRIME && BigUint::from(2_u8).modpow(&(n - 1_u8), n).is_one()
}
