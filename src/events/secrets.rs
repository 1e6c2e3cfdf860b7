//! The secrets that sign an org's events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::crypto::associated_data;
use crate::crypto::master::MasterKeys;
use crate::crypto::secret::Secret;
use crate::ids::OrgId;

/// Signing secrets by org.
pub type Secrets = HashMap<OrgId, Vec<Secret<Vec<u8>>>>;

/// The secrets that sign now, newest first, by org. One that cannot be opened is left out,
/// and said so in the log.
///
/// # Errors
/// When the database cannot be asked.
pub async fn secrets_of(
    db: impl PgExecutor<'_>,
    master: &MasterKeys,
    org_ids: &[OrgId],
    now: DateTime<Utc>,
) -> Result<Secrets, sqlx::Error> {
    let org_ids: Vec<_> = org_ids.iter().map(|org_id| org_id.0).collect();
    let mut secrets = Secrets::new();
    for row in live(db, &org_ids, now).await? {
        let associated_data = associated_data::signing_secret(row.org_id, row.id);
        match master.open(&associated_data, row.sealed.as_deref().unwrap_or_default()) {
            Ok(secret) => secrets.entry(row.org_id).or_default().push(secret),
            Err(error) => tracing::error!(org_id = %row.org_id, %error, "a signing secret cannot be opened"),
        }
    }
    Ok(secrets)
}

/// A live secret, still sealed.
#[derive(Debug)]
struct SealedSecret {
    org_id: OrgId,
    id: Uuid,
    sealed: Option<Vec<u8>>,
}

/// The secrets of these orgs that sign at `now`, newest first.
async fn live(
    db: impl PgExecutor<'_>,
    org_ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<SealedSecret>, sqlx::Error> {
    sqlx::query_as!(
        SealedSecret,
        r#"
        SELECT org_id AS "org_id: OrgId", id, sealed FROM signing_secrets
        WHERE org_id = ANY($1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
        ORDER BY org_id, created_at DESC, id DESC
        "#,
        org_ids,
        now,
    )
    .fetch_all(db)
    .await
}
