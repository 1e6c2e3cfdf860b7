//! What a primary key says of itself: by a direct-key signature, and by those over its user ids.

use chrono::{DateTime, Utc};
use pgp::packet::{PublicKey, Signature, SignatureType};
use pgp::types::{KeyDetails, KeyVersion, SignedUser};

use super::keys::read_user_id;
use super::packets::Grouped;
use super::signatures::{Attributed, Lack, Newest, Own, Target, Verifier};
use super::terms::{OutOfTime, can_encrypt, expiry, flags, refuse_out_of_time};
use super::{PgpRefusal, policy};

const CERTIFICATIONS: [SignatureType; 4] = [
    SignatureType::CertGeneric,
    SignatureType::CertPersona,
    SignatureType::CertCasual,
    SignatureType::CertPositive,
];

/// The self-signatures in force over the primary key and its user ids, and what follows from them.
pub struct Standing {
    pub direct: Option<Signature>,
    pub users: Vec<SignedUser>,
    pub expires: Option<DateTime<Utc>>,
    /// Whether the primary key itself may be encrypted to, and can.
    pub encrypts: bool,
}

impl Standing {
    /// # Errors
    /// That no signature speaks for the key, and why; or that it does not live now.
    pub fn read(
        verifier: &Verifier<'_>,
        grouped: &Grouped<'_>,
        signatures: &Attributed<'_>,
    ) -> Result<Self, PgpRefusal> {
        let key = verifier.primary();
        let (direct, direct_lack) = direct_signature(verifier, &signatures.primary)?;
        let (users, lack) = bound_users(verifier, &grouped.user_ids, &signatures.user_ids)?;
        let lack = if key.version() == KeyVersion::V6 { direct_lack } else { lack.max(direct_lack) };
        let deciding = Deciding::choose(key.version(), direct.as_ref(), &users)
            .ok_or_else(|| missing(key, lack, &grouped.user_ids))?;
        let expires = deciding.expires(key);
        refuse_out_of_time(key, expires, verifier.now())?;
        let encrypts = deciding.encrypts() && can_encrypt(verifier, key)?;
        Ok(Self { direct, users, expires, encrypts })
    }
}

impl From<OutOfTime> for PgpRefusal {
    fn from(why: OutOfTime) -> Self {
        match why {
            OutOfTime::NotYet(at) => Self::NotYetValid(at),
            OutOfTime::Expired(at) => Self::Expired(at),
        }
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
