//! The SQL of the portal's links and sessions.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::input::CreatePortalSession;
use crate::changes::{Changeable, Mandate, OrgState, change, snapshot};
use crate::crypto::keyring::KeyDigest;
use crate::db::Db;
use crate::error::ApiError;
use crate::identity::key_scopes::KeyScopes;
use crate::ids::{KeyId, OrgId};

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The id, of the link and of the session.
    pub id: Uuid,
    /// Of the link's token.
    pub link_digest: KeyDigest,
    /// Until when it may be opened.
    pub link_expires_at: DateTime<Utc>,
    /// The tenant key, or else
    pub key_id: Option<KeyId>,
    /// the public key that it was asked for with.
    pub public_key_id: Option<Uuid>,
    /// It was asked for by a signed request, or by the platform.
    pub is_signed: bool,
    /// For whom.
    pub wanted: CreatePortalSession,
}

/// An org's links, to which one is added.
pub struct PortalSessions {
    /// The one.
    pub new: NewSession,
}

/// An org, and how much of its portal is open.
pub struct Seen {
    /// The org at one revision.
    pub org: OrgState,
    /// Links and sessions that live.
    pub open: i64,
}

impl Changeable for PortalSessions {
    type Snapshot = Seen;
    /// What the session may do.
    type Plan = KeyScopes;
    type Done = ();

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Seen>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"(SELECT count(*) FROM portal_sessions s
                          WHERE s.org_id = o.id AND s.ended_at IS NULL AND s.expires_at > given.now) AS "open!""#,
            from = "",
            {}
        )?;
        Ok(loaded.and_then(|(org, rows)| Some(Seen { org, open: rows.first()?.open })))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Seen,
        scopes: KeyScopes,
    ) -> Result<Option<()>, ApiError> {
        let NewSession { id, link_digest, link_expires_at, key_id, public_key_id, is_signed, wanted } =
            &self.new;
        let scopes: Vec<String> = scopes.names().map(str::to_owned).collect();
        let happened = change!(
            db,
            &mandate.entry(seen.org, "portal_session.created", id),
            writes = "made AS (
                INSERT INTO portal_sessions (org_id, id, link_digest, link_expires_at, expires_at, role, actor_id,
                                             actor_email, return_url, scopes, key_id, public_key_id, is_signed,
                                             created_at)
                SELECT org_id, session_id, link_digest, link_expires_at, link_expires_at, role, visitor, actor_email,
                       return_url, scopes, key_id, public_key_id, is_signed, at
                FROM change
            )",
            {
                "session_id": "uuid" = id,
                "link_digest": "bytea" = &link_digest[..],
                "link_expires_at": "timestamptz" = link_expires_at,
                "role": "text" = wanted.role.name(),
                "visitor": "text" = &wanted.actor.id,
                "actor_email": "text" = wanted.actor.email.as_deref(),
                "return_url": "text" = wanted.return_url.as_deref(),
                "scopes": "text[]" = &scopes,
                "key_id": "uuid" = key_id.map(|id| id.0),
                "public_key_id": "uuid" = *public_key_id,
                "is_signed": "boolean" = *is_signed,
            }
        )?;
        Ok(happened.then_some(()))
    }
}

/// A link that may be opened.
#[derive(Clone, Debug)]
pub struct Link {
    /// The tenant.
    pub org_id: OrgId,
    /// The id, of the link and of the session.
    pub id: Uuid,
    /// The person.
    pub actor_id: String,
}

/// The link with one of these digests, while it may be opened.
pub async fn find_link(
    db: impl PgExecutor<'_>,
    digests: &[KeyDigest],
    now: DateTime<Utc>,
) -> Result<Option<Link>, sqlx::Error> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    sqlx::query_as!(
        Link,
        r#"SELECT org_id AS "org_id: OrgId", id, actor_id FROM portal_sessions
           WHERE link_digest = ANY ($1::bytea[]) AND opened_at IS NULL AND ended_at IS NULL
               AND link_expires_at > $2"#,
        &digests as &[&[u8]],
        now,
    )
    .fetch_optional(db)
    .await
}

/// A link on its way to be a session.
pub struct Opening {
    /// The id.
    pub id: Uuid,
    /// Of the session's token.
    pub token_digest: KeyDigest,
    /// The session's end.
    pub expires_at: DateTime<Utc>,
}

/// An org, and how a link of its stands.
pub struct SeenLink {
    org: OrgState,
    /// It was not opened, and its time is not over.
    pub may_be_opened: bool,
}

impl Changeable for Opening {
    type Snapshot = SeenLink;
    type Plan = ();
    /// Whether it was opened.
    type Done = bool;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<SeenLink>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"coalesce(s.opened_at IS NULL AND s.ended_at IS NULL AND s.link_expires_at > given.now, false)
                         AS "may_be_opened!""#,
            from = "LEFT JOIN portal_sessions s ON s.org_id = o.id AND s.id = given.session_id",
            { "session_id": "uuid" = self.id }
        )?;
        Ok(loaded.and_then(|(org, rows)| Some(SeenLink { org, may_be_opened: rows.first()?.may_be_opened })))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &SeenLink,
        (): (),
    ) -> Result<Option<bool>, ApiError> {
        let happened = change!(
            db,
            &mandate.entry(seen.org, "portal_session.opened", self.id),
            writes = "opened AS (
                UPDATE portal_sessions s
                SET opened_at = change.at, token_digest = change.token_digest, expires_at = change.ends_at
                FROM change WHERE s.org_id = change.org_id AND s.id = change.session_id
            )",
            {
                "session_id": "uuid" = self.id,
                "token_digest": "bytea" = &self.token_digest[..],
                "ends_at": "timestamptz" = self.expires_at,
            }
        )?;
        Ok(happened.then_some(true))
    }
}

/// Ends a session.
pub async fn end(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE portal_sessions SET ended_at = $3 WHERE org_id = $1 AND id = $2 AND ended_at IS NULL",
        org_id.0,
        id,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has a session live by a key's successor, which its person has put in the key's place.
pub async fn follow(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    id: Uuid,
    (from, to): (KeyId, KeyId),
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE portal_sessions SET key_id = $4 WHERE org_id = $1 AND id = $2 AND key_id = $3",
        org_id.0,
        id,
        from.0,
        to.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets sessions whose time was over before; gives how many, up to `limit`.
pub async fn forget_old(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM portal_sessions WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM portal_sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(forgotten.rows_affected())
}
