//! The SQL of users.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::input::UpdateUser;
use super::{Profile, User, UserEntry};
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// A user to insert.
pub struct NewUser {
    pub org_id: OrgId,
    pub user_id: Uuid,
    /// Ours; also tells which row of a slice was inserted.
    pub id: Uuid,
    pub profile: Profile,
}

/// What became of one row of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Exists,
}

/// Inserts a slice in one statement. Of two equal users in it the first is created. Rows go in
/// by key, so that two slices at the same time cannot deadlock.
pub async fn insert_users(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    users: &[NewUser],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let column = |read: fn(&NewUser) -> Uuid| users.iter().map(read).collect::<Vec<_>>();
    let text = |read: fn(&Profile) -> &Option<String>| {
        users.iter().map(|user| read(&user.profile).as_deref()).collect::<Vec<_>>()
    };
    let created = sqlx::query_scalar!(
        r#"
        INSERT INTO users (org_id, user_id, id, first_name, last_name, email, created_at, updated_at)
        SELECT DISTINCT ON (org_id, user_id) org_id, user_id, id, first_name, last_name, email, $7, $7
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
             WITH ORDINALITY AS new (org_id, user_id, id, first_name, last_name, email, position)
        ORDER BY org_id, user_id, position
        ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING
        RETURNING id
        "#,
        &column(|user| user.org_id.0),
        &column(|user| user.user_id),
        &column(|user| user.id),
        &text(|profile| &profile.first_name) as &[Option<&str>],
        &text(|profile| &profile.last_name) as &[Option<&str>],
        &text(|profile| &profile.email) as &[Option<&str>],
        now,
    )
    .fetch_all(db)
    .await?;
    let outcome =
        |user: &NewUser| if created.contains(&user.id) { Outcome::Created } else { Outcome::Exists };
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
        FROM (SELECT count(*) AS total FROM (SELECT FROM users WHERE org_id = $1 LIMIT $4) AS first) AS counted
        LEFT JOIN (
            SELECT user_id, created_at FROM users WHERE org_id = $1
            ORDER BY created_at, user_id LIMIT $2 OFFSET $3
        ) AS entry ON true
        ORDER BY entry.created_at, entry.user_id
        "#,
        org_id.0,
        page.limit,
        page.offset,
        EXACT_UP_TO + 1,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let entries = rows
        .into_iter()
        .filter_map(|row| Some(UserEntry { user_id: row.user_id?, created_at: row.created_at? }));
    Ok((entries.collect(), total))
}

/// How many users the org has.
pub async fn count_users(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE org_id = $1"#, org_id.0)
        .fetch_one(db)
        .await
}

/// A user.
pub async fn find_user(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    user_id: Uuid,
) -> Result<Option<User>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT first_name, last_name, email, created_at, updated_at FROM users WHERE org_id = $1 AND user_id = $2",
        org_id.0,
        user_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| User {
        user_id,
        profile: Profile { first_name: row.first_name, last_name: row.last_name, email: row.email },
        created_at: row.created_at,
        updated_at: row.updated_at,
    }))
}

/// Changes a profile; `false` if there is no such user. An empty set of changes leaves
/// `updated_at` alone.
pub async fn update_user(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    user_id: Uuid,
    now: DateTime<Utc>,
    changes: &UpdateUser,
) -> Result<bool, sqlx::Error> {
    let UpdateUser { first_name, last_name, email } = changes;
    let found = sqlx::query!(
        r#"
        UPDATE users
        SET first_name = CASE WHEN $3 THEN $4 ELSE first_name END,
            last_name = CASE WHEN $5 THEN $6 ELSE last_name END,
            email = CASE WHEN $7 THEN $8 ELSE email END,
            updated_at = CASE WHEN $3 OR $5 OR $7 THEN $9 ELSE updated_at END
        WHERE org_id = $1 AND user_id = $2
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
    )
    .execute(db)
    .await?;
    Ok(found.rows_affected() == 1)
}

/// Purges a user; `false` if there is none.
pub async fn delete_user(db: impl PgExecutor<'_>, org_id: OrgId, user_id: Uuid) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!("DELETE FROM users WHERE org_id = $1 AND user_id = $2", org_id.0, user_id)
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() == 1)
}
