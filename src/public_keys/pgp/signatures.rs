//! Self-signatures: read, sorted, and verified against the primary key within a budget.

use std::cell::Cell;

use chrono::{DateTime, Utc};
use pgp::packet::{
    PacketHeader, PublicKey, PublicSubkey, Signature, SignatureConfig, SignatureType, SignatureVersion,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{KeyDetails, KeyVersion, Tag, Timestamp};

use super::{PgpRefusal, policy};

/// What a signature is over, beside the primary key.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Primary,
    User(&'a UserId),
    Subkey(&'a PublicSubkey),
}

/// Verifies the primary key's own signatures at one instant, counting the work.
pub(super) struct Verifier<'a> {
    primary: &'a PublicKey,
    now: DateTime<Utc>,
    spent: Cell<u32>,
}

/// The outcome of looking for the newest self-signature that counts.
pub(super) enum Newest {
    Found(Signature),
    /// None counts, but one would if its hash were not weak.
    OnlyWeak,
    None,
}

impl<'a> Verifier<'a> {
    pub fn new(primary: &'a PublicKey, now: DateTime<Utc>) -> Self {
        Self { primary, now, spent: Cell::new(0) }
    }

    pub fn version(&self) -> KeyVersion {
        self.primary.version()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Counts one public key operation with `key`, before it is done.
    pub fn spend(&self, key: &impl KeyDetails) -> Result<(), PgpRefusal> {
        let spent = self.spent.get() + policy::cost(key.public_params());
        self.spent.set(spent);
        if spent > policy::MAX_COST { Err(PgpRefusal::TooComplex) } else { Ok(()) }
    }

    /// The signatures among `bodies` that may be the primary key's own; others' are left unread.
    pub fn own(&self, bodies: &[&[u8]]) -> Vec<Signature> {
        bodies.iter().filter_map(|body| read(body)).filter(|signature| self.is_own(signature)).collect()
    }

    fn is_own(&self, signature: &Signature) -> bool {
        let version = match self.primary.version() {
            KeyVersion::V6 => SignatureVersion::V6,
            _ => SignatureVersion::V4,
        };
        let ids = signature.issuer_key_id();
        let fingerprints = signature.issuer_fingerprint();
        let anonymous = ids.is_empty() && fingerprints.is_empty();
        signature.version() == version
            && (anonymous
                || ids.iter().any(|id| **id == self.primary.legacy_key_id())
                || fingerprints.iter().any(|fingerprint| **fingerprint == self.primary.fingerprint()))
    }

    /// The newest signature of one of `kinds` that is in force and verifies.
    pub fn newest(
        &self,
        own: &[Signature],
        kinds: &[SignatureType],
        on: Target<'_>,
    ) -> Result<Newest, PgpRefusal> {
        let mut candidates: Vec<&Signature> = own
            .iter()
            .filter(|signature| signature.typ().is_some_and(|kind| kinds.contains(&kind)))
            .filter(|signature| self.is_in_force(signature) && policy::is_understood(signature))
            .collect();
        candidates.sort_by_key(|signature| std::cmp::Reverse(signature.created()));
        let (strong, weak): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|signature| has_strong_hash(signature));
        for signature in strong {
            if self.verifies(signature, on)? {
                return Ok(Newest::Found(signature.clone()));
            }
        }
        Ok(if weak.is_empty() { Newest::None } else { Newest::OnlyWeak })
    }

    /// The newest revocation of `kind` that verifies, by whatever hash and at whatever time.
    pub fn revoked_at(
        &self,
        own: &[Signature],
        kind: SignatureType,
        on: Target<'_>,
    ) -> Result<Option<Timestamp>, PgpRefusal> {
        let mut newest = None;
        for signature in own.iter().filter(|signature| signature.typ() == Some(kind)) {
            if self.verifies(signature, on)? {
                newest = newest.max(Some(signature.created().unwrap_or_default()));
            }
        }
        Ok(newest)
    }

    fn verifies(&self, signature: &Signature, on: Target<'_>) -> Result<bool, PgpRefusal> {
        self.spend(self.primary)?;
        let verified = match on {
            Target::Primary => signature.verify_key(self.primary),
            Target::User(id) => signature.verify_certification(self.primary, Tag::UserId, id),
            Target::Subkey(subkey) => signature.verify_subkey_binding(self.primary, subkey),
        };
        Ok(verified.is_ok())
    }

    /// Whether the subkey itself agreed to be bound (section 5.2.1.9).
    pub fn has_back_signature(&self, binding: &Signature, subkey: &PublicSubkey) -> Result<bool, PgpRefusal> {
        let Some(back) = binding.embedded_signature() else { return Ok(false) };
        if !has_strong_hash(back) || !self.is_in_force(back) || !policy::is_understood(back) {
            return Ok(false);
        }
        self.spend(subkey)?;
        Ok(back.verify_primary_key_binding(subkey, self.primary).is_ok())
    }

    /// Made after the key, not in the future, and not expired itself.
    fn is_in_force(&self, signature: &Signature) -> bool {
        let Some(created) = signature.created() else { return false };
        let expires = signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs);
        created >= self.primary.created_at()
            && instant(created, 0) <= self.now + policy::MAX_SKEW
            && (expires == 0 || instant(created, expires) > self.now)
    }
}

fn has_strong_hash(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(policy::is_strong_hash)
}

/// `after` seconds after `start`.
pub(super) fn instant(start: Timestamp, after: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(i64::from(start.as_secs()) + i64::from(after), 0).unwrap_or_default()
}

/// A signature packet; `None` for what rPGP cannot read, which then binds nothing.
fn read(body: &[u8]) -> Option<Signature> {
    let header = PacketHeader::new_fixed(Tag::Signature, u32::try_from(body.len()).ok()?);
    let mut rest = body;
    let signature = Signature::try_from_reader(header, &mut rest).ok()?;
    rest.is_empty().then_some(signature)
}

/// The same signature with nothing unsigned in it but who made it and, when `subkey` is given, that
/// subkey's agreement: the one that was verified, unless it is signed anyway.
pub(super) fn cleaned(
    signature: &Signature,
    maker: &impl KeyDetails,
    subkey: Option<&PublicSubkey>,
) -> Option<Signature> {
    let mut config: SignatureConfig = signature.config()?.clone();
    let signed = config.hashed_subpackets().any(|it| matches!(it.data, SubpacketData::EmbeddedSignature(_)));
    let back =
        subkey.filter(|_| !signed).and_then(|subkey| cleaned(signature.embedded_signature()?, subkey, None));
    let unsigned =
        std::mem::take(&mut config.unhashed_subpackets).into_iter().map(|subpacket| subpacket.data);
    config.unhashed_subpackets = unsigned
        .filter(|data| names(data, maker))
        .chain(back.map(|back| SubpacketData::EmbeddedSignature(Box::new(back))))
        .filter_map(|data| Subpacket::regular(data).ok())
        .collect();
    config.unhashed_subpackets.dedup();
    Signature::from_config(config, signature.signed_hash_value()?, signature.signature()?.clone()).ok()
}

fn names(data: &SubpacketData, maker: &impl KeyDetails) -> bool {
    match data {
        SubpacketData::IssuerKeyId(id) => *id == maker.legacy_key_id(),
        SubpacketData::IssuerFingerprint(fingerprint) => *fingerprint == maker.fingerprint(),
        _ => false,
    }
}
