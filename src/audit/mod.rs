//! Who changed what. A row is written by the statement of the change, so neither is ever there
//! without the other; `orgs.revision` numbers the rows of an org without gaps, and each carries a
//! MAC that continues the [chain](crate::crypto::audit_chain). [`audited!`] is the only way to write one.

pub mod verify;

use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::audit_chain::{AuditRow, ChainKey, Head, RowMac};
use crate::crypto::keyring::Keyring;
use crate::identity::Partner;
use crate::identity::client::ClientAddress;
use crate::ids::OrgId;
use crate::request_id::{RequestId, TraceContext};

/// Who makes a change, and through which request.
#[derive(Clone, Debug)]
pub struct Author {
    actor: Actor,
    request_id: Option<String>,
    client: Option<ClientAddress>,
    trace: Option<TraceContext>,
    chain: ChainKey,
}

#[derive(Clone, Copy, Debug)]
enum Actor {
    Operator,
    Service,
    Gateway,
    TenantKey(Uuid),
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

    /// A partner, by this request.
    #[must_use]
    pub fn partner(keyring: &Keyring, partner: Partner, parts: &Parts) -> Self {
        Self {
            actor: partner.key_id.map_or(Actor::Gateway, |key_id| Actor::TenantKey(key_id.0)),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
            client: parts.extensions.get().copied(),
            trace: parts.extensions.get().copied(),
            chain: keyring.audit(),
        }
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
            action: action.to_owned(),
            subject: subject.to_string(),
            request_id: self.request_id.clone(),
            client_address: self.client.map(|ClientAddress(address)| address.to_string()),
        };
        Entry { org_id, mac: self.chain.mac(org_id, &row, head.mac), key: self.chain.number(), row }
    }
}

impl Actor {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Service => "service",
            Self::Gateway => "gateway",
            Self::TenantKey(_) => "tenant_key",
        }
    }

    fn key_id(self) -> Option<Uuid> {
        if let Self::TenantKey(id) = self { Some(id) } else { None }
    }
}

/// A row ready to be written, if the log still ends where its author saw it end.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The tenant.
    pub org_id: OrgId,
    /// What it says.
    pub row: AuditRow,
    /// The MAC that continues the chain.
    pub mac: RowMac,
    /// The number of the key that made the MAC.
    pub key: i16,
}

impl Entry {
    /// What [`audited!`] takes as a list: the request's id, where it came from, and the number of
    /// the key that made the MAC.
    #[must_use]
    pub fn request(&self) -> [Option<String>; 3] {
        [self.row.request_id.clone(), self.row.client_address.clone(), Some(self.key.to_string())]
    }
}

/// A statement that changes an org and writes its audit row, or does nothing because the org is
/// no longer as it was read: `audited!(entry, "...", arguments)` is a `sqlx::query!`.
///
/// The text goes on after a `WITH` that has `gate`, a row (`id`) if the org is unchanged. Whatever
/// the statement does takes its rows `FROM gate`, and it ends with a `SELECT` from it: no row means
/// that nothing happened. The entry is `$1` to `$9`: org, seq, mac, at, actor, key id, action,
/// subject, request (a list: see [`Entry::request`]); the arguments go on from `$10`.
///
/// A change of the org's own row takes the place of the gate, as `gate = "..."`, and must hold the
/// same guards: a statement cannot write a row twice. The guard on `audit_key` stops a process that
/// has not heard of a renewed key: it must not write after the row that handed the chain over.
macro_rules! audited {
    ($entry:expr, gate = $gate:tt, $rest:tt $(, $argument:expr)* $(,)?) => {{
        let entry: &$crate::audit::Entry = $entry;
        sqlx::query!(
            "WITH gate AS ("
                + $gate
                + "),
            logged AS (
                INSERT INTO audit_log (org_id, seq, mac, at, actor, key_id, action, subject, request_id, client_address)
                SELECT $1, $2, $3, $4, $5, $6, $7, $8, ($9::text[])[1], ($9::text[])[2] FROM gate
            )"
                + $rest,
            entry.org_id.0,
            entry.row.seq,
            &entry.mac.0[..],
            entry.row.at,
            entry.row.actor,
            entry.row.key_id,
            entry.row.action,
            entry.row.subject,
            &entry.request() as &[Option<String>],
            $($argument),*
        )
    }};
    ($entry:expr, $rest:tt $(, $argument:expr)* $(,)?) => {
        $crate::audit::audited!(
            $entry,
            gate = "UPDATE orgs SET revision = $2, audit_mac = $3 WHERE id = $1 AND revision = $2::bigint - 1 AND audit_key <= ($9::text[])[3]::smallint RETURNING id",
            $rest
            $(, $argument)*
        )
    };
}
pub(crate) use audited;
