//! Shards: the parts of a distributed table. What an org has is in one, and so are all orgs of whatever a statement for
//! its worker may lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::ids::OrgId;

/// Groups what belongs to orgs by the shard that has their rows: a statement about one group's orgs alone goes to their
/// worker whole. Asked each time, as shards may be split.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_shard<T>(
    db: impl PgExecutor<'_>,
    items: impl IntoIterator<Item = T>,
    org_of: impl Fn(&T) -> OrgId,
) -> Result<Vec<Vec<T>>, sqlx::Error> {
    let items: Vec<_> = items.into_iter().collect();
    let orgs: BTreeSet<_> = items.iter().map(|item| org_of(item).0).collect();
    if orgs.len() < 2 {
        return Ok(if items.is_empty() { Vec::new() } else { vec![items] });
    }
    let shards = shards_of(db, orgs.into_iter().collect()).await?;
    let mut groups = BTreeMap::<_, Vec<T>>::new();
    for item in items {
        let shard = shards.get(&org_of(&item).0);
        groups.entry(shard).or_default().push(item);
    }
    Ok(groups.into_values().collect())
}

async fn shards_of(db: impl PgExecutor<'_>, orgs: Vec<Uuid>) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let shards = "SELECT get_shard_id_for_distribution_column('users', org_id)
                  FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (org_id, n) ORDER BY n";
    let shards = sqlx::query_scalar(shards).bind(&orgs).fetch_all(db).await?;
    Ok(orgs.into_iter().zip(shards).collect())
}

/// Asks the workers that can be reached one thing of each of their parts of two tables, which `command` calls `%1$s` and
/// `%2$s`: each answers with one text. It connects anew for each part, so it is for when a worker is away, since a
/// statement about all of a table then has no answer at all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn ask_each_part(
    db: impl PgExecutor<'_>,
    [first, second]: [&str; 2],
    command: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let asked =
        "SELECT result FROM run_command_on_colocated_placements($1::text::regclass, $2::text::regclass, $3)
                 WHERE success";
    sqlx::query_scalar(asked).bind(first).bind(second).bind(command).fetch_all(db).await
}
