//! The platform's streams in memory, and the SQL by which everybody reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::FoundType;
use super::schema::TypeSchema;
use crate::events::{Stream, StreamName};

/// The platform's streams at a revision.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Of the newest change, 0 where there was none; `None` of a memory that was never filled.
    pub revision: Option<i64>,
    streams: BTreeMap<String, Arc<PlatformStream>>,
}

/// One of the platform's streams.
#[derive(Debug)]
pub struct PlatformStream {
    /// Its name.
    pub name: StreamName,
    /// For people.
    pub description: String,
    /// The time of its making.
    pub created_at: DateTime<Utc>,
    /// The time of its last change.
    pub updated_at: DateTime<Utc>,
    /// The types of events on it, in the platform's order.
    pub types: Vec<Arc<PlatformType>>,
}

/// A type of events of the platform's.
#[derive(Debug)]
pub struct PlatformType {
    /// The `type` on the wire.
    pub name: String,
    /// For people.
    pub description: String,
    /// The schema of its data, as text.
    pub schema: Option<String>,
    /// What its data is held against.
    pub check: DataCheck,
}

/// What data is held against.
#[derive(Clone, Debug)]
pub enum DataCheck {
    /// Nothing: any object will do.
    None,
    /// A schema.
    Schema(TypeSchema),
    /// A schema that a later version took and this one cannot compile.
    Unreadable,
}

impl Catalogue {
    /// Every stream: ours first.
    #[must_use]
    pub fn names(&self) -> Vec<StreamName> {
        let ours = Stream::ALL.into_iter().map(StreamName::from);
        ours.chain(self.streams.values().map(|stream| stream.name.clone())).collect()
    }

    /// The platform's streams, by name.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<PlatformStream>> {
        self.streams.values()
    }

    /// The platform's stream of this name.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<&Arc<PlatformStream>> {
        self.streams.get(name)
    }

    /// The type of this name on the platform's stream.
    #[must_use]
    pub fn find_type(&self, stream: &str, kind: &str) -> FoundType {
        let Some(stream) = self.streams.get(stream) else { return FoundType::NoStream };
        match stream.types.iter().find(|known| known.name == kind) {
            Some(found) => FoundType::Found(stream.clone(), found.clone()),
            None => FoundType::NoType(stream.clone()),
        }
    }

    /// The same with what was changed since: compiles its schemas.
    #[must_use]
    pub(super) fn with(&self, changed: Vec<StreamRow>) -> Self {
        let mut next = self.clone();
        next.revision =
            Some(changed.iter().map(|row| row.revision).chain(self.revision).max().unwrap_or_default());
        for row in changed {
            let StreamRow { name, description, created_at, updated_at, types, descriptions, schemas, .. } =
                row;
            let types = types.into_iter().zip(descriptions).zip(schemas);
            let types = types.map(|((name, description), schema)| {
                let check = compiled(&name, schema.as_deref());
                Arc::new(PlatformType { name, description, schema, check })
            });
            let stream = StreamName::Platform(name.as_str().into());
            let stream =
                PlatformStream { name: stream, description, created_at, updated_at, types: types.collect() };
            next.streams.insert(name, Arc::new(stream));
        }
        next
    }
}

fn compiled(name: &str, schema: Option<&str>) -> DataCheck {
    let Some(text) = schema else { return DataCheck::None };
    match TypeSchema::compile(text) {
        Ok(schema) => DataCheck::Schema(schema),
        Err(refused) => {
            tracing::error!(r#type = name, why = %refused.why, "a stored schema cannot be compiled");
            DataCheck::Unreadable
        }
    }
}

/// A stream as it is stored, its types in lists of the same length.
#[derive(Debug)]
pub(super) struct StreamRow {
    name: String,
    description: String,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    types: Vec<String>,
    descriptions: Vec<String>,
    schemas: Vec<Option<String>>,
}

/// The revision of the newest change.
pub(super) async fn revision(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT coalesce(max(revision), 0) AS "revision!" FROM streams"#)
        .fetch_one(db)
        .await
}

/// The streams that were changed after a revision: a stream never goes.
pub(super) async fn changed_since(
    db: impl PgExecutor<'_>,
    revision: Option<i64>,
) -> Result<Vec<StreamRow>, sqlx::Error> {
    sqlx::query_as!(
        StreamRow,
        r#"SELECT s.name, s.description, s.revision, s.created_at, s.updated_at,
                  ARRAY(SELECT t.type FROM stream_types t WHERE t.stream = s.name ORDER BY t.position) AS "types!",
                  ARRAY(SELECT t.description FROM stream_types t WHERE t.stream = s.name ORDER BY t.position)
                      AS "descriptions!",
                  ARRAY(SELECT t.schema::text FROM stream_types t WHERE t.stream = s.name ORDER BY t.position)
                      AS "schemas!: Vec<Option<String>>"
           FROM streams s WHERE s.revision > $1"#,
        revision.unwrap_or_default(),
    )
    .fetch_all(db)
    .await
}

/// The stream of this name, for whoever has no memory.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(db: impl PgExecutor<'_>, name: &str) -> Result<Option<StreamName>, sqlx::Error> {
    if let Ok(stream) = name.parse::<Stream>() {
        return Ok(Some(stream.into()));
    }
    let found =
        sqlx::query_scalar!("SELECT name FROM streams WHERE name = $1", name).fetch_optional(db).await?;
    Ok(found.map(|name| StreamName::Platform(name.into())))
}

/// Every stream, for whoever has no memory: ours first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn names(db: impl PgExecutor<'_>) -> Result<Vec<StreamName>, sqlx::Error> {
    let theirs = sqlx::query_scalar!("SELECT name FROM streams ORDER BY name").fetch_all(db).await?;
    let theirs = theirs.into_iter().map(|name| StreamName::Platform(name.into()));
    Ok(Stream::ALL.into_iter().map(StreamName::from).chain(theirs).collect())
}
