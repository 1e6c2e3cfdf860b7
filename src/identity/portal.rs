//! Who sits in front of an org's pages (contract 17): a person whom a partner's backend, or the platform, has vouched for. The
//! session is read anew with every page, and so is whoever vouched: it ends in that moment, not a second later.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::key_scopes::{KeyRights, KeyScope, KeyScopes};
use super::orgs::SignaturePolicy;
use super::stage::KeyStage;
use super::{Identity, Partner};
use crate::crypto::session_token::PortalToken;
use crate::ids::{KeyId, OrgId};

/// What a viewer does.
const READS: &[KeyScope] = &[
    KeyScope::OrgRead,
    KeyScope::TenantKeysRead,
    KeyScope::SigningSecretsRead,
    KeyScope::QueuesRead,
    KeyScope::EventsRead,
    KeyScope::PublicKeysRead,
    KeyScope::AuditRead,
    KeyScope::ReportsRead,
];
/// And a developer.
const TRIES: &[KeyScope] = &[KeyScope::QueuesWrite, KeyScope::EventsWrite, KeyScope::ReportsWrite];
/// And an admin.
const CHANGES: &[KeyScope] =
    &[KeyScope::TenantKeysWrite, KeyScope::SigningSecretsWrite, KeyScope::PublicKeysWrite];

/// What a person may do in the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PortalRole)]
pub enum Role {
    /// See everything, but no secret.
    Viewer,
    /// And test queues, replay events and ask for reports.
    Developer,
    /// And change keys, secrets, public keys and queues.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Developer, Self::Admin];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The scopes that a role cannot do without: who gives it away must have them.
    #[must_use]
    pub fn needs(self) -> KeyScopes {
        let of = |role, scopes: &'static [KeyScope]| if self >= role { scopes } else { &[] };
        let scopes = [READS, of(Self::Developer, TRIES), of(Self::Admin, CHANGES)];
        scopes.into_iter().flatten().copied().collect()
    }

    /// The scopes that a session of this role gets from whoever makes it. An admin gets all of theirs: a key that is
    /// made in the portal can be what a key is that they make themselves.
    #[must_use]
    pub fn granted(self, by: KeyScopes) -> KeyScopes {
        if self == Self::Admin { by } else { self.needs() }
    }
}

/// Who sits in front of an org's pages.
#[derive(Clone, Debug)]
pub enum Sitter {
    /// A person, in the words of whoever made the session.
    Person(Arc<str>),
    /// Somebody of the platform's, with this platform token.
    Platform(Uuid),
}

/// A request of a session's, on its way to an operation of the API. As an extension of a request it takes the place of
/// credentials; nobody can send one.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The session.
    pub session_id: Uuid,
    /// Who sits there.
    pub sitter: Sitter,
    /// The partner that the session acts for, as the credential that it was asked for with stands now.
    pub partner: Partner,
    /// The org's administration is frozen for whoever sits there.
    pub is_frozen: bool,
    /// Which of the org's requests must be signed,
    pub policy: SignaturePolicy,
    /// and whether the session was asked for by one that was.
    pub is_signed: bool,
}

impl Visit {
    /// Somebody of the platform's, for an org. The platform decides over every org: neither its freeze nor its signature
    /// policy binds it, only what `scopes` say.
    #[must_use]
    pub fn of_platform((session_id, token_id): (Uuid, Uuid), org_id: OrgId, scopes: KeyScopes) -> Self {
        let stage = KeyStage::Current;
        Self {
            session_id,
            sitter: Sitter::Platform(token_id),
            partner: Partner { org_id, key_id: None, stage, scopes, signed_by: None, token_key: None },
            is_frozen: false,
            policy: SignaturePolicy::Optional,
            is_signed: true,
        }
    }
}

/// Somebody in front of an org's pages.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// What its requests carry.
    pub visit: Visit,
    /// What it may do.
    pub role: Role,
    /// For the page's head.
    pub name: String,
    /// The org's name for people.
    pub org_name: String,
    /// The org's public name.
    pub org_key: String,
    /// The org's administration is frozen, for its own people.
    pub is_frozen: bool,
    /// The org is not served.
    pub is_suspended: bool,
    /// Where it came from, and may go back to.
    pub return_url: Option<String>,
    /// The session's end.
    pub expires_at: DateTime<Utc>,
}

impl Identity {
    /// The person with this cookie, while the session, its org and the credential that it was asked for with live.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn visitor(&self, token: &PortalToken) -> Result<Option<Visitor>, sqlx::Error> {
        let digests = self.keyring.digests(token);
        let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        let row = sqlx::query!(
            r#"
            SELECT s.org_id AS "org_id: OrgId", s.id, s.role, s.actor_id, s.actor_email, s.return_url, s.scopes,
                   s.is_signed, s.key_id AS "key_id: KeyId", s.public_key_id, s.expires_at, o.name, o.key,
                   o.frozen_at IS NOT NULL AS "is_frozen!", o.signature_policy, k.scopes AS "key_scopes?",
                   k.scope_policy AS "key_scope_policy?", k.rotated_at IS NOT NULL AS "is_superseded!",
                   k.pending_of IS NOT NULL AS "is_pending!",
                   coalesce(k.leak_response <> 'notify', false) AS "is_leaked!"
            FROM portal_sessions s
            JOIN orgs o ON o.id = s.org_id
            LEFT JOIN tenant_keys k ON k.org_id = s.org_id AND k.id = s.key_id
            LEFT JOIN public_keys p ON p.org_id = s.org_id AND p.unique_id = s.public_key_id
            WHERE s.token_digest = ANY ($1::bytea[]) AND s.ended_at IS NULL AND s.expires_at > $2
                AND o.suspended_at IS NULL
                AND (s.key_id IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL
                                          AND (k.expires_at IS NULL OR k.expires_at > $2)))
                AND (s.public_key_id IS NULL OR (p.unique_id IS NOT NULL AND p.deleted_at IS NULL
                                                 AND p.expires_at > $2))
            "#,
            &digests as &[&[u8]],
            self.clock.now(),
        )
        .fetch_optional(&self.db.lookups)
        .await?;
        Ok(row.and_then(|row| {
            let own = KeyScopes::stored(&row.scopes);
            let scopes = match (&row.key_scopes, &row.key_scope_policy) {
                (Some(scopes), Some(policy)) => own.shared(KeyRights::stored(scopes, policy).granted()),
                _ => own,
            };
            let partner = Partner {
                org_id: row.org_id,
                key_id: row.key_id,
                stage: KeyStage::of(row.is_superseded, row.is_pending, row.is_leaked),
                scopes,
                signed_by: None,
                token_key: row.public_key_id,
            };
            let name = row.actor_email.unwrap_or_else(|| row.actor_id.clone());
            let visit = Visit {
                session_id: row.id,
                sitter: Sitter::Person(row.actor_id.into()),
                partner,
                is_frozen: row.is_frozen,
                policy: SignaturePolicy::stored(&row.signature_policy),
                is_signed: row.is_signed,
            };
            Some(Visitor {
                visit,
                role: Role::parse(&row.role)?,
                name,
                org_name: row.name,
                org_key: row.key,
                is_frozen: row.is_frozen,
                is_suspended: false,
                return_url: row.return_url,
                expires_at: row.expires_at,
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_one_below_it_may() {
        let [viewer, developer, admin] = Role::ALL.map(Role::needs);
        assert!(admin.covers(developer) && developer.covers(viewer));
        assert!(!viewer.covers(developer) && !developer.covers(admin));
        assert!(viewer.names().all(|name| name.ends_with(":read")));
        assert!(!admin.has(KeyScope::UsersRead) && !admin.has(KeyScope::TokensWrite));
    }

    #[test]
    fn an_admin_gets_what_its_maker_has_and_others_their_roles_own() {
        assert_eq!(Role::Admin.granted(KeyScopes::ALL), KeyScopes::ALL);
        assert_eq!(Role::Viewer.granted(KeyScopes::ALL), Role::Viewer.needs());
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("owner"), None);
    }
}
