//! One certificate at one instant: what its primary key says of itself, its user ids and subkeys.

use chrono::{DateTime, Utc};
use pgp::composed::{ArmorOptions, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{
    Features, KeyFlags, PublicKey, PublicKeyEncryptedSessionKey, PublicSubkey, Signature, SignatureType,
    SubpacketData,
};
use pgp::types::{EncryptionKey, Fingerprint, KeyDetails, KeyVersion, SignedUser};
use rand_core::OsRng;

use super::keys::{algorithm, read_primary, read_subkey, read_user_id};
use super::packets::{self, Component};
use super::signatures::{Newest, Target, Verifier, cleaned, instant};
use super::{PgpRefusal, policy};

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
    Expired,
    /// Bound by SHA-1 or MD5 only.
    WeakBinding,
    /// An RSA key that the screening refuses.
    WeakKey,
    Unsupported,
    Unbound,
}

impl Certificate {
    pub fn read(text: &str, now: DateTime<Utc>) -> Result<Self, PgpRefusal> {
        let bytes = packets::binary(text)?;
        let frames = packets::frames(&bytes)?;
        let grouped = packets::group(&frames)?;
        let (primary, algorithm) = read_primary(grouped.primary.body)?;
        let verifier = Verifier::new(&primary, now);
        let own = verifier.own(&grouped.primary.signatures);
        if verifier.revoked_at(&own, SignatureType::KeyRevocation, Target::Primary)?.is_some() {
            return Err(PgpRefusal::Revoked);
        }
        let direct = verifier.newest(&own, &[SignatureType::Key], Target::Primary)?;
        let (users, weak_user) = bound_users(&verifier, &grouped.user_ids)?;
        let weak = weak_user || matches!(direct, Newest::OnlyWeak);
        let direct = found(direct);
        let deciding = Deciding::choose(primary.version(), direct.as_ref(), &users, weak)?;
        let expires = deciding.expires(&primary);
        refuse_out_of_time(&primary, expires, now)?;
        let encrypts = deciding.encrypts() && can_encrypt(&verifier, &primary)?;
        let (subkeys, faults) = bound_subkeys(&verifier, &grouped.subkeys)?;
        Ok(Self { primary, algorithm, expires, encrypts, subkeys, faults, direct, users })
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
            let signs = policy::needs_back_signature(&subkey.binding.key_flags());
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
    fn choose(
        version: KeyVersion,
        direct: Option<&'a Signature>,
        users: &'a [SignedUser],
        weak: bool,
    ) -> Result<Self, PgpRefusal> {
        // Of several primary user ids, or of none, the newest (section 5.2.3.27).
        let signatures = users.iter().filter_map(|user| user.signatures.first());
        let user = signatures.max_by_key(|signature| (signature.is_primary(), signature.created()));
        // In version 6 only the direct-key signature speaks for the key (section 10.1.1).
        let user = user.filter(|_| version != KeyVersion::V6);
        match (direct, user) {
            (None, None) if weak => Err(PgpRefusal::WeakSelfSignature),
            (None, None) => Err(PgpRefusal::NoSelfSignature),
            _ => Ok(Self { direct, user }),
        }
    }

    fn expires(&self, key: &PublicKey) -> Option<DateTime<Utc>> {
        [self.direct, self.user].into_iter().flatten().filter_map(|signature| expiry(key, signature)).min()
    }

    fn encrypts(&self) -> bool {
        let flags = self.user.and_then(flags).or_else(|| self.direct.and_then(flags));
        flags.is_some_and(policy::may_encrypt)
    }
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
    if instant(key.created_at(), 0) > now + policy::MAX_SKEW {
        return Err(PgpRefusal::NotYetValid);
    }
    if expires.is_some_and(|at| at <= now) { Err(PgpRefusal::Expired) } else { Ok(()) }
}

fn found(newest: Newest) -> Option<Signature> {
    match newest {
        Newest::Found(signature) => Some(signature),
        Newest::OnlyWeak | Newest::None => None,
    }
}

/// User ids with the self-signature that binds each, and whether a weak one binds another.
fn bound_users(
    verifier: &Verifier<'_>,
    ids: &[Component<'_>],
) -> Result<(Vec<SignedUser>, bool), PgpRefusal> {
    let mut users: Vec<SignedUser> = Vec::new();
    let mut weak = false;
    for component in ids {
        let Some(id) = read_user_id(component.body) else { continue };
        let own = verifier.own(&component.signatures);
        let signature = match verifier.newest(&own, &CERTIFICATIONS, Target::User(&id))? {
            Newest::Found(signature) => signature,
            Newest::OnlyWeak => {
                weak = true;
                continue;
            }
            Newest::None => continue,
        };
        let revoked = verifier.revoked_at(&own, SignatureType::CertRevocation, Target::User(&id))?;
        let repeated = users.iter().any(|user| user.id == id);
        if revoked < signature.created() && !repeated {
            users.push(SignedUser::new(id, vec![signature]));
        }
    }
    Ok((users, weak))
}

fn bound_subkeys(
    verifier: &Verifier<'_>,
    components: &[Component<'_>],
) -> Result<(Vec<Subkey>, Vec<SubkeyFault>), PgpRefusal> {
    let (mut subkeys, mut faults): (Vec<Subkey>, _) = (Vec::new(), Vec::new());
    for component in components {
        match bound_subkey(verifier, component)? {
            Ok(subkey) if subkeys.iter().any(|other| other.key == subkey.key) => {}
            Ok(subkey) => subkeys.push(subkey),
            Err(fault) => faults.push(fault),
        }
    }
    Ok((subkeys, faults))
}

fn bound_subkey(
    verifier: &Verifier<'_>,
    component: &Component<'_>,
) -> Result<Result<Subkey, SubkeyFault>, PgpRefusal> {
    let Some(key) = read_subkey(component.body, verifier.version()) else {
        return Ok(Err(SubkeyFault::Unsupported));
    };
    let own = verifier.own(&component.signatures);
    let on = Target::Subkey(&key);
    if verifier.revoked_at(&own, SignatureType::SubkeyRevocation, on)?.is_some() {
        return Ok(Err(SubkeyFault::Revoked));
    }
    let binding = match verifier.newest(&own, &[SignatureType::SubkeyBinding], on)? {
        Newest::Found(binding) => binding,
        Newest::OnlyWeak => return Ok(Err(SubkeyFault::WeakBinding)),
        Newest::None => return Ok(Err(SubkeyFault::Unbound)),
    };
    let flags = binding.key_flags();
    if policy::needs_back_signature(&flags) && !verifier.has_back_signature(&binding, &key)? {
        return Ok(Err(SubkeyFault::Unbound));
    }
    let expires = expiry(&key, &binding);
    if refuse_out_of_time(&key, expires, verifier.now()).is_err() {
        return Ok(Err(SubkeyFault::Expired));
    }
    // The screening costs no more than one operation.
    verifier.spend(&key)?;
    let algorithm = match algorithm(key.public_params(), component.body) {
        Ok(algorithm) => algorithm,
        Err(PgpRefusal::WeakRsa(_)) => return Ok(Err(SubkeyFault::WeakKey)),
        Err(_) => return Ok(Err(SubkeyFault::Unsupported)),
    };
    let encrypts = policy::may_encrypt(&flags) && can_encrypt(verifier, &key)?;
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
