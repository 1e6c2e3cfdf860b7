//! Which events there are, and the stream of each.

use std::borrow::Cow;
use std::str::FromStr;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A stream of ours; like each of the platform's ([`StreamName`](super::StreamName)) it has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Events about users.
    Users,
    /// Events about keys and secrets.
    Credentials,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Users, Self::Credentials];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Credentials => "credentials",
        }
    }
}

impl FromStr for Stream {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|stream| stream.name() == name).ok_or(())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $stream:ident;)*) => {
        /// The types of events. Names are `<subject>.<what>`, and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names say it, and docs/events.md the rest")]
        pub enum EventType { $($(#[$doc])* $variant),* }

        impl EventType {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The `type` on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The kind of this name.
            #[must_use]
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }

            /// The stream that carries it. What happens to a queue goes to
            /// [`StreamName::told_on`](super::StreamName::told_on) of the queue's own instead.
            #[must_use]
            pub fn stream(self) -> Stream {
                match self { $(Self::$variant => Stream::$stream),* }
            }
        }
    };
}

kinds! {
    UserCreated = "user.created" on Users;
    UserUpdated = "user.updated" on Users;
    UserDeleted = "user.deleted" on Users;
    TenantKeyCreated = "tenant_key.created" on Credentials;
    TenantKeyUpdated = "tenant_key.updated" on Credentials;
    TenantKeyRotated = "tenant_key.rotated" on Credentials;
    /// The successor waits for its confirmation (contract 13.1).
    TenantKeyRotationStarted = "tenant_key.rotation_started" on Credentials;
    /// It was not confirmed, and has ended.
    TenantKeyRotationAbandoned = "tenant_key.rotation_abandoned" on Credentials;
    /// It was found where others can read it (contract 13.4).
    TenantKeyLeaked = "tenant_key.leaked" on Credentials;
    TenantKeyRevoked = "tenant_key.revoked" on Credentials;
    /// 30, 7 and 1 days before the end, where there is time for it.
    TenantKeyExpiring = "tenant_key.expiring" on Credentials;
    TenantKeyExpired = "tenant_key.expired" on Credentials;
    SigningSecretRotated = "signing_secret.rotated" on Credentials;
    /// The new secret waits for its confirmation (contract 13.1).
    SigningSecretRotationStarted = "signing_secret.rotation_started" on Credentials;
    /// It was not confirmed, and has ended.
    SigningSecretRotationAbandoned = "signing_secret.rotation_abandoned" on Credentials;
    SigningSecretRevoked = "signing_secret.revoked" on Credentials;
    SigningSecretExpired = "signing_secret.expired" on Credentials;
    PublicKeyRegistered = "public_key.registered" on Credentials;
    PublicKeyUpdated = "public_key.updated" on Credentials;
    /// The partner showed that it holds the private half.
    PublicKeyProven = "public_key.proven" on Credentials;
    PublicKeyDeleted = "public_key.deleted" on Credentials;
    /// 30, 7 and 1 days before the end, where there is time for it.
    PublicKeyExpiring = "public_key.expiring" on Credentials;
    PublicKeyExpired = "public_key.expired" on Credentials;
    /// Nothing of the administration changes any more (contract 13.4).
    OrgAdministrationFrozen = "org.administration_frozen" on Credentials;
    OrgAdministrationThawed = "org.administration_thawed" on Credentials;
    ReportReady = "report.ready" on Credentials;
    ReportFailed = "report.failed" on Credentials;
    /// Somebody tried to open a claim that was opened already.
    ClaimReopened = "claim.reopened" on Credentials;
    QueueReplaced = "queue.replaced" on Credentials;
    QueueDeleted = "queue.deleted" on Credentials;
    QueuePaused = "queue.paused" on Credentials;
    /// It failed so often in a row that it is only tried now and then (contract 14).
    QueueFailing = "queue.failing" on Credentials;
    /// It took an event again.
    QueueRecovered = "queue.recovered" on Credentials;
}

impl EventType {
    /// Returns `true` if it is about a report.
    #[must_use]
    pub fn is_of_a_report(self) -> bool {
        matches!(self, Self::ReportReady | Self::ReportFailed)
    }

    /// Returns `true` if it is about a queue.
    #[must_use]
    pub fn is_of_a_queue(self) -> bool {
        matches!(
            self,
            Self::QueueReplaced
                | Self::QueueDeleted
                | Self::QueuePaused
                | Self::QueueFailing
                | Self::QueueRecovered
        )
    }
}

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|kind| kind.name());
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        names.description(Some("What happened.")).into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_after_its_subject() {
        for kind in EventType::ALL {
            let is_user = kind.name().starts_with("user.");
            assert_eq!(kind.stream() == Stream::Users, is_user, "{kind:?}");
        }
    }
}
