//! The SQL of users.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::input::UpdateUser;
use super::user::{Profile, User, UserEntry};
use crate::db::distribution::by_shard;
use crate::events::{Draft, EventType, Stream, Subject};
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
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

/// Names a row. A member's is named by its creation as well: a user made again under the same id
/// is another one.
#[derive(Clone, Copy, Debug)]
pub struct UserKey {
    /// The tenant.
    pub org_id: OrgId,
    /// As the partner chose it.
    pub user_id: Uuid,
    /// For a member: when its user was created.
    pub created_at: Option<DateTime<Utc>>,
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

/// Inserts a slice in one statement. Of two equal users in it the first is created. Rows go in
/// by key, so that two slices at the same time cannot deadlock.
pub async fn insert_users(
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

/// A page of the org's users, and how many there are, counted to just above [`EXACT_UP_TO`].
pub async fn list_users(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    page: Page,
) -> Result<(Vec<UserEntry>, i64), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT counted.total AS "total!", entry.user_id AS "user_id?", entry.created_at AS "created_at?"
        -- Whoever counts users takes them as they were created, which is how the heap has them: in the order of their ids
        -- each one's visibility is on another page of the map than the last one's.
        FROM (SELECT count(*) AS total
              FROM (SELECT FROM users WHERE org_id = $1 ORDER BY created_at, user_id LIMIT $4) AS first) AS counted
        LEFT JOIN (
            SELECT user_id, created_at FROM users WHERE org_id = $1 AND (created_at, user_id) > ($5, $6)
            ORDER BY created_at, user_id LIMIT $2 OFFSET $3
        ) AS entry ON true
        ORDER BY entry.created_at, entry.user_id
        "#,
        org_id.0,
        page.rows(),
        page.skip(),
        EXACT_UP_TO + 1,
        page.after().created_at,
        page.after().id,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let entries = rows
        .into_iter()
        .filter_map(|row| Some(UserEntry { user_id: row.user_id?, created_at: row.created_at? }));
    Ok((entries.collect(), total))
}

/// Counts the org's users.
pub async fn count_users(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE org_id = $1"#, org_id.0)
        .fetch_one(db)
        .await
}

/// The statement of [`find_users`]; `of_shard` is what it says of the orgs besides.
macro_rules! find_users {
    ($keys:expr, of_shard = $scope:tt) => {
        sqlx::query!(
            r#"
            SELECT wanted.position AS "position!", u.user_id, u.first_name, u.last_name, u.email, u.created_at, u.updated_at
            FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
                 WITH ORDINALITY AS wanted (org_id, user_id, created_at, position)
            JOIN users u ON u.org_id = wanted.org_id AND u.user_id = wanted.user_id
                AND (wanted.created_at IS NULL OR u.created_at = wanted.created_at)"# + $scope,
            &$keys.iter().map(|key| key.org_id.0).collect::<Vec<_>>(),
            &$keys.iter().map(|key| key.user_id).collect::<Vec<_>>(),
            &$keys.iter().map(|key| key.created_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        )
    };
}

/// Puts rows where their keys are.
macro_rules! place {
    ($rows:expr, $found:expr) => {
        for row in $rows {
            let slot = usize::try_from(row.position - 1).ok().and_then(|slot| $found.get_mut(slot));
            let (created_at, updated_at) = (row.created_at, row.updated_at);
            let profile = Profile { first_name: row.first_name, last_name: row.last_name, email: row.email };
            if let Some(slot) = slot {
                *slot = Some(User { user_id: row.user_id, profile, created_at, updated_at });
            }
        }
    };
}

/// Users by their keys, in the order asked.
pub async fn find_users(db: impl PgExecutor<'_>, keys: &[UserKey]) -> Result<Vec<Option<User>>, sqlx::Error> {
    let rows = find_users!(keys, of_shard = "").fetch_all(db).await?;
    let mut found: Vec<_> = keys.iter().map(|_| None).collect();
    place!(rows, found);
    Ok(found)
}

/// [`find_users`] of a distributed database: by a statement for each shard, which goes to its worker whole.
pub async fn find_users_by_shard(
    db: &mut PgConnection,
    keys: &[UserKey],
) -> Result<Vec<Option<User>>, sqlx::Error> {
    let mut found: Vec<_> = keys.iter().map(|_| None).collect();
    for asked in by_shard(&mut *db, keys.iter().enumerate(), |(_, key)| key.org_id).await? {
        let (places, keys): (Vec<usize>, Vec<&UserKey>) = asked.into_iter().unzip();
        let rows = find_users!(keys, of_shard = " WHERE u.org_id = ANY ($1::uuid[])");
        let mut of_shard: Vec<_> = keys.iter().map(|_| None).collect();
        place!(rows.fetch_all(&mut *db).await?, of_shard);
        for (place, user) in places.into_iter().zip(of_shard) {
            found[place] = user;
        }
    }
    Ok(found)
}

/// Changes a profile; `false` if there is no such user. An empty set of changes leaves
/// `updated_at` alone.
pub async fn update_user(
    db: impl PgExecutor<'_>,
    key: UserKey,
    now: DateTime<Utc>,
    trace: Option<TraceContext>,
    changes: &UpdateUser,
) -> Result<bool, sqlx::Error> {
    let UserKey { org_id, user_id, created_at } = key;
    let UpdateUser { first_name, last_name, email } = changes;
    let event = Draft::new(org_id, EventType::UserUpdated, &Subject::User { user_id }, now).traced(trace);
    let found = sqlx::query!(
        r#"
        WITH changed AS (
            UPDATE users
            SET first_name = CASE WHEN $3 THEN $4 ELSE first_name END,
                last_name = CASE WHEN $5 THEN $6 ELSE last_name END,
                email = CASE WHEN $7 THEN $8 ELSE email END,
                updated_at = $9,
                version = version + 1
            WHERE org_id = $1 AND user_id = $2 AND ($16::timestamptz IS NULL OR created_at = $16)
                AND ($3 OR $5 OR $7)
            RETURNING version
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $10, $11, $12, $13 || version || $14, $15, $15, $17 FROM changed
        )
        SELECT FROM users WHERE org_id = $1 AND user_id = $2 AND ($16::timestamptz IS NULL OR created_at = $16)
        "#,
        org_id.0,
        user_id,
        first_name.is_change(),
        first_name.value(),
        last_name.is_change(),
        last_name.value(),
        email.is_change(),
        email.value(),
        now,
        event.id,
        event.kind.stream().name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
        created_at,
        event.traceparent,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Purges a user; `false` if there is none.
pub async fn delete_user(
    db: impl PgExecutor<'_>,
    key: UserKey,
    now: DateTime<Utc>,
    trace: Option<TraceContext>,
) -> Result<bool, sqlx::Error> {
    let UserKey { org_id, user_id, created_at } = key;
    let event = Draft::new(org_id, EventType::UserDeleted, &Subject::User { user_id }, now).traced(trace);
    let deleted = sqlx::query!(
        "WITH gone AS (
             DELETE FROM users WHERE org_id = $1 AND user_id = $2 AND ($9::timestamptz IS NULL OR created_at = $9)
             RETURNING version
         ),
         told AS (
             INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
             SELECT $1, $3, $4, $5, $6 || (version + 1) || $7, $8, $8, $10 FROM gone
         )
         SELECT FROM gone",
        org_id.0,
        user_id,
        event.id,
        event.kind.stream().name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
        created_at,
        event.traceparent,
    )
    .fetch_optional(db)
    .await?;
    Ok(deleted.is_some())
}
