//! The SQL of users that are there; that of new ones is in `new_user`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::input::UpdateUser;
use super::user::{Profile, User, UserEntry};
use crate::db::distribution::by_shard;
use crate::events::{Draft, EventType, Subject};
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;
use crate::request_id::TraceContext;

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

impl UserKey {
    /// What becomes of the row, as an event.
    pub fn event(&self, kind: EventType, now: DateTime<Utc>, trace: Option<TraceContext>) -> Draft {
        Draft::new(self.org_id, kind, &Subject::User { user_id: self.user_id }, now).traced(trace)
    }
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

/// The change of [`update_user`], alone or as the first part of a statement, with the values of the rest.
macro_rules! update_user {
    (before = $before:tt, after = $after:tt, $key:expr, $now:expr, $changes:expr $(, $value:expr)*) => {{
        let UpdateUser { first_name, last_name, email } = $changes;
        sqlx::query!(
            $before
                + r#"
            UPDATE users
            SET first_name = CASE WHEN $3 THEN $4 ELSE first_name END,
                last_name = CASE WHEN $5 THEN $6 ELSE last_name END,
                email = CASE WHEN $7 THEN $8 ELSE email END,
                updated_at = $9,
                version = version + 1
            WHERE org_id = $1 AND user_id = $2 AND ($10::timestamptz IS NULL OR created_at = $10)
                AND ($3 OR $5 OR $7)
            RETURNING version"#
                + $after,
            $key.org_id.0,
            $key.user_id,
            first_name.is_change(),
            first_name.value(),
            last_name.is_change(),
            last_name.value(),
            email.is_change(),
            email.value(),
            $now,
            $key.created_at,
            $($value),*
        )
    }};
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
    let event = key.event(EventType::UserUpdated, now, trace);
    let found = update_user!(
        before = "WITH changed AS (",
        after = r#"
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $11, $12, $13, $14 || version || $15, $16, $16, $17 FROM changed
        )
        SELECT FROM users WHERE org_id = $1 AND user_id = $2 AND ($10::timestamptz IS NULL OR created_at = $10)
        "#,
        key,
        now,
        changes,
        event.id,
        event.kind.stream().name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
        event.traceparent
    );
    Ok(found.fetch_optional(db).await?.is_some())
}

/// [`update_user`] without its event; gives the user's new version, if it was changed.
pub async fn update_alone(
    db: impl PgExecutor<'_>,
    key: UserKey,
    now: DateTime<Utc>,
    changes: &UpdateUser,
) -> Result<Option<i64>, sqlx::Error> {
    let changed = update_user!(before = "", after = "", key, now, changes).fetch_optional(db).await?;
    Ok(changed.map(|user| user.version))
}

/// The deletion of [`delete_user`], alone or as the first part of a statement, with the values of the rest.
macro_rules! delete_user {
    (before = $before:tt, after = $after:tt, $key:expr $(, $value:expr)*) => {
        sqlx::query!(
            $before
                + r#"
            DELETE FROM users WHERE org_id = $1 AND user_id = $2 AND ($3::timestamptz IS NULL OR created_at = $3)
            RETURNING version"#
                + $after,
            $key.org_id.0,
            $key.user_id,
            $key.created_at,
            $($value),*
        )
    };
}

/// Purges a user; `false` if there is none.
pub async fn delete_user(
    db: impl PgExecutor<'_>,
    key: UserKey,
    now: DateTime<Utc>,
    trace: Option<TraceContext>,
) -> Result<bool, sqlx::Error> {
    let event = key.event(EventType::UserDeleted, now, trace);
    let deleted = delete_user!(
        before = "WITH gone AS (",
        after = r#"
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $4, $5, $6, $7 || (version + 1) || $8, $9, $9, $10 FROM gone
        )
        SELECT FROM gone
        "#,
        key,
        event.id,
        event.kind.stream().name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
        event.traceparent
    );
    Ok(deleted.fetch_optional(db).await?.is_some())
}

/// [`delete_user`] without its event; gives the version that the user had, if there was one.
pub async fn delete_alone(db: impl PgExecutor<'_>, key: UserKey) -> Result<Option<i64>, sqlx::Error> {
    let deleted = delete_user!(before = "", after = "", key).fetch_optional(db).await?;
    Ok(deleted.map(|user| user.version))
}
