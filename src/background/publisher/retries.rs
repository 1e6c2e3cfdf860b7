//! Waking what waits for its retry, once its queue was put in place, proven or resumed: in slices,
//! because a queue may have very many that wait, and by a mark in the database, so that no crash
//! forgets the rest.

use chrono::{DateTime, Utc};

use crate::db::Db;
use crate::ids::OrgId;
use crate::outbox::QueueId;
use crate::state::App;

/// Queues that a statement looks at.
const QUEUES: i64 = 32;
/// Events that a statement wakes of each.
const SLICE: i64 = 1_000;

/// The queues and events that were woken.
#[derive(Debug, Default)]
pub struct Woken {
    /// The queues of those events.
    pub queues: Vec<QueueId>,
    /// There are more.
    pub is_behind: bool,
}

/// The statement of [`wake`]. `queue`, `events` and `cleared` are what it says of one queue besides, of each table.
macro_rules! wake {
    (queue = $queue:tt, events = $events:tt, cleared = $cleared:tt, $($value:expr),+) => {
        sqlx::query_as!(
            WokenQueue,
            r#"
        WITH queue AS (
            SELECT org_id, stream FROM event_queues WHERE is_woken"# + $queue + r#"
            ORDER BY org_id, stream LIMIT $2 FOR UPDATE SKIP LOCKED
        ),
        waiting AS (
            SELECT queue.org_id, queue.stream, event.id FROM queue
            CROSS JOIN LATERAL (
                SELECT id FROM events e
                WHERE e.org_id = queue.org_id AND e.stream = queue.stream
                    AND e.state = 'pending' AND e.attempts > 0 AND e.next_attempt_at > $1 AND e.lease IS NULL"# + $events + r#"
                ORDER BY e.next_attempt_at, e.seq
                LIMIT $3
                FOR UPDATE SKIP LOCKED
            ) AS event
        ),
        woken AS (
            UPDATE events e SET next_attempt_at = $1
            FROM waiting WHERE e.org_id = waiting.org_id AND e.id = waiting.id"# + $events + r#"
        ),
        counted AS (
            SELECT queue.org_id, queue.stream, count(waiting.id) AS events
            FROM queue LEFT JOIN waiting USING (org_id, stream) GROUP BY queue.org_id, queue.stream
        ),
        cleared AS (
            UPDATE event_queues q SET is_woken = false
            FROM counted c WHERE q.org_id = c.org_id AND q.stream = c.stream AND c.events < $3"# + $cleared + r#"
        )
        SELECT org_id AS "org_id: OrgId", stream, events AS "events!" FROM counted
        "#,
            $($value),+
        )
    };
}

struct WokenQueue {
    org_id: OrgId,
    stream: String,
    events: i64,
}

/// Makes a slice of each marked queue's waiting events due now, and clears the mark with the last.
///
/// # Errors
/// When the database cannot be asked.
pub async fn wake(app: &App) -> Result<Woken, sqlx::Error> {
    let now = app.clock.now();
    let rows = if app.db.is_distributed().await? {
        wake_one_by_one(&app.db, now).await?
    } else {
        wake!(queue = "", events = "", cleared = "", now, QUEUES, SLICE).fetch_all(&app.db.pool).await?
    };
    let is_behind = rows.len() as i64 == QUEUES || rows.iter().any(|row| row.events == SLICE);
    let queues = rows.into_iter().map(|row| QueueId { org_id: row.org_id, stream: row.stream.into() });
    Ok(Woken { queues: queues.collect(), is_behind })
}

/// In a distributed database: rows can be locked by statements for one org alone, which go to its worker whole.
async fn wake_one_by_one(db: &Db, now: DateTime<Utc>) -> Result<Vec<WokenQueue>, sqlx::Error> {
    let marked = sqlx::query!(
        "SELECT org_id, stream FROM event_queues WHERE is_woken ORDER BY org_id, stream LIMIT $1",
        QUEUES
    );
    let mut woken = Vec::new();
    for queue in marked.fetch_all(&db.pool).await? {
        let of_one = wake!(
            queue = " AND org_id = $4 AND stream = $5",
            events = " AND e.org_id = $4",
            cleared = " AND q.org_id = $4",
            now,
            QUEUES,
            SLICE,
            queue.org_id,
            queue.stream
        );
        woken.extend(of_one.fetch_all(&db.pool).await?);
    }
    Ok(woken)
}
