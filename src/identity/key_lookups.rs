//! The SQL of tenant keys, as they are looked up by whoever asks in their name: by digest, many in one statement, and by
//! id.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::allowed_networks::AllowedNetworks;
use super::key_scopes::KeyRights;
use super::keys::{KeyRecord, PATIENCE};
use super::stage::KeyStage;
use crate::crypto::keyring::KeyDigest;
use crate::db::Db;
use crate::db::batch::{KeptConnection, Slice};
use crate::ids::{KeyId, OrgId};

/// A row as both look-ups read it. Dead keys are read as well, to be told from unknown ones.
struct KeyRow {
    digest: Vec<u8>,
    org_id: OrgId,
    id: KeyId,
    expires_at: Option<DateTime<Utc>>,
    is_superseded: bool,
    is_pending: bool,
    awaits_first_use: bool,
    is_revoked: bool,
    is_leaked: bool,
    scopes: Vec<String>,
    scope_policy: String,
    allowed_networks: Option<Vec<String>>,
    network_policy: String,
}

impl KeyRow {
    fn into_record(self) -> Arc<KeyRecord> {
        let Self { org_id, id: key_id, expires_at, awaits_first_use, is_revoked, .. } = self;
        let stage = KeyStage::of(self.is_superseded, self.is_pending, self.is_leaked);
        let digest = self.digest.try_into().expect("a digest's length is a constraint of the table");
        let rights = KeyRights::stored(&self.scopes, &self.scope_policy);
        let networks = AllowedNetworks::stored(self.allowed_networks, &self.network_policy);
        let uses = OnceLock::new();
        Arc::new(KeyRecord {
            org_id,
            key_id,
            expires_at,
            stage,
            rights,
            networks,
            awaits_first_use,
            is_revoked,
            digest,
            uses,
        })
    }
}

/// Looks keys up by their digests, many in one statement.
#[derive(Debug)]
pub struct ByDigest(pub Db);

impl Slice for ByDigest {
    const IS_READ: bool = true;

    /// Whoever asked has given up by then; a connection that hangs must not hold up the next.
    const PATIENCE: Duration = PATIENCE;

    /// A key's digests under every pepper, newest first.
    type In = Vec<KeyDigest>;
    type Out = Option<Arc<KeyRecord>>;
    type Worker = KeptConnection;

    async fn run(&self, kept: &mut KeptConnection, keys: &[Self::In]) -> Result<Vec<Self::Out>, sqlx::Error> {
        let found = find_digests(kept.get(&self.0.lookups).await?, keys).await;
        let found = kept.used(&self.0.lookups, found)?;
        let find =
            |digests: &Vec<KeyDigest>| digests.iter().find_map(|digest| found.get(&digest[..]).cloned());
        Ok(keys.iter().map(find).collect())
    }
}

async fn find_digests(
    db: &mut PgConnection,
    keys: &[Vec<KeyDigest>],
) -> Result<HashMap<Vec<u8>, Arc<KeyRecord>>, sqlx::Error> {
    let wanted: Vec<&[u8]> = keys.iter().flatten().map(|digest| &digest[..]).collect();
    let rows = sqlx::query_as!(
        KeyRow,
        r#"SELECT digest, org_id AS "org_id: OrgId", id AS "id: KeyId", expires_at,
                  rotated_at IS NOT NULL AS "is_superseded!", pending_of IS NOT NULL AS "is_pending!",
                  coalesce(activation = 'on_first_use', false) AS "awaits_first_use!",
                  revoked_at IS NOT NULL AS "is_revoked!",
                  coalesce(leak_response <> 'notify', false) AS "is_leaked!", scopes, scope_policy, allowed_networks,
                  network_policy
           FROM tenant_keys WHERE digest = ANY($1::bytea[])"#,
        &wanted as &[&[u8]],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.digest.clone(), row.into_record())).collect())
}

/// The key with this id, if it is the org's; dead ones as well.
pub async fn load_by_id(
    db: &Db,
    org_id: OrgId,
    key_id: KeyId,
) -> Result<Option<Arc<KeyRecord>>, sqlx::Error> {
    let row = sqlx::query_as!(
        KeyRow,
        r#"SELECT digest, org_id AS "org_id: OrgId", id AS "id: KeyId", expires_at,
                  rotated_at IS NOT NULL AS "is_superseded!", pending_of IS NOT NULL AS "is_pending!",
                  coalesce(activation = 'on_first_use', false) AS "awaits_first_use!",
                  revoked_at IS NOT NULL AS "is_revoked!",
                  coalesce(leak_response <> 'notify', false) AS "is_leaked!", scopes, scope_policy, allowed_networks,
                  network_policy
           FROM tenant_keys WHERE org_id = $1 AND id = $2"#,
        org_id.0,
        key_id.0,
    )
    .fetch_optional(&db.lookups)
    .await?;
    Ok(row.map(KeyRow::into_record))
}
