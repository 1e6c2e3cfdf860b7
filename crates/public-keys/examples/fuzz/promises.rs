//! What holds for every input, whatever it is.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use chrono::{DateTime, TimeDelta, Utc};
use peak_alloc::PeakAlloc;
use public_keys::encrypt::{to_jwe, to_pgp};
use public_keys::pgp::PgpCertificate;
use public_keys::rsa::RsaKey;
use public_keys::verify::{BadSignature, Scheme, verify};
use rustix::time::{ClockId, clock_gettime};

/// Processor time that one input may take, in a build without optimisation. The worst that was seen is a
/// tenth of it.
const MOST_TIME: Duration = Duration::from_secs(2);
/// What may be allocated at once for one input of 64 KiB, in octets.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What one input cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub time: Duration,
    pub bytes: usize,
}

impl Measured {
    pub fn max(self, other: Self) -> Self {
        Self { time: self.time.max(other.time), bytes: self.bytes.max(other.bytes) }
    }
}

/// What became of one input.
pub struct Examined {
    /// The verdicts without what differs from input to input.
    pub verdict: String,
    pub accepted: bool,
    pub measured: Measured,
}

/// Holds one input to every promise.
///
/// # Errors
/// The promise that is broken, in words.
pub fn examine(text: &str, memory: &PeakAlloc) -> Result<Examined, String> {
    let before = memory.current_usage();
    memory.reset_peak_usage();
    let start = processor_time();
    let judged = catch_unwind(AssertUnwindSafe(|| judge(text))).map_err(|panic| said(panic.as_ref()))?;
    let measured = Measured {
        time: processor_time().saturating_sub(start),
        bytes: memory.peak_usage().saturating_sub(before),
    };
    let (verdict, accepted) = judged?;
    if measured.time > MOST_TIME {
        return Err(format!("it took {:?} of processor time", measured.time));
    }
    if measured.bytes > MOST_BYTES {
        return Err(format!("it took {} KiB of memory", measured.bytes / 1024));
    }
    Ok(Examined { verdict, accepted, measured })
}

fn judge(text: &str) -> Result<(String, bool), String> {
    let now = DateTime::from_timestamp(1_780_272_000, 0).ok_or("no time")?;
    let rsa = RsaKey::parse(text);
    let certificate = PgpCertificate::parse(text, now);
    if let Ok(key) = &rsa {
        rsa_holds(key)?;
    }
    if let Ok(certificate) = &certificate {
        certificate_holds(certificate, now)?;
    }
    if rsa.is_ok() && certificate.is_ok() {
        return Err("it is an RSA key and a certificate".to_owned());
    }
    let accepted = rsa.is_ok() || certificate.is_ok();
    let pgp = certificate.map(|certificate| match certificate.require_encryption(now) {
        Ok(()) => "encrypts".to_owned(),
        Err(refusal) => format!("{refusal:?}"),
    });
    Ok((format!("{} / {}", name(&rsa.map(|_| "accepted")), name(&pgp)), accepted))
}

/// Variants without their values, which would make every verdict a new one.
fn name(verdict: &impl Debug) -> String {
    let text = format!("{verdict:?}");
    text.split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| word.len() > 2)
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An accepted RSA key is the same however often it is read, and can be used.
fn rsa_holds(key: &RsaKey) -> Result<(), String> {
    let pem = key.to_pem();
    let again = RsaKey::parse(&pem).map_err(|refusal| format!("its canonical form {refusal}"))?;
    if again != *key || again.to_pem() != pem || again.fingerprint() != key.fingerprint() {
        return Err("its canonical form is another key".to_owned());
    }
    if RsaKey::stored(&pem).as_ref() != Ok(key) {
        return Err("it is another key once it is stored".to_owned());
    }
    to_jwe(key, "kid", b"text").map_err(|error| format!("accepted, but {error}"))?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.spki())
        .map_err(|_| "accepted, but nothing can be verified with it")?;
    let signature = vec![1; key.bits().div_ceil(8)];
    match verify(key, Scheme::Pkcs1Sha256, b"text", &signature) {
        Err(BadSignature) => Ok(()),
        Ok(()) => Err("it verifies what nobody signed".to_owned()),
    }
}

/// An accepted certificate is the same however often it is read, and what it says it can do, it can.
fn certificate_holds(certificate: &PgpCertificate, now: DateTime<Utc>) -> Result<(), String> {
    let again = PgpCertificate::parse(certificate.armored(), now)
        .map_err(|refusal| format!("its canonical form {refusal}"))?;
    // What was left out of it, and why, it does not know any more.
    let parts = |it: &PgpCertificate| {
        (it.armored().to_owned(), it.fingerprint().to_owned(), it.encryption_keys().to_vec())
    };
    if parts(&again) != parts(certificate) || again.algorithm() != certificate.algorithm() {
        return Err("its canonical form is another certificate".to_owned());
    }
    if RsaKey::parse(certificate.armored()).is_ok() {
        return Err("its canonical form is an RSA key".to_owned());
    }
    let encrypted = to_pgp(certificate.armored(), b"text", now);
    match (certificate.encryption_keys().is_empty(), encrypted) {
        (false, Err(error)) => Err(format!("accepted to encrypt to, but {error}")),
        (true, Ok(_)) => Err("it can be encrypted to, and says it cannot".to_owned()),
        _ if certificate.require_encryption(now + TimeDelta::days(36_500)).is_ok()
            && certificate.require_encryption(now).is_err() =>
        {
            Err("it encrypts in a hundred years, and not now".to_owned())
        }
        _ => Ok(()),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panics: {}", text.unwrap_or("without words"))
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let parts = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    if let (Ok(seconds), Ok(nanoseconds)) = parts {
        Duration::new(seconds, nanoseconds)
    } else {
        Duration::ZERO
    }
}
