//! The SQL of claims.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::changes::{Changeable, Mandate, OrgState, change, snapshot};
use crate::crypto::keyring::KeyDigest;
use crate::db::Db;
use crate::error::ApiError;
use crate::events::{EventType, Subject};
use crate::ids::OrgId;

/// A claim as it was made.
#[derive(Clone, Copy, Debug)]
pub struct StoredClaim {
    /// The tenant.
    pub org_id: OrgId,
    /// The id.
    pub id: Uuid,
    /// The instant when it was opened.
    pub opened_at: Option<DateTime<Utc>>,
}

/// Stores a new claim.
pub async fn insert(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    (id, digest): (Uuid, &KeyDigest),
    (created_at, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO claims (org_id, id, digest, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        org_id.0,
        id,
        &digest[..],
        created_at,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The claim with one of these digests, whose time is not over; nobody else opens it until the transaction ends.
pub async fn lock(
    db: impl PgExecutor<'_>,
    digests: &[KeyDigest],
) -> Result<Option<(StoredClaim, DateTime<Utc>)>, sqlx::Error> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    let row = sqlx::query!(
        r#"SELECT org_id AS "org_id: OrgId", id, opened_at, expires_at FROM claims
           WHERE digest = ANY ($1::bytea[]) FOR UPDATE"#,
        &digests as &[&[u8]],
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        (StoredClaim { org_id: row.org_id, id: row.id, opened_at: row.opened_at }, row.expires_at)
    }))
}

/// Writes down that a claim is open.
pub async fn open(
    db: impl PgExecutor<'_>,
    claim: StoredClaim,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE claims SET opened_at = $3 WHERE org_id = $1 AND id = $2",
        claim.org_id.0,
        claim.id,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A claim that was opened, and that somebody tries to open again.
pub struct Reopening {
    /// The claim.
    pub claim: StoredClaim,
    /// The instant when it was opened.
    pub opened_at: DateTime<Utc>,
}

/// An org, and whether it was told of a claim that was tried again.
pub struct Told {
    org: OrgState,
    /// It was.
    pub is_told: bool,
}

impl Changeable for Reopening {
    type Snapshot = Told;
    type Plan = ();
    type Done = ();

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Told>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"c2.reopened_at IS NOT NULL AS "is_told!""#,
            from = "LEFT JOIN claims c2 ON c2.org_id = o.id AND c2.id = given.claim_id",
            { "claim_id": "uuid" = self.claim.id }
        )?;
        Ok(loaded.and_then(|(org, rows)| Some(Told { org, is_told: rows.first()?.is_told })))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Told,
        (): (),
    ) -> Result<Option<()>, ApiError> {
        let (kind, claim_id) = (EventType::ClaimReopened, self.claim.id);
        let subject = Subject::Claim { claim_id, opened_at: self.opened_at };
        let happened = change!(
            db,
            &mandate.entry(seen.org, kind.name(), claim_id),
            event = Some(&mandate.draft(seen.org, kind, &subject)),
            version = "2",
            writes = "told AS (
                UPDATE claims c SET reopened_at = change.at
                FROM change WHERE c.org_id = change.org_id AND c.id = change.claim_id
            )",
            { "claim_id": "uuid" = claim_id }
        )?;
        Ok(happened.then_some(()))
    }
}

/// Forgets claims whose time was over before; gives how many, up to `limit`.
pub async fn forget_old(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM claims WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM claims WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(forgotten.rows_affected())
}
