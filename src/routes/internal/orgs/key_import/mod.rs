//! Keys that an org had before it came here (contract 15): taken over by their hashes, all of them or none. Each goes on
//! as our own do, is hashed as they are once it was used, and ends when it was said to.

mod input;
mod store;

use uuid::Uuid;

pub use self::input::{ImportHash, ImportKey, ImportKeys, ImportPattern};
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::crypto::keyring::{Hashed, Keyring};
use crate::db::Db;
use crate::error::{ApiError, Loc, Problem, ProblemKind};
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::KeyRights;
use crate::ids::{KeyId, new_row_id};
use crate::routes::tenant_keys::operator::importing;
use crate::routes::tenant_keys::rules::{Fresh, Import, Minting, StoredTenantKey};

/// Takes keys over.
///
/// # Errors
/// 422 for a hash that is a key's already and for one form too many, 409 `too_many_live_keys`, or that the database
/// cannot be asked.
pub async fn import(
    (db, clock, keyring): (&Db, &Clock, &Keyring),
    mandate: Mandate,
    wanted: ImportKeys,
) -> Result<Vec<StoredTenantKey>, ApiError> {
    let (clock, keyring) = (clock.clone(), keyring.clone());
    db.transaction(async move |mut tx| {
        // One import at a time: what is unique, and how many forms there are, is decided over all orgs.
        store::lock(&mut tx).await?;
        let pattern_id = store::pattern(&mut tx, &keyring, &wanted, clock.now()).await?;
        let pattern_id = pattern_id.ok_or_else(too_many_patterns)?;
        let mut imported = Vec::with_capacity(wanted.keys.len());
        for (at, key) in wanted.keys.iter().enumerate() {
            let hashes = keyring.foreign_hashes(&[key.hash]);
            if store::is_known(&mut tx, &hashes).await? {
                return Err(is_known(at));
            }
            let added = add(&mut tx, &clock, &mandate, (&wanted, key), (hashes[0], pattern_id)).await?;
            imported.push(added);
        }
        store::announce(&mut tx).await?;
        tx.commit().await?;
        Ok(imported)
    })
    .await
}

async fn add(
    tx: &mut sqlx::PgConnection,
    clock: &Clock,
    mandate: &Mandate,
    (wanted, key): (&ImportKeys, &ImportKey),
    (hashed, pattern_id): (Hashed, Uuid),
) -> Result<StoredTenantKey, ApiError> {
    let shown = key.prefix.clone().unwrap_or_else(|| wanted.pattern.prefix().to_owned());
    let fresh = Fresh { id: KeyId(new_row_id()), prefix: shown };
    let minting = Minting {
        name: key.name.clone(),
        expires_at: Some(key.expires_at),
        rights: KeyRights { scopes: key.scopes, policy: Enforcement::default() },
        networks: AllowedNetworks::ANY,
        import: Some(Import { created_at: key.created_at }),
    };
    let change = importing(clock, mandate.clone(), (hashed, pattern_id), fresh, minting);
    let plan = change.execute_in(tx).await?;
    plan.and_then(|plan| plan.added).ok_or_else(|| ApiError::internal("an imported key was not added"))
}

fn too_many_patterns() -> ApiError {
    let msg = "there are 32 forms of imported keys already; rotate keys of an older one first";
    ApiError::Invalid(vec![Problem::body("pattern", ProblemKind::ValueError, msg)])
}

fn is_known(at: usize) -> ApiError {
    let name = |name: &'static str| Loc::Name(name.into());
    let loc = vec![name("body"), name("keys"), Loc::Index(at), name("hash"), name("digest")];
    let msg = "is a key's already, of this org or another one";
    ApiError::Invalid(vec![Problem { loc, msg: msg.into(), kind: ProblemKind::ValueError, code: None }])
}
