//! Announces ends that come by themselves (contract 6): `expiring` 30, 7 and 1 days before, only
//! the nearest step, and only where the lifetime was set longer than twice that; `expired` within
//! a minute. A marker in the row moves in the statement that writes the event, so each comes once,
//! however many replicas look.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::queue_credential;
use super::rounds::{tell, ticks};
use crate::db::Db;
use crate::error::ApiError;
use crate::events::{Draft, EventType, Stream, Subject, cut};
use crate::ids::{KeyId, OrgId};
use crate::state::App;

const LOOK_INTERVAL: Duration = Duration::from_secs(20);
/// Rows a statement announces; the rest come with the next one.
const BATCH: i64 = 500;

/// Looks for as long as the process lives.
pub async fn run(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        tell(step(&app).await, "ends could not be announced");
    }
}

/// Announces what is due; gives how many events were written.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, ApiError> {
    let now = app.clock.now();
    let mut written = 0;
    loop {
        let mut announced = tenant_keys(&app.db, now).await?;
        announced.extend(signing_secrets(&app.db, now).await?);
        announced.extend(public_keys(&app.db, now).await?);
        if announced.is_empty() {
            break;
        }
        written += announced.len();
        for (org_id, kind) in announced {
            app.outbox.wake(org_id, Stream::Credentials);
            app.metrics.events.changed(kind);
        }
    }
    while let Some((org_id, stream, days)) = queue_credential::note_one(app).await? {
        tracing::warn!(%org_id, stream, days, "a queue's credential is about to end");
    }
    Ok(written)
}

/// The org and the type of an event that was written.
type Announced = (OrgId, EventType);

/// Events of one kind about many rows, column by column.
#[derive(Default)]
struct Drafts {
    org_ids: Vec<Uuid>,
    subjects: Vec<Uuid>,
    steps: Vec<i16>,
    ids: Vec<Uuid>,
    kinds: Vec<String>,
    heads: Vec<String>,
}

impl Drafts {
    fn push(
        &mut self,
        org_id: OrgId,
        subject_id: Uuid,
        step: i16,
        kind: EventType,
        subject: &Subject,
        now: DateTime<Utc>,
    ) {
        let draft = Draft::new(org_id, kind, subject, now);
        self.org_ids.push(org_id.0);
        self.subjects.push(subject_id);
        self.steps.push(step);
        self.ids.push(draft.id);
        self.kinds.push(kind.name().to_owned());
        self.heads.push(draft.head);
    }
}

/// The keys of a table that are due to be announced: `ending!("keys", "id", "NOT dead", now)` gives
/// org, id, end and step, the days that are left of the nearest one. A step of d days is announced
/// only where the lifetime was set longer than 2 d.
macro_rules! ending {
    ($table:tt, $id:tt, $is_alive:tt, $now:expr) => {
        sqlx::query!(
            "SELECT org_id, " + $id + r#" AS id, expires_at AS "expires_at!", step AS "step!"
            FROM (
                SELECT *, (CASE WHEN expires_at <= $1 THEN 0
                                WHEN expires_at <= $1 + interval '1 day' AND expires_at - expiry_set_at > interval '2 days' THEN 1
                                WHEN expires_at <= $1 + interval '7 days' AND expires_at - expiry_set_at > interval '14 days' THEN 7
                                WHEN expires_at - expiry_set_at > interval '60 days' THEN 30 END)::smallint AS step
                FROM "# + $table + r#"
                WHERE expires_at <= $1 + interval '30 days' AND expiry_told IS DISTINCT FROM 0 AND "# + $is_alive + r#"
            ) AS ending
            WHERE step IS NOT NULL AND (expiry_told IS NULL OR expiry_told > step)
            ORDER BY expires_at LIMIT $2"#,
            $now,
            BATCH,
        )
    };
}

/// Moves the marker of each draft's row and writes its event, in one statement: `announced!(drafts, now,
/// "UPDATE ...")`. The text updates a table `t` as far as `WHERE`, and says who is still meant; not
/// meant is a row that another replica announced, or whose end was moved meanwhile.
macro_rules! announced {
    ($drafts:expr, $now:expr, $update:tt, $is_due:tt) => {
        sqlx::query!(
            // The instant of each step is computed once: what depends on a time zone is in no condition of a row's.
            "WITH draft AS MATERIALIZED (
                SELECT d.*, $7::timestamptz + make_interval(days => d.step) AS until
                FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[])
                     AS d (org_id, subject, step, event_id, type, head)
            ),
            moved AS ("
                + $update
                + ", version = t.version + 1 FROM draft
                WHERE t.org_id = draft.org_id AND t.expires_at <= draft.until AND "
                + $is_due
                + " RETURNING draft.*, t.version
            ),
            told AS (
                INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
                SELECT org_id, event_id, $8, type, head || version || $9, $10, $10 FROM moved
            )
            SELECT org_id AS \"org_id!\", type AS \"kind!\" FROM moved",
            &$drafts.org_ids,
            &$drafts.subjects,
            &$drafts.steps,
            &$drafts.ids,
            &$drafts.kinds,
            &$drafts.heads,
            $now,
            Stream::Credentials.name(),
            Draft::TAIL,
            cut($now),
        )
    };
}

/// Rows of [`announced!`], each query's of a type of its own.
macro_rules! whose {
    ($rows:expr) => {
        $rows.into_iter().filter_map(|row| Some((OrgId(row.org_id), EventType::of(&row.kind)?))).collect()
    };
}

async fn tenant_keys(db: &Db, now: DateTime<Utc>) -> Result<Vec<Announced>, sqlx::Error> {
    let mut drafts = Drafts::default();
    for row in ending!("tenant_keys", "id", "revoked_at IS NULL AND pending_of IS NULL", now)
        .fetch_all(&db.pool)
        .await?
    {
        let kind = if row.step == 0 { EventType::TenantKeyExpired } else { EventType::TenantKeyExpiring };
        let expires_at = Some(row.expires_at);
        let subject = Subject::TenantKey { key_id: KeyId(row.id), previous_key_id: None, expires_at };
        drafts.push(OrgId(row.org_id), row.id, row.step, kind, &subject, now);
    }
    if drafts.ids.is_empty() {
        return Ok(Vec::new());
    }
    let announced = announced!(
        drafts,
        now,
        "UPDATE tenant_keys t SET expiry_told = draft.step",
        "t.id = draft.subject AND t.revoked_at IS NULL AND t.pending_of IS NULL AND (t.expiry_told IS NULL OR t.expiry_told > draft.step)"
    );
    Ok(whose!(announced.fetch_all(&db.pool).await?))
}

async fn public_keys(db: &Db, now: DateTime<Utc>) -> Result<Vec<Announced>, sqlx::Error> {
    let mut drafts = Drafts::default();
    for row in ending!("public_keys", "unique_id", "deleted_at IS NULL", now).fetch_all(&db.pool).await? {
        let kind = if row.step == 0 { EventType::PublicKeyExpired } else { EventType::PublicKeyExpiring };
        let subject = Subject::PublicKey { unique_id: row.id, expires_at: row.expires_at };
        drafts.push(OrgId(row.org_id), row.id, row.step, kind, &subject, now);
    }
    if drafts.ids.is_empty() {
        return Ok(Vec::new());
    }
    let announced = announced!(
        drafts,
        now,
        "UPDATE public_keys t SET expiry_told = draft.step",
        "t.unique_id = draft.subject AND t.deleted_at IS NULL AND (t.expiry_told IS NULL OR t.expiry_told > draft.step)"
    );
    Ok(whose!(announced.fetch_all(&db.pool).await?))
}

/// A dead secret is wiped as well: nothing will be signed with it again.
async fn signing_secrets(db: &Db, now: DateTime<Utc>) -> Result<Vec<Announced>, sqlx::Error> {
    let due = sqlx::query!(
        "SELECT org_id, id FROM signing_secrets
         WHERE expires_at <= $1 AND revoked_at IS NULL AND NOT expiry_told AND pending_of IS NULL ORDER BY expires_at LIMIT $2",
        now,
        BATCH,
    );
    let mut drafts = Drafts::default();
    for row in due.fetch_all(&db.pool).await? {
        let subject =
            Subject::SigningSecret { secret_id: row.id, previous_secret_id: None, expires_at: None };
        drafts.push(OrgId(row.org_id), row.id, 0, EventType::SigningSecretExpired, &subject, now);
    }
    if drafts.ids.is_empty() {
        return Ok(Vec::new());
    }
    let announced = announced!(
        drafts,
        now,
        "UPDATE signing_secrets t SET expiry_told = true, sealed = NULL",
        "t.id = draft.subject AND t.revoked_at IS NULL AND NOT t.expiry_told AND t.pending_of IS NULL"
    );
    Ok(whose!(announced.fetch_all(&db.pool).await?))
}
