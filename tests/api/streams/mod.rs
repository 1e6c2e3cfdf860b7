//! The platform's own streams (contract 15).

mod queues;

use sqlx::Row as _;
use uuid::Uuid;

use crate::support::{Org, TestApp};

/// Puts a stream of the platform's in place, as another replica would.
async fn put_stream(app: &TestApp, name: &str) {
    sqlx::query(
        "INSERT INTO streams (name, description, revision, created_at, updated_at)
         SELECT $1, '', coalesce(max(revision), 0) + 1, $2, $2 FROM streams",
    )
    .bind(name)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("it is stored");
}

/// Writes an event of the platform's.
async fn write_event(app: &TestApp, org: &Org, stream: &str) -> Uuid {
    let row = sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         VALUES ($1, $2, $3, 'order.paid', '{}', $4, $4) RETURNING id",
    );
    let row = row.bind(org.id).bind(Uuid::now_v7()).bind(stream).bind(app.clock.now());
    row.fetch_one(&mut app.database.connect().await).await.expect("it is stored").get(0)
}
