//! A user that is to be there, and the SQL that makes it so, with its event.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::user::Profile;
use crate::events::{Draft, EventType, Stream, Subject};
use crate::ids::OrgId;
use crate::request_id::TraceContext;

/// A user to insert.
#[derive(Debug)]
pub struct NewUser {
    pub org_id: OrgId,
    pub user_id: Uuid,
    /// Ours; also tells which row of a slice was inserted.
    pub id: Uuid,
    pub profile: Profile,
    /// Of the request that creates it.
    pub trace: Option<TraceContext>,
}

impl NewUser {
    /// Its event.
    pub fn event(&self, now: DateTime<Utc>) -> Draft {
        Draft::new(self.org_id, EventType::UserCreated, &Subject::User { user_id: self.user_id }, now)
            .traced(self.trace)
    }
}

/// The outcome of one row of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    Created,
    Exists,
    /// The org was deleted meanwhile.
    NoOrg,
    /// The worker that has the org's rows is away.
    Unavailable,
}

/// Inserts a slice in one statement.
pub async fn insert_users(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    users: &[NewUser],
) -> Result<Vec<InsertOutcome>, sqlx::Error> {
    match users {
        [user] => Ok(vec![insert_user(db, now, user).await?]),
        users => insert_several(db, now, users).await,
    }
}

/// A row's own statement costs Postgres a sixth less than that of a slice which has one row.
async fn insert_user(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    user: &NewUser,
) -> Result<InsertOutcome, sqlx::Error> {
    let (profile, event) = (&user.profile, user.event(now));
    let created = sqlx::query!(
        "WITH created AS (
            INSERT INTO users (org_id, user_id, id, first_name, last_name, email, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
            ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING
            RETURNING org_id
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT org_id, $8, $9, $10, $11, $12, $12, $13 FROM created
        )
        SELECT FROM created",
        user.org_id.0,
        user.user_id,
        user.id,
        profile.first_name,
        profile.last_name,
        profile.email,
        now,
        event.id,
        event.kind.stream().name(),
        event.kind.name(),
        event.body(1),
        event.at,
        event.traceparent,
    )
    .fetch_optional(db)
    .await?;
    Ok(created.map_or(InsertOutcome::Exists, |_| InsertOutcome::Created))
}

/// Of two equal users the first is created. Rows go in by key, so that two slices at the same time cannot deadlock.
async fn insert_several(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    users: &[NewUser],
) -> Result<Vec<InsertOutcome>, sqlx::Error> {
    let column = |read: fn(&NewUser) -> Uuid| users.iter().map(read).collect::<Vec<_>>();
    let text = |read: fn(&Profile) -> &Option<String>| {
        users.iter().map(|user| read(&user.profile).as_deref()).collect::<Vec<_>>()
    };
    let events: Vec<_> = users.iter().map(|user| user.event(now)).collect();
    let created = sqlx::query_scalar!(
        r#"
        WITH new AS (
            SELECT DISTINCT ON (org_id, user_id) *
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $8::uuid[], $9::text[],
                        $13::text[])
                 WITH ORDINALITY AS n (org_id, user_id, id, first_name, last_name, email, event_id, event_body, traceparent,
                                         position)
            ORDER BY org_id, user_id, position
        ),
        created AS (
            INSERT INTO users (org_id, user_id, id, first_name, last_name, email, created_at, updated_at)
            SELECT org_id, user_id, id, first_name, last_name, email, $7, $7 FROM new
            ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING
            RETURNING org_id, id
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT new.org_id, new.event_id, $10, $11, new.event_body, $12, $12, new.traceparent
            FROM created JOIN new ON new.id = created.id
        )
        SELECT id AS "id!" FROM created
        "#,
        &column(|user| user.org_id.0),
        &column(|user| user.user_id),
        &column(|user| user.id),
        &text(|profile| &profile.first_name) as &[Option<&str>],
        &text(|profile| &profile.last_name) as &[Option<&str>],
        &text(|profile| &profile.email) as &[Option<&str>],
        now,
        &events.iter().map(|event| event.id).collect::<Vec<_>>(),
        &events.iter().map(|event| event.body(1)).collect::<Vec<_>>(),
        Stream::Users.name(),
        EventType::UserCreated.name(),
        events.first().map_or(now, |event| event.at),
        &events.iter().map(|event| event.traceparent.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
    )
    .fetch_all(db)
    .await?;
    let outcome = |user: &NewUser| {
        if created.contains(&user.id) { InsertOutcome::Created } else { InsertOutcome::Exists }
    };
    Ok(users.iter().map(outcome).collect())
}
