//! The log of changes and their authors. A row is written by the statement of the change, so
//! neither is ever there without the other; `orgs.revision` numbers the rows of an org without
//! gaps, and each carries a MAC that continues the `chain`. [`change!`](crate::changes) is the
//! only way to write one.

pub mod verify;

use std::sync::Arc;

use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::audit_chain::{AuditRow, ChainKey, Head, RowMac};
use crate::crypto::keyring::Keyring;
use crate::identity::Partner;
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::client::ClientAddress;
use crate::identity::portal::{Sitter, Visit};
use crate::identity::usage::Judgement;
use crate::ids::OrgId;
use crate::request_id::{RequestId, TraceContext};

/// The author of a change, and the request it came with.
#[derive(Clone, Debug)]
pub struct Author {
    actor: Actor,
    request_id: Option<String>,
    client: Option<ClientAddress>,
    trace: Option<TraceContext>,
    chain: ChainKey,
}

#[derive(Clone, Debug)]
enum Actor {
    Operator,
    Service,
    Gateway,
    TenantKey(Uuid),
    PublicKey(Uuid),
    Platform(Uuid),
    Claim(Uuid),
    Portal { session_id: Uuid, actor_id: Arc<str> },
}

impl Author {
    /// Somebody at the command line.
    #[must_use]
    pub fn operator(keyring: &Keyring) -> Self {
        let chain = keyring.audit();
        Self { actor: Actor::Operator, request_id: None, client: None, trace: None, chain }
    }

    /// The service itself, when a time has come.
    #[must_use]
    pub fn service(keyring: &Keyring) -> Self {
        Self { actor: Actor::Service, ..Self::operator(keyring) }
    }

    /// A partner, by this request; in the portal and in the console, who sits there.
    #[must_use]
    pub fn partner(keyring: &Keyring, partner: Partner, parts: &Parts) -> Self {
        if let Some(visit) = parts.extensions.get::<Visit>() {
            return match &visit.sitter {
                Sitter::Person(actor_id) => {
                    Self::requesting(keyring, parts).visitor(visit.session_id, actor_id.clone())
                }
                Sitter::Platform(token_id) => Self::platform(keyring, *token_id, parts),
            };
        }
        Self {
            actor: match (partner.key_id, partner.public_key()) {
                (Some(key_id), _) => Actor::TenantKey(key_id.0),
                (None, Some(unique_id)) => Actor::PublicKey(unique_id),
                (None, None) => Actor::Gateway,
            },
            ..Self::requesting(keyring, parts)
        }
    }

    /// A service of the platform with this token, by this request.
    #[must_use]
    pub fn platform(keyring: &Keyring, token_id: Uuid, parts: &Parts) -> Self {
        Self { actor: Actor::Platform(token_id), ..Self::requesting(keyring, parts) }
    }

    /// Whoever opened this claim, by this request.
    #[must_use]
    pub fn claimant(self, claim_id: Uuid) -> Self {
        Self { actor: Actor::Claim(claim_id), ..self }
    }

    /// The person of this session of the portal's, by this request.
    #[must_use]
    pub fn visitor(self, session_id: Uuid, actor_id: Arc<str>) -> Self {
        Self { actor: Actor::Portal { session_id, actor_id }, ..self }
    }

    /// The service itself, for a request that nobody authenticates.
    #[must_use]
    pub fn requesting(keyring: &Keyring, parts: &Parts) -> Self {
        Self {
            actor: Actor::Service,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
            client: parts.extensions.get().copied(),
            trace: parts.extensions.get().copied(),
            chain: keyring.audit(),
        }
    }

    /// Returns `true` for a partner, however it authenticated.
    #[must_use]
    pub fn is_partner(&self) -> bool {
        match self.actor {
            Actor::Operator | Actor::Service | Actor::Platform(_) | Actor::Claim(_) => false,
            Actor::Gateway | Actor::TenantKey(_) | Actor::PublicKey(_) | Actor::Portal { .. } => true,
        }
    }

    /// Returns `true` if these networks, once they hold, keep the next request of this author out (contract 13.3).
    /// Operators and the service itself send none.
    #[must_use]
    pub fn is_shut_out_by(&self, allowed: &AllowedNetworks) -> bool {
        let client = self.client.map(|ClientAddress(address)| address);
        self.is_partner() && allowed.judge(client) == Judgement::Refused
    }

    /// The trace that the change belongs to.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// The row that follows `head`: this author did `action` to `subject`.
    #[must_use]
    pub fn entry(
        &self,
        org_id: OrgId,
        head: Head,
        at: DateTime<Utc>,
        action: &str,
        subject: impl ToString,
    ) -> Entry {
        let row = AuditRow {
            seq: head.seq + 1,
            at,
            actor: self.actor.name().to_owned(),
            key_id: self.actor.key_id(),
            actor_id: self.actor.person(),
            action: action.to_owned(),
            subject: subject.to_string(),
            request_id: self.request_id.clone(),
            client_address: self.client.map(|ClientAddress(address)| address.to_string()),
        };
        Entry { org_id, mac: self.chain.mac(org_id, &row, head.mac), key: self.chain.number(), row }
    }
}

impl Actor {
    fn name(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Service => "service",
            Self::Gateway => "gateway",
            Self::TenantKey(_) => "tenant_key",
            Self::PublicKey(_) => "public_key",
            Self::Platform(_) => "platform",
            Self::Claim(_) => "claim",
            Self::Portal { .. } => "portal",
        }
    }

    fn key_id(&self) -> Option<Uuid> {
        match self {
            Self::TenantKey(id) | Self::PublicKey(id) | Self::Platform(id) | Self::Claim(id) => Some(*id),
            Self::Portal { session_id, .. } => Some(*session_id),
            Self::Operator | Self::Service | Self::Gateway => None,
        }
    }

    fn person(&self) -> Option<String> {
        if let Self::Portal { actor_id, .. } = self { Some(actor_id.to_string()) } else { None }
    }
}

/// A row ready to be written, if the log still ends where its author saw it end.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The tenant.
    pub org_id: OrgId,
    /// The row's content.
    pub row: AuditRow,
    /// The MAC that continues the chain.
    pub mac: RowMac,
    /// The number of the key that made the MAC.
    pub key: i16,
}
