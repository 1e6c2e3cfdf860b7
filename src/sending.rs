//! Sending an event's message once, as its queue wants it (contract 14): encrypted to the partner's key, signed as it is
//! sent with the org's secrets and the service's own key. When, how often and what then is the publisher's.

use std::sync::Arc;
use std::time::Duration;

use crate::crypto::secret::Secret;
use crate::error::{ApiError, Code};
use crate::events::message::{Encrypted, Message, SignedMessage};
use crate::events::options::{EncryptTo, MessageForm};
use crate::events::targets::{DeliveryError, Reason, Target};
use crate::features::Feature;
use crate::identity::event_recipients::EventRecipient;
use crate::ids::OrgId;
use crate::state::App;

/// Whose message it is, in which form, and what signs it.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The tenant.
    pub org_id: OrgId,
    /// The form that its queue takes.
    pub form: MessageForm,
    /// Its live signing secrets, newest first.
    pub secrets: &'a [Secret<Vec<u8>>],
}

impl Sender<'_> {
    /// Encrypts a message where its queue wants that, and signs it.
    ///
    /// # Errors
    /// In words for `last_error`. A message that is to be encrypted and cannot be is an error, and never sent in clear.
    pub async fn prepare<'m>(
        &self,
        app: &App,
        message: Message<'m>,
    ) -> Result<SignedMessage<'m>, DeliveryError> {
        let MessageForm { format, encrypt_to } = self.form;
        let encrypted = match encrypt_to {
            None => None,
            Some(meant) => {
                let plaintext = message.plaintext(format)?;
                Some(Box::pin(encrypt(app, self.org_id, meant, plaintext)).await?)
            }
        };
        let unreadable = |error: ApiError| {
            tracing::warn!(%error, "the keys of events cannot be read");
            Reason::Settings("this service's key for signatures cannot be read")
        };
        let (keys, now) = (app.event_keys.current().await.map_err(unreadable)?, app.clock.now());
        let key = keys.signing(now).map_err(unreadable)?;
        message.sign(self.org_id, format, encrypted, (self.secrets, key), now)
    }

    /// The same, and sends it; waits at most `timeout` for the acknowledgement.
    ///
    /// # Errors
    /// As [`Sender::prepare`], and what the target answers.
    pub async fn send(
        &self,
        app: &App,
        message: Message<'_>,
        target: &Target,
        timeout: Duration,
    ) -> Result<(), DeliveryError> {
        let message = self.prepare(app, message).await?;
        app.targets.send(target, &message.delivery(), timeout).await.map(|_| ())
    }
}

/// The key that a queue's messages are to be encrypted to.
///
/// # Errors
/// 409 `no_encryption_key` where there is no such live key; 503 while the feature is off.
pub async fn require_recipient(app: &App, org_id: OrgId, meant: EncryptTo) -> Result<(), ApiError> {
    const NONE: &str = "encrypt_to names no live public key of yours that something can be encrypted to.";
    app.require_live(Feature::PublicKeys)?;
    let found = recipient(app, org_id, meant).await?;
    found.map(drop).ok_or_else(|| ApiError::with_message(Code::NoEncryptionKey, NONE))
}

async fn recipient(
    app: &App,
    org_id: OrgId,
    meant: EncryptTo,
) -> Result<Option<Arc<EventRecipient>>, sqlx::Error> {
    let keys = app.identity.message_keys.of(&app.db, org_id).await?;
    Ok(keys.event_recipients.find(meant, app.clock.now()).cloned())
}

/// Encrypts on the worker threads.
async fn encrypt(
    app: &App,
    org_id: OrgId,
    meant: EncryptTo,
    plaintext: &str,
) -> Result<Encrypted, DeliveryError> {
    const UNUSABLE: Reason = Reason::Settings("the key of encrypt_to cannot be used");
    const BUSY: Reason = Reason::Settings("this service is too busy to encrypt");
    let found = recipient(app, org_id, meant).await;
    let recipient = found.map_err(|error| {
        tracing::warn!(%org_id, %error, "a key to encrypt events to cannot be looked up");
        BUSY
    })?;
    let recipient = recipient.ok_or(UNUSABLE)?;
    let (now, text, content_type) = (app.clock.now(), plaintext.to_owned(), recipient.content_type());
    let encrypted = app.workers.message(org_id, move || recipient.encrypt(&text, now)).await;
    let encrypted = encrypted.map_err(|_| BUSY)?.map_err(|error| {
        tracing::warn!(%org_id, %error, "an event cannot be encrypted");
        UNUSABLE
    })?;
    Ok(Encrypted { text: encrypted, content_type })
}
