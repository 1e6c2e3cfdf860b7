//! The SQL of leaks.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::input::LeakReport;
use super::rules::{LeakPolicy, LeakResponse, Reported, ReportedKey};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::crypto::keyring::Keyring;
use crate::crypto::tenant_key::TenantKey;
use crate::error::ApiError;
use crate::events::{EventType, Subject};
use crate::ids::{KeyId, OrgId};

/// Whose keys these are, dead or alive, in their order; none where a text is nobody's key.
pub async fn owners(
    db: impl PgExecutor<'_>,
    keyring: &Keyring,
    keys: &[Option<&TenantKey>],
) -> Result<Vec<Option<(OrgId, KeyId)>>, sqlx::Error> {
    let digests: Vec<Vec<Vec<u8>>> = keys
        .iter()
        .map(|key| {
            let hashed = key.map(|key| [keyring.hash(key)].into_iter().chain(keyring.older_hashes(key)));
            hashed.into_iter().flatten().map(|hashed| hashed.digest.to_vec()).collect()
        })
        .collect();
    let wanted: Vec<&[u8]> = digests.iter().flatten().map(Vec::as_slice).collect();
    let rows = sqlx::query!(
        r#"SELECT digest, org_id AS "org_id: OrgId", id AS "id: KeyId" FROM tenant_keys WHERE digest = ANY($1::bytea[])"#,
        &wanted as &[&[u8]],
    )
    .fetch_all(db)
    .await?;
    let found: HashMap<_, _> = rows.into_iter().map(|row| (row.digest, (row.org_id, row.id))).collect();
    Ok(digests.iter().map(|of_one| of_one.iter().find_map(|digest| found.get(digest).copied())).collect())
}

/// A key that was reported, as its response is carried out.
pub struct LeakedKey {
    /// The key.
    pub key_id: KeyId,
    /// Who reports.
    pub source: String,
    /// Where it was found.
    pub url: Option<String>,
    /// What was said of it.
    pub note: Option<String>,
}

impl LeakedKey {
    /// The key of a report.
    pub fn of(key_id: KeyId, report: &LeakReport) -> Self {
        let (url, note) = (report.url.clone(), report.note.clone());
        Self { key_id, source: report.source.clone().into_owned(), url, note }
    }
}

impl Changeable for LeakedKey {
    type Snapshot = Reported;
    type Plan = LeakResponse;
    type Done = Option<LeakResponse>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Reported>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                o.leak_policy AS "leak_policy!", o.leak_grace_seconds AS "leak_grace_seconds!",
                k.id AS "id?", k.expires_at, k.revoked_at, k.pending_of, k.leaked_at"#,
            from = "LEFT JOIN tenant_keys k ON k.org_id = o.id AND k.id = given.key_id",
            { "key_id": "uuid" = self.key_id.0 }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        Ok(rows.into_iter().next().map(|row| Reported {
            org,
            policy: LeakPolicy::stored(&row.leak_policy),
            grace: TimeDelta::seconds(row.leak_grace_seconds.into()),
            key: row.id.map(|_| ReportedKey {
                expires_at: row.expires_at,
                is_revoked: row.revoked_at.is_some(),
                is_pending: row.pending_of.is_some(),
                is_known: row.leaked_at.is_some(),
            }),
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Reported,
        response: LeakResponse,
    ) -> Result<Option<Option<LeakResponse>>, ApiError> {
        let subject = Subject::LeakedKey {
            key_id: self.key_id,
            source: self.source.clone(),
            url: self.url.clone(),
            ends_at: response.ends_at(seen.org.now),
        };
        let draft = response.is_told.then(|| mandate.draft(seen.org, EventType::TenantKeyLeaked, &subject));
        let happened = change!(
            db,
            &mandate.entry(seen.org, EventType::TenantKeyLeaked.name(), self.key_id),
            event = draft.as_ref(),
            version = "coalesce((SELECT version FROM leaked), 1)",
            writes = "leaked AS (
                UPDATE tenant_keys k
                SET leaked_at = change.at, leak_source = change.source, leak_url = change.url, leak_note = change.note,
                    leak_response = change.response, leak_own_end = k.expires_at, expires_at = change.ends,
                    revoked_at = CASE WHEN change.ends_now THEN coalesce(k.revoked_at, change.at) ELSE k.revoked_at END,
                    version = k.version + 1,
                    -- A new end is announced anew.
                    expiry_set_at = CASE WHEN k.expires_at IS DISTINCT FROM change.ends THEN change.at
                                         ELSE k.expiry_set_at END,
                    expiry_told = CASE WHEN k.expires_at IS NOT DISTINCT FROM change.ends THEN k.expiry_told END
                FROM change WHERE k.org_id = change.org_id AND k.id = change.key_id
                RETURNING k.org_id, k.id, k.digest, k.version
            )",
            announce = "SELECT format('key %s %s %s', id, encode(digest, 'hex'), org_id) FROM leaked",
            {
                "key_id": "uuid" = self.key_id.0,
                "source": "text" = self.source.as_str(),
                "url": "text" = self.url.as_deref(),
                "note": "text" = self.note.as_deref(),
                "response": "text" = response.policy.name(),
                "ends": "timestamptz" = response.expires_at,
                "ends_now": "boolean" = response.ends_now,
            }
        )?;
        Ok(happened.then_some(Some(response)))
    }
}
