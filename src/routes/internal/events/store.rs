//! The SQL of publishing.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::events::StreamName;
use crate::ids::OrgId;

/// An event to write.
#[derive(Debug)]
pub struct NewEvent {
    /// To whom.
    pub org_id: OrgId,
    /// The id that it gets, if it is new.
    pub id: Uuid,
    /// The platform's name for it, where that is not the id.
    pub external_id: Option<String>,
    /// Its stream.
    pub stream: StreamName,
    /// Its type.
    pub kind: String,
    /// What is signed.
    pub body: String,
    /// What it is about.
    pub subject: Option<String>,
    /// The time of its writing.
    pub at: DateTime<Utc>,
    /// Of the request that publishes it.
    pub traceparent: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It is written.
    Published(Uuid),
    /// It was before, with this id.
    Exists(Uuid),
    /// It was before, and is gone since: to be published again.
    Vanished,
    /// The org was deleted meanwhile.
    NoOrg,
}

/// Writes a slice in one statement, in its order: that is the order in which a subject's events are delivered. Rows go
/// in by their names, so that two slices at the same time cannot deadlock.
pub async fn insert_events(
    db: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<PublishOutcome>, sqlx::Error> {
    let text = |read: fn(&NewEvent) -> &str| events.iter().map(|e| read(e).to_owned()).collect::<Vec<_>>();
    let some = |read: fn(&NewEvent) -> &Option<String>| {
        events.iter().map(|event| read(event).as_deref()).collect::<Vec<_>>()
    };
    let written = sqlx::query!(
        r#"
        WITH given AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                                 $8::text[], $9::timestamptz[])
                 WITH ORDINALITY AS g (org_id, id, external_id, stream, type, body, subject, traceparent, at, position)
        ),
        numbered AS MATERIALIZED (
            SELECT ordered.*, nextval('events_seq') AS seq FROM (SELECT * FROM given ORDER BY position) AS ordered
        )
        INSERT INTO events (org_id, id, external_id, stream, type, body, subject, traceparent, created_at, next_attempt_at,
                            seq)
        SELECT org_id, id, external_id, stream, type, body, subject, traceparent, at, at, seq
        FROM numbered ORDER BY org_id, external_id, position
        ON CONFLICT DO NOTHING
        RETURNING org_id, id
        "#,
        &events.iter().map(|event| event.org_id.0).collect::<Vec<_>>(),
        &events.iter().map(|event| event.id).collect::<Vec<_>>(),
        &some(|event| &event.external_id) as &[Option<&str>],
        &text(|event| event.stream.as_str()),
        &text(|event| &event.kind),
        &text(|event| &event.body),
        &some(|event| &event.subject) as &[Option<&str>],
        &some(|event| &event.traceparent) as &[Option<&str>],
        &events.iter().map(|event| event.at).collect::<Vec<_>>(),
    )
    .fetch_all(&mut *db)
    .await?;
    let mut written: HashSet<_> = written.into_iter().map(|row| (row.org_id, row.id)).collect();
    // Of two with the same id, the first is the one that is written.
    let outcomes: Vec<_> = events
        .iter()
        .map(|event| match (written.remove(&(event.org_id.0, event.id)), &event.external_id) {
            (true, _) => Some(PublishOutcome::Published(event.id)),
            (false, None) => Some(PublishOutcome::Exists(event.id)),
            (false, Some(_)) => None,
        })
        .collect();
    if outcomes.iter().all(Option::is_some) {
        return Ok(outcomes.into_iter().flatten().collect());
    }
    let before = published_before(db, events).await?;
    let found = |event: &NewEvent| before.get(&(event.org_id.0, event.external_id.clone()?)).copied();
    let outcomes = outcomes.into_iter().zip(events).map(|(outcome, event)| {
        outcome.unwrap_or_else(|| found(event).map_or(PublishOutcome::Vanished, PublishOutcome::Exists))
    });
    Ok(outcomes.collect())
}

/// The ids of those that were published under their names before.
async fn published_before(
    db: &mut PgConnection,
    events: &[NewEvent],
) -> Result<HashMap<(Uuid, String), Uuid>, sqlx::Error> {
    let named = events.iter().filter_map(|event| Some((event.org_id.0, event.external_id.clone()?)));
    let (orgs, names): (Vec<_>, Vec<_>) = named.unzip();
    let rows = sqlx::query!(
        r#"
        SELECT e.org_id, e.external_id AS "external_id!", e.id
        FROM unnest($1::uuid[], $2::text[]) AS n (org_id, external_id)
        JOIN events e ON e.org_id = n.org_id AND e.external_id = n.external_id
        "#,
        &orgs,
        &names,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.org_id, row.external_id), row.id)).collect())
}
