//! Reading what a held queue has due. Nothing is written: the queue is ours, and so are its events.

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::{AT_ONCE, QueueId, columns};
use crate::db::Db;
use crate::db::distribution::{by_shard, or_nothing};
use crate::ids::OrgId;

/// An event to deliver.
#[derive(Clone, Debug)]
pub struct DueEvent {
    pub id: Uuid,
    /// Its place in the order of what was never tried.
    pub seq: i64,
    pub kind: String,
    pub body: String,
    pub traceparent: Option<String>,
    pub attempts: i32,
    pub deferrals: i32,
    pub first_attempt_at: Option<DateTime<Utc>>,
    /// Somebody asked for it by name or by its time.
    pub is_replayed: bool,
    /// What it is about, where the queue keeps order.
    pub subject: Option<String>,
}

/// A question for a held queue.
#[derive(Clone, Debug)]
pub struct Question {
    pub queue: QueueId,
    /// Fresh events after this place.
    pub after: i64,
    /// At most so many fresh ones, and so many that are tried again.
    pub room: i64,
    /// The queue keeps order: of these subjects nothing can go now, nor of those that wait for a retry.
    pub busy: Option<Vec<String>>,
    /// To be told what each event is about.
    pub with_subject: bool,
}

/// What a held queue has.
#[derive(Debug)]
pub struct Answer {
    pub queue: QueueId,
    /// When the queue was last put in place; `None` if it is not ours any more, or stands still.
    pub put_at: Option<DateTime<Utc>>,
    /// Tried before, by when they are due.
    pub retried: Vec<DueEvent>,
    /// Never tried, in their order.
    pub fresh: Vec<DueEvent>,
}

/// Subjects that may wait for their retry while others of an ordered queue go on.
pub const MAX_BLOCKED: i64 = 1_000;

/// What [`read`] gets: a question's queue, and an event of it if there is one.
struct DueRow {
    n: i64,
    put_at: Option<DateTime<Utc>>,
    is_fresh: Option<bool>,
    id: Option<Uuid>,
    seq: Option<i64>,
    kind: Option<String>,
    body: Option<String>,
    traceparent: Option<String>,
    attempts: Option<i32>,
    deferrals: Option<i32>,
    first_attempt_at: Option<DateTime<Utc>>,
    is_replayed: Option<bool>,
    subject: Option<String>,
}

/// The statement of [`read`]. `events` and `queues` are what it says of the orgs besides, of each table.
macro_rules! due {
    ($holder:expr, $now:expr, $questions:expr, events = $event:tt, queues = $queue:tt) => {{
        let questions = $questions;
        let (orgs, streams) = columns(questions.iter().map(|question| &question.queue));
        let busy = questions.iter().enumerate().flat_map(|(n, question)| {
            question.busy.iter().flatten().map(move |subject| (n as i64 + 1, subject.clone()))
        });
        let (busy_of, busy): (Vec<_>, Vec<_>) = busy.unzip();
        sqlx::query_as!(
            DueRow,
            r#"
        WITH question AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $11::boolean[])
                WITH ORDINALITY AS q (org_id, stream, after, room, is_ordered, with_subject, n)
        ),
        -- Of an ordered queue: what is on its way, and what waits for a retry.
        busy AS MATERIALIZED (
            SELECT * FROM unnest($6::bigint[], $7::text[]) AS b (n, subject)
            UNION ALL
            SELECT question.n, waiting.subject FROM question CROSS JOIN LATERAL (
                SELECT subject.of_it AS subject
                FROM events e
                CROSS JOIN LATERAL (
                    SELECT coalesce(e.subject, CASE WHEN e.stream IN ('users', 'credentials')
                                                    THEN substring(e.body FROM '"data":\{"[a-z_]+":"([^"]*)"') END) AS of_it
                ) AS subject
                WHERE e.org_id = question.org_id AND e.stream = question.stream AND e.state = 'pending' AND e.attempts > 0
                    AND subject.of_it IS NOT NULL"# + $event + r#"
                LIMIT $8::bigint + 1
            ) AS waiting
            WHERE question.is_ordered
        )
        SELECT question.n AS "n!", queue.updated_at AS "put_at?", due.is_fresh AS "is_fresh?", due.id AS "id?", due.seq AS "seq?",
               due.type AS "kind?", due.body AS "body?", due.traceparent, due.attempts AS "attempts?",
               due.deferrals AS "deferrals?", due.first_attempt_at, due.is_replayed AS "is_replayed?", due.subject
        FROM question
        LEFT JOIN LATERAL (
            SELECT q.updated_at FROM event_queues q
            WHERE q.org_id = question.org_id AND q.stream = question.stream AND q.holder = $9 AND q.paused_at IS NULL"# + $queue + r#" LIMIT 1
        ) AS queue ON true
        LEFT JOIN LATERAL (
            (SELECT false AS is_fresh, e.id, e.seq, e.type, e.body, e.traceparent, e.attempts, e.deferrals, e.first_attempt_at, e.is_replayed,
                    CASE WHEN question.with_subject THEN
                        coalesce(e.subject, CASE WHEN e.stream IN ('users', 'credentials')
                                                 THEN substring(e.body FROM '"data":\{"[a-z_]+":"([^"]*)"') END) END AS subject
             FROM events e
             WHERE e.org_id = question.org_id AND e.stream = question.stream AND e.state = 'pending' AND e.attempts > 0
                 AND e.next_attempt_at <= $10"# + $event + r#"
             ORDER BY e.next_attempt_at, e.seq LIMIT question.room)
            UNION ALL
            (SELECT true, e.id, e.seq, e.type, e.body, e.traceparent, e.attempts, e.deferrals, e.first_attempt_at, e.is_replayed,
                    subject.of_it
             FROM events e
             CROSS JOIN LATERAL (
                 SELECT CASE WHEN question.with_subject THEN
                     coalesce(e.subject, CASE WHEN e.stream IN ('users', 'credentials')
                                              THEN substring(e.body FROM '"data":\{"[a-z_]+":"([^"]*)"') END) END AS of_it
             ) AS subject
             WHERE e.org_id = question.org_id AND e.stream = question.stream AND e.state = 'pending' AND e.attempts = 0
                 AND e.seq > question.after"# + $event + r#"
                 -- A hand-out of a queue that was fetched from until lately, or a version before's claim.
                 AND (e.lease IS NULL OR e.next_attempt_at <= $10)
                 AND (NOT question.is_ordered OR subject.of_it IS NULL
                      OR (question.n, subject.of_it) NOT IN (SELECT n, b.subject FROM busy b)
                         AND (SELECT count(*) FROM busy b WHERE b.n = question.n) <= $8)
             ORDER BY e.seq LIMIT question.room)
        ) AS due ON queue.updated_at IS NOT NULL
        ORDER BY question.n, due.is_fresh, CASE WHEN due.is_fresh THEN due.seq END
        "#,
            &orgs,
            &streams,
            &questions.iter().map(|question| question.after).collect::<Vec<_>>(),
            &questions.iter().map(|question| question.room).collect::<Vec<_>>(),
            &questions.iter().map(|question| question.busy.is_some()).collect::<Vec<_>>(),
            &busy_of,
            &busy,
            MAX_BLOCKED,
            $holder,
            $now,
            &questions.iter().map(|question| question.with_subject).collect::<Vec<_>>(),
        )
    }};
}

/// Reads what queues have due, all in one statement; of distributed tables by one for each shard, which goes to its
/// worker whole.
pub async fn read(
    db: &Db,
    holder: Uuid,
    now: DateTime<Utc>,
    questions: &[Question],
) -> Result<Vec<Answer>, sqlx::Error> {
    if !db.is_distributed().await? {
        let rows = due!(holder, now, questions, events = "", queues = "").fetch_all(&db.pool).await?;
        return Ok(answered(questions, rows));
    }
    let shards =
        by_shard(&db.pool, questions.iter().enumerate(), |(_, question)| question.queue.org_id).await?;
    let asked: Vec<_> = shards.into_iter().map(|questions| read_shard(db, holder, now, questions)).collect();
    let answers = stream::iter(asked).buffered(AT_ONCE).try_collect::<Vec<_>>().await?;
    let mut answers: Vec<_> = answers.into_iter().flatten().collect();
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Answers questions of one shard, each with its place among all.
async fn read_shard(
    db: &Db,
    holder: Uuid,
    now: DateTime<Utc>,
    questions: Vec<(usize, &Question)>,
) -> Result<Vec<(usize, Answer)>, sqlx::Error> {
    let (places, questions): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
    let rows = due!(
        holder,
        now,
        &questions,
        events = " AND e.org_id = ANY ($1::uuid[])",
        queues = " AND q.org_id = ANY ($1::uuid[])"
    );
    // Of a worker that is away: as if they were not ours, until it is back.
    let answers = answered(questions, or_nothing(rows.fetch_all(&db.pool).await)?);
    Ok(places.into_iter().zip(answers).collect())
}

/// Puts rows to the questions that they answer.
fn answered<'q>(questions: impl IntoIterator<Item = &'q Question>, rows: Vec<DueRow>) -> Vec<Answer> {
    let empty = |question: &Question| Answer {
        queue: question.queue.clone(),
        put_at: None,
        retried: Vec::new(),
        fresh: Vec::new(),
    };
    let mut answers: Vec<_> = questions.into_iter().map(empty).collect();
    for row in rows {
        let Some(answer) = answers.get_mut(row.n as usize - 1) else { continue };
        answer.put_at = row.put_at;
        let (Some(id), Some(seq), Some(kind), Some(body)) = (row.id, row.seq, row.kind, row.body) else {
            continue;
        };
        let event = DueEvent {
            id,
            seq,
            kind,
            body,
            traceparent: row.traceparent,
            attempts: row.attempts.unwrap_or_default(),
            deferrals: row.deferrals.unwrap_or_default(),
            first_attempt_at: row.first_attempt_at,
            is_replayed: row.is_replayed.unwrap_or_default(),
            subject: row.subject,
        };
        if row.is_fresh == Some(true) { answer.fresh.push(event) } else { answer.retried.push(event) }
    }
    answers
}

/// A fresh event that lies before the place that its queue was read up to.
#[derive(Debug)]
pub struct Passed {
    pub queue: QueueId,
    pub id: Uuid,
    pub seq: i64,
}

#[derive(Clone)]
struct PassedRow {
    org_id: OrgId,
    stream: String,
    id: Uuid,
    seq: i64,
}

/// The statement of [`passed`]. `events` is what it says of the orgs besides.
macro_rules! passed {
    ($queues:expr, events = $event:tt) => {{
        let queues = $queues;
        let (orgs, streams) = columns(queues.iter().map(|(queue, _)| queue));
        let (ends, limits): (Vec<i64>, Vec<i64>) = queues.iter().map(|(_, question)| *question).unzip();
        sqlx::query_as!(
            PassedRow,
            r#"
            SELECT q.org_id AS "org_id!: OrgId", q.stream AS "stream!", fresh.id AS "id!", fresh.seq AS "seq!"
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS q (org_id, stream, up_to, room)
            CROSS JOIN LATERAL (
                SELECT e.id, e.seq FROM events e
                WHERE e.org_id = q.org_id AND e.stream = q.stream AND e.state = 'pending' AND e.attempts = 0
                    AND e.seq <= q.up_to"#
                + $event
                + r#"
                ORDER BY e.seq LIMIT q.room
            ) AS fresh
            "#,
            &orgs,
            &streams,
            &ends,
            &limits,
        )
    }};
}

/// The first fresh events of queues, of each up to a place and at most so many: those that are on their way, and any
/// whose transaction ended late. Reads over the dead entries of what was delivered, so it is asked seldom.
pub async fn passed(db: &Db, queues: &[(QueueId, (i64, i64))]) -> Result<Vec<Passed>, sqlx::Error> {
    let rows = if db.is_distributed().await? {
        let shards = by_shard(&db.pool, queues, |(queue, _)| queue.org_id).await?;
        let asked: Vec<_> = shards.iter().map(|queues| passed_of_shard(db, queues)).collect();
        stream::iter(asked).buffered(AT_ONCE).try_collect::<Vec<_>>().await?.concat()
    } else {
        passed!(queues, events = "").fetch_all(&db.pool).await?
    };
    let passed = rows.into_iter().map(|row| Passed {
        queue: QueueId { org_id: row.org_id, stream: row.stream.into() },
        id: row.id,
        seq: row.seq,
    });
    Ok(passed.collect())
}

async fn passed_of_shard(db: &Db, queues: &[&(QueueId, (i64, i64))]) -> Result<Vec<PassedRow>, sqlx::Error> {
    or_nothing(passed!(queues, events = " AND e.org_id = ANY ($1::uuid[])").fetch_all(&db.pool).await)
}
