//! The uses that other features make of registered keys: find the one that is in use, encrypt to
//! it, check a signature with it; and `deliver_to`, by which a new secret is shown to nobody on the
//! way.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use public_keys::accepted::{KeyType, check_signature, encrypt, encrypt_stream};
use public_keys::encrypt::EncryptError;
use public_keys::stream::StreamError;
use public_keys::verify::{BadSignature, Scheme};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::recipient::Recipient;
use super::store::{self, Usable, Wanted};
use super::usage::Usage;
use crate::crypto::secret::Secret;
use crate::error::{ApiError, Code};
use crate::ids::{OrgId, parse_uuid};
use crate::state::App;

/// A live key of an org.
#[derive(Clone, Debug)]
pub struct LiveKey {
    /// Its id.
    pub unique_id: Uuid,
    /// Its type.
    pub kind: KeyType,
    /// As registered.
    pub fingerprint: String,
    text: String,
}

/// The key that is meant. A key is used for nothing that it was not registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The live one registered last for a usage.
    For(Usage),
    /// This one, if it has the usage.
    Named(Uuid, Usage),
}

impl Which {
    /// Reads a `deliver_to`: `CredentialsDownload`, or the `UniqueId` of a key with that usage.
    /// Nothing else names a key.
    #[must_use]
    pub fn deliver_to(text: &str) -> Option<Self> {
        const USAGE: Usage = Usage::CredentialsDownload;
        if text == USAGE.name() {
            Some(Self::For(USAGE))
        } else {
            Some(Self::Named(parse_uuid(text)?, USAGE))
        }
    }

    /// The same, as the database is asked.
    fn wanted(self, app: &App, is_partners: bool) -> Wanted {
        let (unique_id, usage) = match self {
            Self::For(usage) => (None, usage),
            Self::Named(unique_id, usage) => (Some(unique_id), usage),
        };
        Wanted { unique_id, usage, is_partners, is_proof_required: app.config.require_key_proof }
    }
}

impl LiveKey {
    /// The key in use, if there is one. With `is_partners`, only keys whose private half the
    /// partner holds count.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn find(
        app: &App,
        org_id: OrgId,
        which: Which,
        is_partners: bool,
    ) -> Result<Option<Self>, ApiError> {
        Self::find_wanted(app, org_id, which.wanted(app, is_partners)).await
    }

    async fn find_wanted(app: &App, org_id: OrgId, wanted: Wanted) -> Result<Option<Self>, ApiError> {
        let found = store::usable(&app.db.pool, org_id, wanted, app.clock.now()).await?;
        found.map(Self::of).transpose()
    }

    /// The key of a row that is known to live.
    pub(super) fn of(row: Usable) -> Result<Self, ApiError> {
        let kind = KeyType::parse(&row.kind).ok_or_else(|| ApiError::internal("a key of no type"))?;
        let Usable { unique_id, fingerprint, public_key: text, .. } = row;
        Ok(Self { unique_id, kind, fingerprint, text })
    }

    /// Encrypts: an armored OpenPGP message, or a compact JWE whose `kid` is the `UniqueId`.
    ///
    /// # Errors
    /// `no_delivery_key` where the certificate has ended by itself; 503 where the workers are busy.
    pub async fn encrypt(&self, app: &App, plaintext: Secret<Vec<u8>>) -> Result<String, ApiError> {
        let (key, now) = (self.clone(), app.clock.now());
        let kid = key.unique_id.to_string();
        let work = move || encrypt(key.kind, &key.text, &kid, plaintext.expose(), now);
        app.workers.run(work).await?.map_err(|error| match error {
            EncryptError::Certificate(_) => Code::NoDeliveryKey.into(),
            EncryptError::Failed => ApiError::internal(error),
        })
    }

    /// Encrypts a text of any length while `next` makes it, on a thread for such work: one binary OpenPGP message, or a
    /// compact JWE a line, whose `kid` is the `UniqueId`.
    ///
    /// # Errors
    /// That the certificate has ended by itself, and what `next` and `out` fail with.
    pub fn encrypt_stream(
        &self,
        now: DateTime<Utc>,
        next: impl FnMut(&mut Vec<u8>) -> io::Result<bool>,
        out: impl Write,
    ) -> Result<(), StreamError> {
        encrypt_stream(self.kind, &self.text, &self.unique_id.to_string(), now, next, out)
    }

    /// Checks what the partner signed.
    ///
    /// # Errors
    /// 503 where the workers are busy; the inner one where the signature is not valid.
    pub async fn verify(
        &self,
        app: &App,
        scheme: Scheme,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Result<(), BadSignature>, ApiError> {
        let key = self.clone();
        app.workers.run(move || check_signature(key.kind, &key.text, scheme, &message, &signature)).await
    }
}

/// Whom something was encrypted to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptedTo {
    /// The public key's id.
    unique_id: Uuid,
    /// The public key's fingerprint.
    fingerprint: String,
}

impl EncryptedTo {
    /// The key with this id and fingerprint.
    #[must_use]
    pub fn of(unique_id: Uuid, fingerprint: String) -> Self {
        Self { unique_id, fingerprint }
    }
}

/// A secret that only the partner's private key opens.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// For the reply.
    pub message: String,
    /// For the reply.
    pub to: EncryptedTo,
    /// The key, to be asked for again.
    key: Wanted,
}

/// A reply's fields for a new secret: the first, or the other two.
#[derive(Debug)]
pub struct Shown {
    /// The secret itself.
    pub clear: Option<Secret<String>>,
    /// The secret for the holder of a private key.
    pub encrypted_secret: Option<String>,
    /// The public half of that key.
    pub encrypted_to: Option<EncryptedTo>,
}

/// The way in which a reply shows a new secret.
#[derive(Clone, Debug)]
pub enum SecretDelivery {
    /// In clear.
    Clear,
    /// Encrypted.
    Encrypted(Sealed),
    /// Not at all: the key that was asked for is not there.
    Undeliverable,
}

impl SecretDelivery {
    /// Encrypts `secret` to the key that `deliver_to` names, before anything is changed.
    ///
    /// # Errors
    /// When it cannot be found out or done. That there is no such key is no error yet: what else
    /// is wrong with the request may come first.
    pub async fn prepare(
        app: &App,
        org_id: OrgId,
        deliver_to: Option<&str>,
        secret: &str,
    ) -> Result<Self, ApiError> {
        let Some(deliver_to) = deliver_to else { return Ok(Self::Clear) };
        let Some(which) = Which::deliver_to(deliver_to) else { return Ok(Self::Undeliverable) };
        let wanted = which.wanted(app, true);
        let Some(key) = LiveKey::find_wanted(app, org_id, wanted).await? else {
            return Ok(Self::Undeliverable);
        };
        match key.encrypt(app, Secret::new(secret.as_bytes().to_vec())).await {
            Ok(message) => {
                let unique_id = key.unique_id;
                let to = EncryptedTo::of(unique_id, key.fingerprint);
                let key = Wanted { unique_id: Some(unique_id), ..wanted };
                Ok(Self::Encrypted(Sealed { message, to, key }))
            }
            Err(ApiError::Failed(failure)) if failure.code == Code::NoDeliveryKey => Ok(Self::Undeliverable),
            Err(error) => Err(error),
        }
    }

    /// The recipient who must still be there when the change is made.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        match self {
            Self::Clear => Recipient::Caller,
            Self::Encrypted(sealed) => Recipient::Key(sealed.key),
            Self::Undeliverable => Recipient::Nobody,
        }
    }

    /// Returns what a reply shows of `secret`, which was encrypted if it had to be.
    #[must_use]
    pub fn shown(self, secret: Secret<String>) -> Shown {
        match self {
            Self::Clear => Shown { clear: Some(secret), encrypted_secret: None, encrypted_to: None },
            Self::Encrypted(sealed) => {
                let (message, to) = (Some(sealed.message), Some(sealed.to));
                Shown { clear: None, encrypted_secret: message, encrypted_to: to }
            }
            Self::Undeliverable => Shown { clear: None, encrypted_secret: None, encrypted_to: None },
        }
    }
}
