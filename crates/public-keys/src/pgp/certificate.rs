//! One certificate at one instant: its primary key, and what that key validly binds.

use chrono::{DateTime, Utc};
use pgp::composed::{ArmorOptions, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Features, PublicKey, PublicSubkey, Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, KeyVersion, PublicParams, SignedUser};

use super::keys::read_primary;
use super::signatures::{Verifier, cleaned};
use super::standing::Standing;
use super::subkeys::{self, Subkey, SubkeyFault};
use super::{PgpRefusal, packets, policy, terms};

/// A certificate whose primary key is alive, with only what that key validly binds.
pub(crate) struct Certificate {
    pub(super) primary: PublicKey,
    pub(super) algorithm: String,
    pub(super) subkeys: Vec<Subkey>,
    /// Why other subkeys are not among them.
    pub(super) faults: Vec<SubkeyFault>,
    standing: Standing,
}

/// A key of the certificate that can be encrypted to.
pub(crate) struct Recipient<'a> {
    pub key: RecipientKey<'a>,
    pub algorithm: &'a str,
    /// The earlier of its own and the primary key's expiry.
    pub expires: Option<DateTime<Utc>>,
}

pub(crate) enum RecipientKey<'a> {
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
        let standing = Standing::read(&verifier, &grouped, &signatures)?;
        let (subkeys, faults) = subkeys::bound(&verifier, &grouped.subkeys, &signatures.subkeys)?;
        Ok(Self { primary, algorithm, subkeys, faults, standing })
    }

    /// When the primary key ends, and all with it.
    pub fn expires(&self) -> Option<DateTime<Utc>> {
        self.standing.expires
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
        if self.standing.encrypts && is_rsa(&self.primary) {
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
        let earlier = |own: Option<DateTime<Utc>>| own.into_iter().chain(self.expires()).min();
        let subkeys = subkeys.into_iter().map(|subkey| Recipient {
            key: RecipientKey::Subkey(&subkey.key),
            algorithm: &subkey.algorithm,
            expires: earlier(subkey.expires),
        });
        let primary = self.standing.encrypts.then_some(Recipient {
            key: RecipientKey::Primary(&self.primary),
            algorithm: &self.algorithm,
            expires: self.expires(),
        });
        subkeys.chain(primary).collect()
    }

    /// Whether messages to it are to be in the AEAD format of RFC 9580: only version 6 certificates
    /// that ask for it, because gpg cannot read it.
    pub fn wants_aead(&self) -> bool {
        let features = self.standing.direct.as_ref().and_then(Signature::features);
        self.primary.version() == KeyVersion::V6 && features.is_some_and(Features::seipd_v2)
    }

    /// The certificate with nothing in it but what was verified, in armor.
    pub fn to_armor(&self) -> Option<String> {
        let clean = |signature: &Signature| cleaned(signature, &self.primary, None);
        let direct = self.standing.direct.iter().map(clean).collect::<Option<_>>()?;
        let user = |user: &SignedUser| {
            let signatures = user.signatures.iter().map(clean).collect::<Option<_>>()?;
            Some(SignedUser::new(user.id.clone(), signatures))
        };
        let users = self.standing.users.iter().map(user).collect::<Option<_>>()?;
        let subkey = |subkey: &Subkey| {
            let signs = terms::flags(&subkey.binding).is_some_and(policy::needs_back_signature);
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

fn screen_rsa(key: &(impl KeyDetails + Serialize)) -> Result<(), PgpRefusal> {
    let body = key.to_bytes().map_err(|_| PgpRefusal::Malformed)?;
    super::keys::screen_rsa_closely(&body)
}
