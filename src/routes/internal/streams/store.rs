//! The SQL that puts a stream in place.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::input::PutStream;
use super::rules::{self, OtherStreams};
use crate::db::Db;
use crate::db::announcements;
use crate::db::news::STREAMS;
use crate::error::ApiError;

/// Puts a stream in place, or replaces it, one at a time; every replica hears of it.
pub async fn put(db: &Db, name: String, input: PutStream, now: DateTime<Utc>) -> Result<(), ApiError> {
    db.transaction(async move |mut tx| {
        // Revisions are committed in their order.
        sqlx::query!("LOCK TABLE streams IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
        rules::require_room(&others(&mut tx, &name).await?, &input)?;
        write(&mut tx, &name, &input, now).await?;
        tx.commit().await?;
        Ok(())
    })
    .await
}

async fn others(db: &mut PgConnection, name: &str) -> Result<OtherStreams, sqlx::Error> {
    let streams = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM streams WHERE name <> $1"#, name);
    let streams = streams.fetch_one(&mut *db).await?;
    let types = sqlx::query!(
        r#"SELECT type AS kind, coalesce(octet_length(schema::text), 0) AS "bytes!" FROM stream_types WHERE stream <> $1"#,
        name,
    );
    let types = types
        .fetch_all(db)
        .await?
        .into_iter()
        .map(|row| (row.kind, usize::try_from(row.bytes).unwrap_or_default()));
    Ok(OtherStreams { streams: usize::try_from(streams).unwrap_or_default(), types: types.collect() })
}

async fn write(
    db: &mut PgConnection,
    name: &str,
    input: &PutStream,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO streams (name, description, revision, created_at, updated_at)
         SELECT $1, $2, coalesce(max(revision), 0) + 1, $3, $3 FROM streams
         ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
         SET description = excluded.description, revision = excluded.revision, updated_at = excluded.updated_at",
        name,
        input.description,
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("DELETE FROM stream_types WHERE stream = $1", name).execute(&mut *db).await?;
    let types = &input.types;
    sqlx::query!(
        "INSERT INTO stream_types (type, stream, position, description, schema)
         SELECT type, $1, position, description, schema::json
         FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS t (type, description, schema, position)",
        name,
        &types.iter().map(|kind| kind.r#type.clone()).collect::<Vec<_>>(),
        &types.iter().map(|kind| kind.description.clone()).collect::<Vec<_>>(),
        &types.iter().map(|kind| kind.schema.clone()).collect::<Vec<_>>() as &[Option<String>],
    )
    .execute(&mut *db)
    .await?;
    announcements::announce(db, STREAMS).await
}
