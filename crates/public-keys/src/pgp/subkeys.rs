//! Subkeys: which of them the primary key validly binds, and why the others are not used.

use chrono::{DateTime, Utc};
use pgp::packet::{PublicSubkey, Signature, SignatureType};
use pgp::types::KeyDetails;

use super::keys::{algorithm, read_subkey};
use super::signatures::{Lack, Newest, Own, Target, Verifier};
use super::terms::{OutOfTime, can_encrypt, expiry, flags, refuse_out_of_time};
use super::{PgpRefusal, points, policy};

/// A subkey that is alive and validly bound.
pub struct Subkey {
    pub key: PublicSubkey,
    pub algorithm: String,
    pub expires: Option<DateTime<Utc>>,
    pub encrypts: bool,
    pub binding: Signature,
}

/// Why a subkey is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubkeyFault {
    /// By the primary key.
    Revoked,
    /// It ended then.
    Expired(DateTime<Utc>),
    /// Made, or bound, at a time that has not come.
    NotYetValid(DateTime<Utc>),
    /// Bound by SHA-1 or MD5 only.
    WeakBinding,
    /// An RSA key that the screening refuses.
    WeakKey,
    /// Its point is of low order, so that everybody can read what is encrypted to it.
    WeakPoint,
    /// Its key flags do not allow encryption, or it cannot encrypt.
    NotForEncryption,
    /// Of an algorithm or curve that is not computed here.
    Unsupported,
    /// No signature by the primary key binds it, or it has not agreed to be bound.
    Unbound,
}

/// What ends the look at one subkey: its own fault, or a reason to refuse the whole certificate.
enum Stop {
    Fault(SubkeyFault),
    Refusal(PgpRefusal),
}

impl From<SubkeyFault> for Stop {
    fn from(fault: SubkeyFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<PgpRefusal> for Stop {
    fn from(refusal: PgpRefusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<OutOfTime> for Stop {
    fn from(why: OutOfTime) -> Self {
        Self::Fault(match why {
            OutOfTime::NotYet(at) => SubkeyFault::NotYetValid(at),
            OutOfTime::Expired(at) => SubkeyFault::Expired(at),
        })
    }
}

/// The subkeys that are bound, and what is wrong with others or keeps them from being encrypted to.
///
/// # Errors
/// When looking at them takes too much work.
pub fn bound(
    verifier: &Verifier<'_>,
    bodies: &[&[u8]],
    signatures: &[Vec<Own<'_>>],
) -> Result<(Vec<Subkey>, Vec<SubkeyFault>), PgpRefusal> {
    let (mut subkeys, mut faults) = (Vec::new(), Vec::new());
    for (body, own) in bodies.iter().zip(signatures) {
        match read(verifier, body, own) {
            Ok(subkey) => {
                faults.extend((!subkey.encrypts).then_some(SubkeyFault::NotForEncryption));
                subkeys.push(subkey);
            }
            Err(Stop::Fault(fault)) => faults.push(fault),
            Err(Stop::Refusal(refusal)) => return Err(refusal),
        }
    }
    Ok((subkeys, faults))
}

fn read(verifier: &Verifier<'_>, body: &[u8], own: &[Own<'_>]) -> Result<Subkey, Stop> {
    if verifier.revoked_at(own, SignatureType::SubkeyRevocation)?.is_some() {
        return Err(SubkeyFault::Revoked.into());
    }
    if points::is_weak(body) {
        return Err(SubkeyFault::WeakPoint.into());
    }
    let key = read_subkey(body, verifier.primary().version()).ok_or(SubkeyFault::Unsupported)?;
    let binding = binding(verifier, own, &key)?;
    let expires = expiry(&key, &binding);
    refuse_out_of_time(&key, expires, verifier.now())?;
    // The screening costs no more than one operation.
    verifier.spend(&key)?;
    let algorithm = algorithm(key.public_params(), body).map_err(|refusal| match refusal {
        PgpRefusal::WeakRsa(_) => SubkeyFault::WeakKey,
        _ => SubkeyFault::Unsupported,
    })?;
    let encrypts = flags(&binding).is_none_or(policy::may_encrypt) && can_encrypt(verifier, &key)?;
    Ok(Subkey { key, algorithm, expires, encrypts, binding })
}

/// The primary key's newest binding, agreed to by a subkey that may sign.
fn binding(verifier: &Verifier<'_>, own: &[Own<'_>], key: &PublicSubkey) -> Result<Signature, Stop> {
    let binding = match verifier.newest(own, &[SignatureType::SubkeyBinding], Target::Subkey(key))? {
        Newest::Found(binding) => binding,
        Newest::None(Lack::Weak) => return Err(SubkeyFault::WeakBinding.into()),
        Newest::None(Lack::Future(at)) => return Err(SubkeyFault::NotYetValid(at).into()),
        Newest::None(Lack::Expired | Lack::Nothing) => return Err(SubkeyFault::Unbound.into()),
    };
    let must_agree = flags(&binding).is_some_and(policy::needs_back_signature);
    if must_agree && !verifier.has_back_signature(&binding, key)? {
        return Err(SubkeyFault::Unbound.into());
    }
    Ok(binding)
}
