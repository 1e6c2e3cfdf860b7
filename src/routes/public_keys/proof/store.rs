//! The SQL of challenges and proofs.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::challenge::{Expected, NewChallenge};
use super::rules::{ChallengedOrg, ProofPlan, ProvableKey, TRIES};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::error::ApiError;
use crate::events::{EventType, Subject};
use crate::ids::OrgId;
use crate::routes::public_keys::store::Usable;
use crate::routes::public_keys::usage::Usage;

/// A key and its newest challenge, as a change is made to them.
#[derive(Clone, Copy, Debug)]
pub struct ChallengedKey {
    /// The key.
    pub unique_id: Option<Uuid>,
}

impl Changeable for ChallengedKey {
    type Snapshot = ChallengedOrg;
    type Plan = ProofPlan;
    /// Until when the challenge can be answered, or when the key was proven.
    type Done = DateTime<Utc>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<ChallengedOrg>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                k.unique_id AS "unique_id?", k.type AS "kind?", k.public_key AS "public_key?",
                k.fingerprint AS "fingerprint?", k.usages AS "usages?", k.sealed IS NOT NULL AS "is_ours!",
                k.expires_at AS "expires_at?", k.deleted_at, h.challenge_id AS "challenge_id?", h.proven_at"#,
            from = "LEFT JOIN public_keys k ON k.org_id = o.id AND k.unique_id = given.unique_id
                LEFT JOIN public_key_challenges h ON h.org_id = o.id AND h.unique_id = k.unique_id",
            { "unique_id": "uuid" = self.unique_id }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        let key = rows.into_iter().next().and_then(|row| {
            let (unique_id, kind) = (row.unique_id?, row.kind?);
            let (public_key, fingerprint) = (row.public_key?, row.fingerprint?);
            Some(ProvableKey {
                row: Usable { unique_id, kind, public_key, fingerprint },
                usages: row.usages?.iter().filter_map(|name| Usage::parse(name)).collect(),
                is_ours: row.is_ours,
                expires_at: row.expires_at?,
                deleted_at: row.deleted_at,
                challenge: row.challenge_id.map(|id| (id, row.proven_at)),
            })
        });
        Ok(Some(ChallengedOrg { org, key }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &ChallengedOrg,
        plan: ProofPlan,
    ) -> Result<Option<DateTime<Utc>>, ApiError> {
        let Some(unique_id) = self.unique_id else { return Err(ApiError::internal("a plan for no key")) };
        let (happened, then) = match plan {
            ProofPlan::Ask(new) => (ask(db, mandate, seen, unique_id, &new).await?, new.expires_at),
            ProofPlan::Prove { challenge_id, at, expires_at } => {
                let subject = Subject::PublicKey { unique_id, expires_at };
                (prove(db, mandate, seen, (unique_id, challenge_id, at), &subject).await?, at)
            }
            ProofPlan::Known(at) => (true, at),
        };
        Ok(happened.then_some(then))
    }
}

async fn ask(
    db: &mut PgConnection,
    mandate: &Mandate,
    seen: &ChallengedOrg,
    unique_id: Uuid,
    new: &NewChallenge,
) -> Result<bool, sqlx::Error> {
    let (answer, text) = match &new.expected {
        Expected::Answer(digest) => (Some(&digest[..]), None),
        Expected::SignatureOf(text) => (None, Some(text.as_str())),
    };
    change!(
        db,
        &mandate.entry(seen.org, "public_key.challenged", unique_id),
        writes = "asked AS (
            INSERT INTO public_key_challenges AS h (org_id, unique_id, challenge_id, answer, text, expires_at)
            SELECT org_id, unique_id, challenge_id, answer, text, expires_at FROM change
            ON CONFLICT ON CONSTRAINT public_key_challenges_pkey DO UPDATE
                SET challenge_id = excluded.challenge_id, answer = excluded.answer, text = excluded.text, tries = 0,
                    expires_at = excluded.expires_at, proven_at = NULL
        )",
        {
            "unique_id": "uuid" = unique_id,
            "challenge_id": "uuid" = new.challenge_id,
            "answer": "bytea" = answer,
            "text": "text" = text,
            "expires_at": "timestamptz" = new.expires_at,
        }
    )
}

async fn prove(
    db: &mut PgConnection,
    mandate: &Mandate,
    seen: &ChallengedOrg,
    (unique_id, challenge_id, at): (Uuid, Uuid, DateTime<Utc>),
    subject: &Subject,
) -> Result<bool, sqlx::Error> {
    let kind = EventType::PublicKeyProven;
    change!(
        db,
        &mandate.entry(seen.org, kind.name(), unique_id),
        event = Some(&mandate.draft(seen.org, kind, subject)),
        version = "coalesce((SELECT version FROM proven), 1)",
        writes = "used_up AS (
                UPDATE public_key_challenges h SET proven_at = change.proven_at
                FROM change WHERE h.org_id = change.org_id AND h.unique_id = change.unique_id
                    AND h.challenge_id = change.challenge_id
            ),
            proven AS (
                UPDATE public_keys k SET proven_at = change.proven_at, version = k.version + 1
                FROM change WHERE k.org_id = change.org_id AND k.unique_id = change.unique_id
                RETURNING k.version
            )",
        // What verifies signatures is remembered with the org.
        announce = "SELECT format('org %s', org_id) FROM change",
        {
            "unique_id": "uuid" = unique_id,
            "challenge_id": "uuid" = challenge_id,
            "proven_at": "timestamptz" = at,
        }
    )
}

/// A challenge of which a try was taken.
#[derive(Debug)]
pub struct Asked {
    /// The challenge.
    pub challenge_id: Uuid,
    /// What answers it.
    pub expected: Expected,
    /// Tries that are left after this one.
    pub tries_left: i16,
}

/// Takes one of the tries of a key's challenge; `None` where there is none to take. One that was answered has no
/// more to lose.
pub async fn take_try(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    unique_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Asked>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        UPDATE public_key_challenges SET tries = least(tries + 1, $4)::smallint
        WHERE org_id = $1 AND unique_id = $2 AND expires_at > $3 AND (tries < $4 OR proven_at IS NOT NULL)
        RETURNING challenge_id, answer, text, tries
        "#,
        org_id.0,
        unique_id,
        now,
        TRIES,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        let expected = match (row.answer, row.text) {
            (Some(digest), _) => Expected::Answer(digest.try_into().ok()?),
            (None, text) => Expected::SignatureOf(text?),
        };
        Some(Asked { challenge_id: row.challenge_id, expected, tries_left: TRIES - row.tries })
    }))
}

/// Forgets some of the challenges that have expired; gives how many.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_old(db: impl PgExecutor<'_>, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM public_key_challenges WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM public_key_challenges WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        now,
        limit,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
