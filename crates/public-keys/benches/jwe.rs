//! Whether a message that does not open says why by its time: `cargo bench --bench jwe`.
//!
//! Messages of several kinds are opened in random order, and each kind is compared with a wrong tag: the
//! medians, and Welch's t over the faster nine tenths (more than 4.5 would tell them apart). A message of
//! one kind is made anew each time, so that no message is remembered by a cache.
#![expect(clippy::print_stdout, reason = "it reports to a terminal")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use public_keys::generate::{Length, generate};
use public_keys::jwe::{Content, Encryption, Jwe, seal_as};
use public_keys::rsa::{PrivateKey, RsaKey};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use spki::der::Decode as _;

const ROUNDS: usize = 4000;
const PLAINTEXT: &[u8] = &[b'x'; 1000];

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tag,
    /// The wrapped key is a random number: its first octet is not zero.
    Padding,
    /// It begins with zero as it must, and is wrong behind (what Manger's attack asks for).
    PaddingBehindZero,
    /// Another message's key, soundly wrapped.
    OtherKey,
    Header,
    Nothing,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Tag, "wrong tag"),
    (Kind::Padding, "wrong padding, first octet not zero"),
    (Kind::PaddingBehindZero, "wrong padding, first octet zero"),
    (Kind::OtherKey, "another content key"),
    (Kind::Header, "changed header"),
    (Kind::Nothing, "sound (opens)"),
];

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let pair = generate(Length::Rsa2048)?;
    let start = Instant::now();
    let key = PrivateKey::from_pkcs8(&pair.private)?;
    println!("reading a private key of 2048 bits: {:?}", start.elapsed());
    let modulus = modulus(&pair.public)?;
    let mut rng = StdRng::seed_from_u64(rand::random());
    for encryption in [Encryption::A256Gcm, Encryption::A128CbcHs256] {
        println!("\n{}, {ROUNDS} messages of each kind", encryption.name());
        let mut times: [Vec<f64>; KINDS.len()] = Default::default();
        for _ in 0..ROUNDS * KINDS.len() {
            let index = rng.random_range(0..KINDS.len());
            let message = made(KINDS[index].0, &pair.public, &modulus, encryption, &mut rng)?;
            let parsed = Jwe::parse(message.as_bytes())?;
            let start = Instant::now();
            let opened = black_box(parsed.open(black_box(&key)));
            times[index].push(start.elapsed().as_secs_f64() * 1e6);
            if opened.is_ok() != (KINDS[index].0 == Kind::Nothing) {
                return Err("it opens what it must not, or the reverse".into());
            }
        }
        report(&mut times);
    }
    Ok(())
}

fn made(
    kind: Kind,
    key: &RsaKey,
    modulus: &BigUint,
    encryption: Encryption,
    rng: &mut StdRng,
) -> Result<String, Failure> {
    // Everything for every kind, so that none finds the processor's caches in another state.
    let message = seal_as(key, "k", encryption, Content::Json, PLAINTEXT)?;
    let other = seal_as(key, "l", encryption, Content::Json, b"")?;
    let mut segments: Vec<&str> = message.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let first = if kind == Kind::PaddingBehindZero { 0 } else { rng.random_range(1..0x80) };
    let unpadded = BASE64_URL_SAFE_NO_PAD.encode(encrypted(first, modulus, rng));
    let tag = BASE64_URL_SAFE_NO_PAD.encode(rng.random::<[u8; 16]>());
    match kind {
        Kind::Nothing => {}
        Kind::Tag => segments[4] = &tag,
        Kind::Header => segments[0] = others[0],
        Kind::OtherKey => segments[1] = others[1],
        Kind::Padding | Kind::PaddingBehindZero => segments[1] = &unpadded,
    }
    Ok(segments.join("."))
}

/// A random number behind a first octet, as RSA encrypts it without any padding.
fn encrypted(first: u8, modulus: &BigUint, rng: &mut StdRng) -> Vec<u8> {
    let mut number: Vec<u8> = (0..modulus.to_bytes_be().len()).map(|_| rng.random()).collect();
    number[0] = first;
    let wrapped = BigUint::from_bytes_be(&number).modpow(&BigUint::from(65_537_u32), modulus).to_bytes_be();
    [vec![0; number.len() - wrapped.len()], wrapped].concat()
}

fn modulus(key: &RsaKey) -> Result<BigUint, Failure> {
    let info = spki::SubjectPublicKeyInfoRef::from_der(key.spki())?;
    let numbers = pkcs1::RsaPublicKey::try_from(info.subject_public_key.as_bytes().unwrap_or_default())?;
    Ok(BigUint::from_bytes_be(numbers.modulus.as_bytes()))
}

fn report(times: &mut [Vec<f64>; KINDS.len()]) {
    for kind in times.iter_mut() {
        kind.sort_by(f64::total_cmp);
    }
    let kept: Vec<&[f64]> = times.iter().map(|kind| &kind[..kind.len() * 9 / 10]).collect();
    for (index, (_, name)) in KINDS.iter().enumerate() {
        let median = times[index][times[index].len() / 2];
        println!("{name:<38} median {median:8.1} us, t {:5.1}", welch(kept[0], kept[index]));
    }
}

/// Welch's t of two samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let moments = |sample: &[f64]| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    (mean_b - mean_a) / (error_a + error_b).sqrt()
}
