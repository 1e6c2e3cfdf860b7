//! Self-signatures: read, given to what they are over, and verified against the primary key within a
//! budget.

use std::cell::Cell;

use chrono::{DateTime, Utc};
use pgp::packet::{
    PacketHeader, PublicKey, PublicSubkey, Signature, SignatureConfig, SignatureType, SignatureVersion,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{KeyDetails, KeyVersion, Tag, Timestamp};

use super::digests::{Over, Parts};
use super::packets::{Grouped, Place};
use super::{PgpRefusal, policy};

/// What a signature is over, beside the primary key.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Primary,
    User(&'a UserId),
    Subkey(&'a PublicSubkey),
}

/// A signature that may be the primary key's own, over one component.
pub(super) struct Own<'a> {
    body: &'a [u8],
    parts: Parts<'a>,
    digest: Vec<u8>,
    /// `None` for what rPGP cannot read, which then binds nothing but may revoke.
    signature: Option<Signature>,
}

/// All signatures of a certificate, by the component that each is over.
#[derive(Default)]
pub(super) struct Attributed<'a> {
    pub primary: Vec<Own<'a>>,
    pub user_ids: Vec<Vec<Own<'a>>>,
    pub subkeys: Vec<Vec<Own<'a>>>,
}

impl<'a> Attributed<'a> {
    fn at(&mut self, place: Place) -> Option<&mut Vec<Own<'a>>> {
        match place {
            Place::Primary => Some(&mut self.primary),
            Place::UserId(index) => self.user_ids.get_mut(index),
            Place::Subkey(index) => self.subkeys.get_mut(index),
            Place::Elsewhere => None,
        }
    }
}

/// Verifies the primary key's own signatures at one instant, counting the work.
pub(super) struct Verifier<'a> {
    primary: &'a PublicKey,
    body: &'a [u8],
    now: DateTime<Utc>,
    spent: Cell<u32>,
    hashed: Cell<u32>,
}

/// The outcome of looking for the newest self-signature that counts.
pub(super) enum Newest {
    Found(Signature),
    None(Lack),
}

/// Why no self-signature counts, the more telling the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// There is none, or none that verifies.
    Nothing,
    /// One would count if it had not expired itself.
    Expired,
    /// One will count from then on.
    Future(DateTime<Utc>),
    /// One would count if its hash were not weak.
    Weak,
}

impl<'a> Verifier<'a> {
    pub fn new(primary: &'a PublicKey, body: &'a [u8], now: DateTime<Utc>) -> Self {
        Self { primary, body, now, spent: Cell::new(0), hashed: Cell::new(0) }
    }

    pub fn primary(&self) -> &'a PublicKey {
        self.primary
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Counts one public key operation with `key`, before it is done.
    pub fn spend(&self, key: &impl KeyDetails) -> Result<(), PgpRefusal> {
        self.spend_units(policy::cost(key.public_params()))
    }

    fn spend_units(&self, units: u32) -> Result<(), PgpRefusal> {
        let spent = self.spent.get() + units;
        self.spent.set(spent);
        if spent > policy::MAX_COST { Err(PgpRefusal::TooComplex) } else { Ok(()) }
    }

    /// Counts one hash over a component.
    fn hash(&self) -> Result<(), PgpRefusal> {
        let hashed = self.hashed.get() + 1;
        self.hashed.set(hashed);
        if hashed.is_multiple_of(policy::HASHES_PER_UNIT) { self.spend_units(1) } else { Ok(()) }
    }

    /// Finds out what each signature is over. Where it stands is only looked at first: a signature
    /// counts as what it says it is, and not by what somebody put before it.
    pub fn attribute<'b>(&self, grouped: &Grouped<'b>) -> Result<Attributed<'b>, PgpRefusal> {
        let mut attributed = Attributed::default();
        attributed.user_ids.resize_with(grouped.user_ids.len(), Vec::new);
        attributed.subkeys.resize_with(grouped.subkeys.len(), Vec::new);
        for placed in &grouped.signatures {
            let Some(parts) = Parts::read(placed.body) else { continue };
            let places = possible(parts.kind, placed.place, grouped);
            for place in places {
                let over = match place {
                    Place::UserId(index) => Over::UserId(grouped.user_ids[index]),
                    Place::Subkey(index) => Over::Subkey(grouped.subkeys[index]),
                    Place::Primary | Place::Elsewhere => Over::Primary,
                };
                self.hash()?;
                let Some(digest) = parts.is_over(self.body, over) else { continue };
                self.keep(&mut attributed, place, placed.body, digest);
                if place == placed.place {
                    break;
                }
            }
        }
        Ok(attributed)
    }

    fn keep<'b>(&self, attributed: &mut Attributed<'b>, place: Place, body: &'b [u8], digest: Vec<u8>) {
        let Some(list) = attributed.at(place) else { return };
        let Some(parts) = Parts::read(body).filter(|_| list.iter().all(|known| known.body != body)) else {
            return;
        };
        let signature = read(body);
        // Whoever it says made it, a revocation that the primary key made counts.
        if is_revocation(parts.kind) || signature.as_ref().is_some_and(|signature| self.is_own(signature)) {
            list.push(Own { body, parts, digest, signature });
        }
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
        own: &[Own<'_>],
        kinds: &[SignatureType],
        on: Target<'_>,
    ) -> Result<Newest, PgpRefusal> {
        let is_wanted = |signature: &&Signature| signature.typ().is_some_and(|kind| kinds.contains(&kind));
        let mut candidates: Vec<&Signature> = own
            .iter()
            .filter_map(|own| own.signature.as_ref())
            .filter(|signature| is_wanted(signature) && policy::is_understood(signature))
            .collect();
        candidates.sort_by_key(|signature| std::cmp::Reverse(signature.created()));
        let mut lack = Lack::Nothing;
        for signature in candidates {
            match self.lack(signature) {
                Lack::Nothing if self.verifies(signature, on)? => {
                    return Ok(Newest::Found(signature.clone()));
                }
                why => lack = lack.max(why),
            }
        }
        Ok(Newest::None(lack))
    }

    /// What keeps a signature from counting, before it is verified.
    fn lack(&self, signature: &Signature) -> Lack {
        let Some(created) = signature.created() else { return Lack::Nothing };
        if self.is_in_force(signature) {
            if has_strong_hash(signature) { Lack::Nothing } else { Lack::Weak }
        } else if instant(created, 0) > self.now + policy::MAX_SKEW {
            Lack::Future(instant(created, 0))
        } else {
            Lack::Expired
        }
    }

    /// The newest revocation of `kind` that verifies, by whatever hash and at whatever time.
    pub fn revoked_at(&self, own: &[Own<'_>], kind: SignatureType) -> Result<Option<Timestamp>, PgpRefusal> {
        let mut newest = None;
        for revocation in own.iter().filter(|own| own.parts.kind == u8::from(kind)) {
            self.spend(self.primary)?;
            if revocation.parts.is_by(self.primary, &revocation.digest) {
                let created = revocation.signature.as_ref().and_then(Signature::created);
                // One whose time cannot be read is newer than everything.
                newest = newest.max(Some(created.unwrap_or(Timestamp::from_secs(u32::MAX))));
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

/// The components that a signature of this type can be over, the one it stands behind first.
fn possible(kind: u8, place: Place, grouped: &Grouped<'_>) -> Vec<Place> {
    let users = || (0..grouped.user_ids.len()).map(Place::UserId);
    let mut places: Vec<Place> = match kind {
        0x1f | 0x20 => vec![Place::Primary],
        0x18 | 0x28 => (0..grouped.subkeys.len()).map(Place::Subkey).collect(),
        0x10..=0x13 => users().collect(),
        // Of a certification, or of a direct-key signature (section 5.2.1.14).
        0x30 => users().chain([Place::Primary]).collect(),
        _ => Vec::new(),
    };
    if let Some(at) = places.iter().position(|possible| *possible == place) {
        places.swap(0, at);
    }
    places
}

fn is_revocation(kind: u8) -> bool {
    matches!(kind, 0x20 | 0x28 | 0x30)
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
