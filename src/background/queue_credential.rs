//! Notes in the audit log that a queue's own credential is about to end: there is no event for it,
//! because the queue that would carry it is the one that is about to close.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::changes::{Changeable, Mandate, OrgState, change, snapshot};
use crate::error::ApiError;
use crate::ids::OrgId;
use crate::state::App;

/// Days before the end at which it is noted, the nearest first; at 0 it has ended.
const STEPS: [i16; 4] = [0, 1, 7, 30];

/// Notes one end that is due: gives the org, the queue's stream and how many days are left at most.
/// `None` if there is none.
///
/// # Errors
/// When the database cannot be asked, or the org was deleted at this moment.
pub async fn note_one(app: &App) -> Result<Option<(OrgId, String, i16)>, ApiError> {
    let due = sqlx::query!(
        r#"
        SELECT org_id AS "org_id: OrgId", stream
        FROM (
            SELECT *, (CASE WHEN expires_at <= $1 THEN 0
                            WHEN expires_at <= $1 + interval '1 day' THEN 1
                            WHEN expires_at <= $1 + interval '7 days' THEN 7 ELSE 30 END)::smallint AS step
            FROM event_queues WHERE expires_at <= $1 + interval '30 days'
        ) AS ending
        WHERE expiry_told IS NULL OR expiry_told > step
        LIMIT 1
        "#,
        app.clock.now(),
    )
    .fetch_optional(&app.db.pool)
    .await?;
    let Some(due) = due else { return Ok(None) };
    let credential = Credential { stream: due.stream.clone() };
    let mandate = Mandate::service(due.org_id, &app.keyring);
    let noted =
        mandate.change(&app.clock, credential, |seen: &Ending| Ok(seen.due())).execute(&app.db).await?;
    Ok(noted.map(|step| (due.org_id, due.stream, step)))
}

/// The credential of a stream's queue.
struct Credential {
    stream: String,
}

/// The end of a queue's credential, and what was noted of it.
struct Ending {
    org: OrgState,
    expires_at: Option<DateTime<Utc>>,
    /// The step that was noted last.
    noted: Option<i16>,
}

impl Ending {
    /// The step to be noted, if one is.
    fn due(&self) -> Option<i16> {
        let left = self.expires_at? - self.org.now;
        let step = STEPS.into_iter().find(|days| left <= TimeDelta::days(i64::from(*days)))?;
        self.noted.is_none_or(|noted| noted > step).then_some(step)
    }
}

impl Changeable for Credential {
    type Snapshot = Ending;
    type Plan = i16;
    type Done = Option<i16>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Ending>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = "q.expires_at, q.expiry_told",
            from = "LEFT JOIN event_queues q ON q.org_id = o.id AND q.stream = given.stream",
            { "stream": "text" = &self.stream }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        let row = rows.into_iter().next();
        Ok(row.map(|row| Ending { org, expires_at: row.expires_at, noted: row.expiry_told }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Ending,
        step: i16,
    ) -> Result<Option<Option<i16>>, ApiError> {
        let action = if step == 0 { "queue.credential_expired" } else { "queue.credential_expiring" };
        let happened = change!(
            db,
            &mandate.entry(seen.org, action, &self.stream),
            writes = "noted AS (
                UPDATE event_queues q SET expiry_told = change.step
                FROM change WHERE q.org_id = change.org_id AND q.stream = change.subject
            )",
            { "step": "smallint" = step }
        )?;
        Ok(happened.then_some(Some(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::audit_chain::Head;

    #[test]
    fn each_step_is_noted_once_and_only_the_nearest_one() {
        let due = |hours: i64, noted| {
            let org = OrgState::new(Head::default(), DateTime::UNIX_EPOCH);
            let expires_at = Some(DateTime::UNIX_EPOCH + TimeDelta::hours(hours));
            Ending { org, expires_at, noted }.due()
        };
        assert_eq!((due(30 * 24, None), due(30 * 24 + 1, None)), (Some(30), None));
        assert_eq!((due(30 * 24, Some(30)), due(7 * 24, Some(30))), (None, Some(7)));
        assert_eq!((due(24, Some(7)), due(24, Some(1)), due(0, Some(1))), (Some(1), None, Some(0)));
        assert_eq!((due(-1, None), due(-1, Some(0))), (Some(0), None));
    }
}
