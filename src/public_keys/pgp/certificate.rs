//! One certificate at one instant: what its primary key says of itself, its user ids and subkeys.

use chrono::{DateTime, Utc};
use pgp::composed::{ArmorOptions, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{
    Features, KeyFlags, PublicKey, PublicKeyEncryptedSessionKey, PublicSubkey, Signature, SignatureType,
    SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{EncryptionKey, Fingerprint, KeyDetails, KeyVersion, PublicParams, SignedUser};
use rand_core::OsRng;

use super::keys::{algorithm, read_primary, read_subkey, read_user_id};
use super::packets;
use super::signatures::{Lack, Newest, Own, Target, Verifier, cleaned, instant};
use super::{PgpRefusal, points, policy};

const CERTIFICATIONS: [SignatureType; 4] = [
    SignatureType::CertGeneric,
    SignatureType::CertPersona,
    SignatureType::CertCasual,
    SignatureType::CertPositive,
];

/// A certificate whose primary key is alive, with only what that key validly binds.
pub(in crate::public_keys) struct Certificate {
    pub(super) primary: PublicKey,
    pub(super) algorithm: String,
    pub(super) expires: Option<DateTime<Utc>>,
    pub(super) encrypts: bool,
    pub(super) subkeys: Vec<Subkey>,
    /// Why other subkeys are not among them.
    pub(super) faults: Vec<SubkeyFault>,
    direct: Option<Signature>,
    users: Vec<SignedUser>,
}

/// A subkey that is alive and validly bound.
pub(super) struct Subkey {
    pub key: PublicSubkey,
    pub algorithm: String,
    pub expires: Option<DateTime<Utc>>,
    pub encrypts: bool,
    binding: Signature,
}

/// A key of the certificate that can be encrypted to.
pub(in crate::public_keys) struct Recipient<'a> {
    pub key: RecipientKey<'a>,
    pub algorithm: &'a str,
    /// The earlier of its own and the primary key's expiry.
    pub expires: Option<DateTime<Utc>>,
}

pub(in crate::public_keys) enum RecipientKey<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a PublicSubkey),
}

impl RecipientKey<'_> {
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Primary(key) => key.fingerprint(),
            Self::Subkey(key) => key.fingerprint(),
        }
    }
}

/// Why a subkey is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubkeyFault {
    Revoked,
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
    Unsupported,
    Unbound,
}

impl Certificate {
    pub fn read(text: &str, now: DateTime<Utc>) -> Result<Self, PgpRefusal> {
        let bytes = packets::binary(text)?;
        let frames = packets::frames(&bytes)?;
        let grouped = packets::group(&frames)?;
        let (primary, algorithm) = read_primary(grouped.primary)?;
        let verifier = Verifier::new(&primary, grouped.primary, now);
        let signatures = verifier.attribute(&grouped)?;
        if verifier.revoked_at(&signatures.primary, SignatureType::KeyRevocation)?.is_some() {
            return Err(PgpRefusal::Revoked);
        }
        let (direct, direct_lack) = direct_signature(&verifier, &signatures.primary)?;
        let (users, lack) = bound_users(&verifier, &grouped.user_ids, &signatures.user_ids)?;
        let lack = if primary.version() == KeyVersion::V6 { direct_lack } else { lack.max(direct_lack) };
        let deciding = Deciding::choose(primary.version(), direct.as_ref(), &users)
            .ok_or_else(|| missing(&primary, lack, &grouped.user_ids))?;
        let expires = deciding.expires(&primary);
        refuse_out_of_time(&primary, expires, now)?;
        let encrypts = deciding.encrypts() && can_encrypt(&verifier, &primary)?;
        let (subkeys, faults) = bound_subkeys(&verifier, &grouped.subkeys, &signatures.subkeys)?;
        Ok(Self { primary, algorithm, expires, encrypts, subkeys, faults, direct, users })
    }

    /// Looks closer at the RSA keys that may be encrypted to, and leaves weak ones out.
    ///
    /// # Errors
    /// When the primary key itself is such a one, or there are too many of them.
    pub fn screen(&mut self) -> Result<(), PgpRefusal> {
        let is_rsa = |key: &dyn KeyDetails| matches!(key.public_params(), PublicParams::RSA(_));
        let asked = self.subkeys.iter().filter(|subkey| subkey.encrypts && is_rsa(&subkey.key)).count();
        if asked > policy::MAX_SCREENED {
            return Err(PgpRefusal::TooComplex);
        }
        if self.encrypts && is_rsa(&self.primary) {
            screen_rsa(&self.primary)?;
        }
        let before = self.subkeys.len();
        self.subkeys
            .retain(|subkey| !(subkey.encrypts && is_rsa(&subkey.key)) || screen_rsa(&subkey.key).is_ok());
        self.faults.extend((self.subkeys.len() < before).then_some(SubkeyFault::WeakKey));
        Ok(())
    }

    /// The keys that can be encrypted to, the preferred first: subkeys before the primary key, newer
    /// before older, as gpg chooses.
    pub fn recipients(&self) -> Vec<Recipient<'_>> {
        let mut subkeys: Vec<&Subkey> = self.subkeys.iter().rev().filter(|subkey| subkey.encrypts).collect();
        subkeys.sort_by_key(|subkey| std::cmp::Reverse(subkey.key.created_at()));
        let earlier = |own: Option<DateTime<Utc>>| own.into_iter().chain(self.expires).min();
        let subkeys = subkeys.into_iter().map(|subkey| Recipient {
            key: RecipientKey::Subkey(&subkey.key),
            algorithm: &subkey.algorithm,
            expires: earlier(subkey.expires),
        });
        let primary = self.encrypts.then_some(Recipient {
            key: RecipientKey::Primary(&self.primary),
            algorithm: &self.algorithm,
            expires: self.expires,
        });
        subkeys.chain(primary).collect()
    }

    /// Whether messages to it are to be in the AEAD format of RFC 9580: only version 6 certificates
    /// that ask for it, because gpg cannot read it.
    pub fn wants_aead(&self) -> bool {
        let features = self.direct.as_ref().and_then(Signature::features);
        self.primary.version() == KeyVersion::V6 && features.is_some_and(Features::seipd_v2)
    }

    /// The certificate with nothing in it but what was verified, in armor.
    pub fn to_armor(&self) -> Option<String> {
        let clean = |signature: &Signature| cleaned(signature, &self.primary, None);
        let direct = self.direct.iter().map(clean).collect::<Option<_>>()?;
        let user = |user: &SignedUser| {
            let signatures = user.signatures.iter().map(clean).collect::<Option<_>>()?;
            Some(SignedUser::new(user.id.clone(), signatures))
        };
        let users = self.users.iter().map(user).collect::<Option<_>>()?;
        let subkey = |subkey: &Subkey| {
            let signs = flags(&subkey.binding).is_some_and(policy::needs_back_signature);
            let binding = cleaned(&subkey.binding, &self.primary, signs.then_some(&subkey.key))?;
            Some(SignedPublicSubKey::new(subkey.key.clone(), vec![binding]))
        };
        let subkeys = self.subkeys.iter().map(subkey).collect::<Option<_>>()?;
        let details = SignedKeyDetails::new(Vec::new(), direct, users, Vec::new());
        // Section 6.1: no checksum around version 6; old readers want it around version 4.
        let options =
            ArmorOptions { headers: None, include_checksum: self.primary.version() == KeyVersion::V4 };
        SignedPublicKey::new(self.primary.clone(), details, subkeys).to_armored_string(options).ok()
    }
}

/// The signatures that speak for the primary key.
struct Deciding<'a> {
    direct: Option<&'a Signature>,
    user: Option<&'a Signature>,
}

impl<'a> Deciding<'a> {
    fn choose(version: KeyVersion, direct: Option<&'a Signature>, users: &'a [SignedUser]) -> Option<Self> {
        // Of several primary user ids, or of none, the newest (section 5.2.3.27).
        let signatures = users.iter().filter_map(|user| user.signatures.first());
        let user = signatures.max_by_key(|signature| (signature.is_primary(), signature.created()));
        // In version 6 only the direct-key signature speaks for the key (section 10.1.1).
        let user = user.filter(|_| version != KeyVersion::V6);
        (direct.is_some() || user.is_some()).then_some(Self { direct, user })
    }

    fn expires(&self, key: &PublicKey) -> Option<DateTime<Utc>> {
        [self.direct, self.user].into_iter().flatten().filter_map(|signature| expiry(key, signature)).min()
    }

    fn encrypts(&self) -> bool {
        let flags = self.user.and_then(flags).or_else(|| self.direct.and_then(flags));
        flags.is_none_or(policy::may_encrypt)
    }
}

/// Why no signature speaks for the primary key.
fn missing(key: &PublicKey, lack: UserLack, user_ids: &[&[u8]]) -> PgpRefusal {
    match lack {
        UserLack::Signature(Lack::Weak) => PgpRefusal::WeakSelfSignature,
        UserLack::Signature(Lack::Future(at)) => PgpRefusal::NotYetValid(at),
        UserLack::Signature(Lack::Expired) => PgpRefusal::SelfSignatureExpired,
        UserLack::Revoked => PgpRefusal::UserIdsRevoked,
        UserLack::Signature(Lack::Nothing) if key.version() == KeyVersion::V4 && user_ids.is_empty() => {
            PgpRefusal::NoUserId
        }
        UserLack::Signature(Lack::Nothing) => PgpRefusal::NoSelfSignature,
    }
}

/// Why no user id is bound, the more telling the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum UserLack {
    Signature(Lack),
    Revoked,
}

/// The direct-key signature in force, unless it is revoked.
fn direct_signature(
    verifier: &Verifier<'_>,
    own: &[Own<'_>],
) -> Result<(Option<Signature>, UserLack), PgpRefusal> {
    match verifier.newest(own, &[SignatureType::Key], Target::Primary)? {
        Newest::Found(signature) => {
            let revoked = verifier.revoked_at(own, SignatureType::CertRevocation)?;
            let stands = revoked < signature.created();
            Ok((stands.then_some(signature), UserLack::Signature(Lack::Nothing)))
        }
        Newest::None(lack) => Ok((None, UserLack::Signature(lack))),
    }
}

fn screen_rsa(key: &(impl KeyDetails + Serialize)) -> Result<(), PgpRefusal> {
    let body = key.to_bytes().map_err(|_| PgpRefusal::Malformed)?;
    super::keys::screen_rsa_closely(&body)
}

fn flags(signature: &Signature) -> Option<&KeyFlags> {
    signature.config()?.hashed_subpackets().find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags),
        _ => None,
    })
}

fn expiry(key: &impl KeyDetails, signature: &Signature) -> Option<DateTime<Utc>> {
    let seconds = signature.key_expiration_time()?.as_secs();
    (seconds != 0).then(|| instant(key.created_at(), seconds))
}

fn refuse_out_of_time(
    key: &impl KeyDetails,
    expires: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), PgpRefusal> {
    let made = instant(key.created_at(), 0);
    if made > now + policy::MAX_SKEW {
        return Err(PgpRefusal::NotYetValid(made));
    }
    expires.filter(|at| *at <= now).map_or(Ok(()), |at| Err(PgpRefusal::Expired(at)))
}

/// User ids with the self-signature that binds each, and why others are not bound.
fn bound_users(
    verifier: &Verifier<'_>,
    ids: &[&[u8]],
    signatures: &[Vec<Own<'_>>],
) -> Result<(Vec<SignedUser>, UserLack), PgpRefusal> {
    let mut users: Vec<SignedUser> = Vec::new();
    let mut lack = UserLack::Signature(Lack::Nothing);
    for (body, own) in ids.iter().zip(signatures) {
        let Some(id) = read_user_id(body) else { continue };
        match verifier.newest(own, &CERTIFICATIONS, Target::User(&id))? {
            Newest::Found(signature) => {
                let revoked = verifier.revoked_at(own, SignatureType::CertRevocation)?;
                if revoked < signature.created() {
                    users.push(SignedUser::new(id, vec![signature]));
                } else {
                    lack = lack.max(UserLack::Revoked);
                }
            }
            Newest::None(why) => lack = lack.max(UserLack::Signature(why)),
        }
    }
    Ok((users, lack))
}

fn bound_subkeys(
    verifier: &Verifier<'_>,
    bodies: &[&[u8]],
    signatures: &[Vec<Own<'_>>],
) -> Result<(Vec<Subkey>, Vec<SubkeyFault>), PgpRefusal> {
    let (mut subkeys, mut faults) = (Vec::new(), Vec::new());
    for (body, own) in bodies.iter().zip(signatures) {
        match bound_subkey(verifier, body, own)? {
            Ok(subkey) => {
                faults.extend((!subkey.encrypts).then_some(SubkeyFault::NotForEncryption));
                subkeys.push(subkey);
            }
            Err(fault) => faults.push(fault),
        }
    }
    Ok((subkeys, faults))
}

fn bound_subkey(
    verifier: &Verifier<'_>,
    body: &[u8],
    own: &[Own<'_>],
) -> Result<Result<Subkey, SubkeyFault>, PgpRefusal> {
    if verifier.revoked_at(own, SignatureType::SubkeyRevocation)?.is_some() {
        return Ok(Err(SubkeyFault::Revoked));
    }
    if points::is_weak(body) {
        return Ok(Err(SubkeyFault::WeakPoint));
    }
    let Some(key) = read_subkey(body, verifier.version()) else {
        return Ok(Err(SubkeyFault::Unsupported));
    };
    let binding = match verifier.newest(own, &[SignatureType::SubkeyBinding], Target::Subkey(&key))? {
        Newest::Found(binding) => binding,
        Newest::None(Lack::Weak) => return Ok(Err(SubkeyFault::WeakBinding)),
        Newest::None(Lack::Future(at)) => return Ok(Err(SubkeyFault::NotYetValid(at))),
        Newest::None(Lack::Expired | Lack::Nothing) => return Ok(Err(SubkeyFault::Unbound)),
    };
    if flags(&binding).is_some_and(policy::needs_back_signature)
        && !verifier.has_back_signature(&binding, &key)?
    {
        return Ok(Err(SubkeyFault::Unbound));
    }
    let expires = expiry(&key, &binding);
    match refuse_out_of_time(&key, expires, verifier.now()) {
        Err(PgpRefusal::NotYetValid(at)) => return Ok(Err(SubkeyFault::NotYetValid(at))),
        Err(PgpRefusal::Expired(at)) => return Ok(Err(SubkeyFault::Expired(at))),
        _ => {}
    }
    // The screening costs no more than one operation.
    verifier.spend(&key)?;
    let algorithm = match algorithm(key.public_params(), body) {
        Ok(algorithm) => algorithm,
        Err(PgpRefusal::WeakRsa(_)) => return Ok(Err(SubkeyFault::WeakKey)),
        Err(_) => return Ok(Err(SubkeyFault::Unsupported)),
    };
    let encrypts = flags(&binding).is_none_or(policy::may_encrypt) && can_encrypt(verifier, &key)?;
    Ok(Ok(Subkey { key, algorithm, expires, encrypts, binding }))
}

/// Proves by doing it that a key which says it may encrypt can: curve points, KDF parameters and all.
fn can_encrypt(verifier: &Verifier<'_>, key: &impl EncryptionKey) -> Result<bool, PgpRefusal> {
    if !key.algorithm().can_encrypt() {
        return Ok(false);
    }
    verifier.spend(key)?;
    let cipher = SymmetricKeyAlgorithm::AES256;
    let session_key = cipher.new_session_key(OsRng);
    Ok(PublicKeyEncryptedSessionKey::from_session_key_v3(OsRng, &session_key, cipher, key).is_ok())
}
