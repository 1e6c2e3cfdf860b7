//! Changes of users in a distributed database, in two statements of one transaction. Citus hands what one part of a
//! statement returns to every worker, and so all of them would take part; two statements are their orgs' workers' alone.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, PgExecutor};
use uuid::Uuid;

use super::input::UpdateUser;
use super::inserts::is_missing_org;
use super::new_user::{InsertOutcome, NewUser};
use super::store::{self, UserKey};
use crate::db::Db;
use crate::db::distribution::is_worker_away;
use crate::events::{Draft, EventType};
use crate::request_id::TraceContext;

/// Users as columns, each with its event.
struct Columns {
    org_ids: Vec<Uuid>,
    user_ids: Vec<Uuid>,
    ids: Vec<Uuid>,
    first_names: Vec<Option<String>>,
    last_names: Vec<Option<String>>,
    emails: Vec<Option<String>>,
    events: Vec<Draft>,
    now: DateTime<Utc>,
}

impl Columns {
    fn of(now: DateTime<Utc>, users: &[NewUser]) -> Self {
        Self {
            org_ids: users.iter().map(|user| user.org_id.0).collect(),
            user_ids: users.iter().map(|user| user.user_id).collect(),
            ids: users.iter().map(|user| user.id).collect(),
            first_names: users.iter().map(|user| user.profile.first_name.clone()).collect(),
            last_names: users.iter().map(|user| user.profile.last_name.clone()).collect(),
            emails: users.iter().map(|user| user.profile.email.clone()).collect(),
            events: users.iter().map(|user| user.event(now)).collect(),
            now,
        }
    }

    /// Inserts them; gives the outcome of each.
    async fn insert(self, tx: &mut PgConnection) -> Result<Vec<InsertOutcome>, sqlx::Error> {
        let created = self.insert_users(&mut *tx).await?;
        let users = self.ids.iter().zip(self.org_ids.iter().zip(&self.events));
        let told = users.filter(|(id, _)| created.contains(id));
        let told: Vec<_> =
            told.map(|(_, (org_id, event))| Told { org_id: *org_id, event, version: 1 }).collect();
        tell(tx, &told).await?;
        let outcome = |id| if created.contains(id) { InsertOutcome::Created } else { InsertOutcome::Exists };
        Ok(self.ids.iter().map(outcome).collect())
    }

    /// Of two equal users the first is created. By key, so that two slices cannot deadlock.
    async fn insert_users(&self, db: impl PgExecutor<'_>) -> Result<HashSet<Uuid>, sqlx::Error> {
        let created = sqlx::query_scalar!(
            r#"
            INSERT INTO users (org_id, user_id, id, first_name, last_name, email, created_at, updated_at)
            SELECT DISTINCT ON (org_id, user_id) org_id, user_id, id, first_name, last_name, email, $7::timestamptz,
                   $7::timestamptz
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
                 WITH ORDINALITY AS n (org_id, user_id, id, first_name, last_name, email, position)
            ORDER BY org_id, user_id, position
            ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING
            RETURNING id
            "#,
            &self.org_ids,
            &self.user_ids,
            &self.ids,
            &self.first_names as &[Option<String>],
            &self.last_names as &[Option<String>],
            &self.emails as &[Option<String>],
            self.now,
        );
        Ok(created.fetch_all(db).await?.into_iter().collect())
    }
}

/// An event of a user.
struct Told<'e> {
    org_id: Uuid,
    event: &'e Draft,
    /// The user's.
    version: i64,
}

/// Writes events of one kind and moment.
async fn tell(db: impl PgExecutor<'_>, told: &[Told<'_>]) -> Result<(), sqlx::Error> {
    let Some(Told { event: Draft { kind, at, .. }, .. }) = told.first() else { return Ok(()) };
    sqlx::query!(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
         SELECT n.org_id, n.id, $5::text, $6::text, n.body, $7::timestamptz, $7::timestamptz, n.traceparent
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS n (org_id, id, body, traceparent)",
        &told.iter().map(|it| it.org_id).collect::<Vec<_>>(),
        &told.iter().map(|it| it.event.id).collect::<Vec<_>>(),
        &told.iter().map(|it| it.event.body(it.version)).collect::<Vec<_>>(),
        &told.iter().map(|it| it.event.traceparent.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        kind.stream().name(),
        kind.name(),
        at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// [`store::update_user`] in a transaction.
pub async fn update_user(
    db: &Db,
    key: UserKey,
    now: DateTime<Utc>,
    trace: Option<TraceContext>,
    changes: UpdateUser,
) -> Result<bool, sqlx::Error> {
    db.transaction(async move |mut tx| {
        if changes.is_empty() {
            let found = store::find_users_by_shard(&mut tx, &[key]).await?;
            return Ok(found.iter().any(Option::is_some));
        }
        let changed = store::update_alone(&mut *tx, key, now, &changes).await?;
        let Some(version) = changed else { return Ok(false) };
        let event = key.event(EventType::UserUpdated, now, trace);
        tell(&mut *tx, &[Told { org_id: key.org_id.0, event: &event, version }]).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

/// [`store::delete_user`] in a transaction.
pub async fn delete_user(
    db: &Db,
    key: UserKey,
    now: DateTime<Utc>,
    trace: Option<TraceContext>,
) -> Result<bool, sqlx::Error> {
    db.transaction(async move |mut tx| {
        let Some(version) = store::delete_alone(&mut *tx, key).await? else { return Ok(false) };
        let event = key.event(EventType::UserDeleted, now, trace);
        tell(&mut *tx, &[Told { org_id: key.org_id.0, event: &event, version: version + 1 }]).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

/// Inserts a slice in a transaction that does more.
pub async fn insert_in(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    users: &[NewUser],
) -> Result<Vec<InsertOutcome>, sqlx::Error> {
    Columns::of(now, users).insert(tx).await
}

/// Where a transaction is made.
pub enum Via<'c> {
    /// On the connection of a worker, whose task outlives the clients.
    Connection(&'c mut PgConnection),
    /// In a task of its own.
    Task(&'c Db),
}

impl Via<'_> {
    async fn insert(
        &mut self,
        now: DateTime<Utc>,
        users: &[NewUser],
    ) -> Result<Vec<InsertOutcome>, sqlx::Error> {
        let columns = Columns::of(now, users);
        match self {
            // Not in a handler: nobody drops it half-way and uses the connection again.
            Self::Connection(connection) => {
                let mut tx = connection.begin().await?;
                let outcomes = columns.insert(&mut tx).await?;
                tx.commit().await?;
                Ok(outcomes)
            }
            Self::Task(db) => {
                db.transaction(async move |mut tx| {
                    let outcomes = columns.insert(&mut tx).await?;
                    tx.commit().await?;
                    Ok(outcomes)
                })
                .await
            }
        }
    }
}

/// Inserts a slice in one transaction. Where that fails because an org was deleted, or because a worker is away, users
/// are inserted one by one: the others are stored all the same.
pub async fn insert_users(
    mut via: Via<'_>,
    now: DateTime<Utc>,
    users: &[NewUser],
) -> Result<Vec<InsertOutcome>, sqlx::Error> {
    match via.insert(now, users).await {
        Err(error) if is_missing_org(&error) || is_worker_away(&error) => {}
        outcomes => return outcomes,
    }
    let mut outcomes = Vec::with_capacity(users.len());
    for user in users {
        match via.insert(now, std::slice::from_ref(user)).await {
            Ok(outcome) => outcomes.extend(outcome),
            Err(error) if is_missing_org(&error) => outcomes.push(InsertOutcome::NoOrg),
            Err(error) if is_worker_away(&error) => {
                tracing::warn!(%error, org_id = %user.org_id, "a user could not be created: a worker is away");
                outcomes.push(InsertOutcome::Unavailable);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}
