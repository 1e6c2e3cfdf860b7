//! Telling an org, on the other stream, that a queue of its does not work any more, and that it works again (contract
//! 14): each once an outage. What is to be told stands in the queue's row, so that no restart forgets it, and changes
//! with the event, so that of any number of replicas one tells it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::rounds::{tell, ticks};
use crate::changes::{Changeable, Mandate, OrgState, change, snapshot};
use crate::error::{ApiError, Code};
use crate::events::{EventType, StreamName, Subject};
use crate::ids::OrgId;
use crate::outbox::DEAD_AFTER;
use crate::state::App;

const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Queues that a look tells of; the rest come with the next one.
const BATCH: i64 = 500;

/// Looks for as long as the process lives.
pub async fn run(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        tell(step(&app).await, "what happened to queues could not be told");
    }
}

/// Tells of all queues that have something to be told; gives how many events were written.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, ApiError> {
    let mut told = 0;
    for (org_id, stream) in due(app).await? {
        let mandate = Mandate::service(org_id, &app.keyring);
        let alert = Alert { stream: stream.clone() };
        let change = mandate.change(&app.clock, alert, |seen: &Outage| Ok(seen.due()));
        match change.execute(&app.db).await {
            Ok(Some(kind)) => {
                tracing::info!(%org_id, %stream, event = kind.name(), "a queue's owner is told");
                app.outbox.wake(org_id, stream.told_on());
                told += 1;
            }
            Ok(None) => {}
            // The org was deleted at this moment.
            Err(ApiError::Failed(failure)) if failure.code == Code::Forbidden => {}
            Err(error) => return Err(error),
        }
    }
    Ok(told)
}

/// The queues that have something to be told. One that stands still until it is resumed has nothing.
async fn due(app: &App) -> Result<Vec<(OrgId, StreamName)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT org_id AS "org_id: OrgId", stream FROM event_queues
        WHERE ((failures >= 20 AND failing_since IS NULL) OR (failures = 0 AND failing_since IS NOT NULL))
            AND paused_at IS NULL
        ORDER BY org_id, stream LIMIT $1
        "#,
        BATCH,
    )
    .fetch_all(&app.db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.org_id, StreamName::stored(&row.stream))).collect())
}

/// What an org is to be told of a queue.
struct Alert {
    stream: StreamName,
}

/// How a queue does, and what was told of it.
struct Outage {
    org: OrgState,
    /// `None` where there is no queue any more, or it stands still.
    failures: Option<i32>,
    failing_since: Option<DateTime<Utc>>,
    last_error: Option<String>,
}

impl Outage {
    /// The event that is due, if one is.
    fn due(&self) -> Option<EventType> {
        match (self.failures?, self.failing_since) {
            (DEAD_AFTER.., None) => Some(EventType::QueueFailing),
            (0, Some(_)) => Some(EventType::QueueRecovered),
            _ => None,
        }
    }
}

impl Changeable for Alert {
    type Snapshot = Outage;
    type Plan = EventType;
    type Done = Option<EventType>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Outage>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"q.failures AS "failures?", q.failing_since, tried.last_error AS "last_error?""#,
            from = "LEFT JOIN event_queues q ON q.org_id = o.id AND q.stream = given.stream AND q.paused_at IS NULL
                LEFT JOIN LATERAL (
                    SELECT e.last_error FROM events e, given g
                    WHERE e.org_id = g.org_id AND e.stream = g.stream AND e.state = 'pending' AND e.attempts > 0
                    ORDER BY e.next_attempt_at DESC, e.seq DESC LIMIT 1
                ) AS tried ON true",
            { "stream": "text" = self.stream.as_str() }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        Ok(rows.into_iter().next().map(|row| Outage {
            org,
            failures: row.failures,
            failing_since: row.failing_since,
            last_error: row.last_error,
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Outage,
        kind: EventType,
    ) -> Result<Option<Option<EventType>>, ApiError> {
        let is_failing = kind == EventType::QueueFailing;
        let subject = Subject::QueueHealth {
            queue_name: self.stream.clone(),
            since: seen.failing_since.unwrap_or(seen.org.now),
            last_error: seen.last_error.clone().filter(|_| is_failing),
        };
        let event = mandate.draft(seen.org, kind, &subject).on(self.stream.told_on());
        let happened = change!(
            db,
            &mandate.entry(seen.org, kind.name(), &self.stream),
            event = Some(&event),
            version = "seq",
            writes = "told AS (
                UPDATE event_queues q SET failing_since = CASE WHEN change.is_failing THEN change.at END
                FROM change WHERE q.org_id = change.org_id AND q.stream = change.queue
            )",
            { "queue": "text" = self.stream.as_str(), "is_failing": "boolean" = is_failing }
        )?;
        Ok(happened.then_some(Some(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::audit_chain::Head;

    #[test]
    fn an_outage_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let due = |failures, is_told: bool| {
            let org = OrgState::new(Head::default(), DateTime::UNIX_EPOCH);
            let failing_since = is_told.then_some(DateTime::UNIX_EPOCH);
            Outage { org, failures, failing_since, last_error: None }.due()
        };
        assert_eq!((due(Some(19), false), due(Some(20), false)), (None, Some(EventType::QueueFailing)));
        assert_eq!((due(Some(20), true), due(Some(400), true), due(Some(1), true)), (None, None, None));
        assert_eq!((due(Some(0), true), due(Some(0), false)), (Some(EventType::QueueRecovered), None));
        assert_eq!((due(None, true), due(None, false)), (None, None), "it is gone or stands still");
    }
}
