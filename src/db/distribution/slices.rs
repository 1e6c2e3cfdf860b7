//! Slices of what is old: many rows, of which each statement takes some.

use futures_util::future::BoxFuture;

use crate::db::Db;
use crate::ids::OrgId;

/// Orgs that a look finds.
pub const ORGS: i64 = 500;

/// Has `take` take slices of at most `size` rows until nothing is left, and tells `note` how many each took. It is asked
/// for all orgs' rows at once (`None`); in a distributed database for those of one of `orgs` after the other, since a
/// statement that locks rows, or takes some of many, is one org's there, and goes to its worker whole.
///
/// # Errors
/// When the database cannot be asked.
pub async fn slice_by_slice<'a>(
    db: &Db,
    size: i64,
    orgs: impl Fn() -> BoxFuture<'a, Result<Vec<OrgId>, sqlx::Error>> + Send,
    take: impl Fn(Option<OrgId>) -> BoxFuture<'a, Result<u64, sqlx::Error>> + Send,
    mut note: impl FnMut(u64) + Send,
) -> Result<(), sqlx::Error> {
    let mut exhaust = async |org_id| {
        let mut all = 0;
        loop {
            let taken = take(org_id).await?;
            note(taken);
            all += taken;
            if taken < size.unsigned_abs() {
                return Ok::<_, sqlx::Error>(all);
            }
        }
    };
    if !db.is_distributed().await? {
        return exhaust(None).await.map(drop);
    }
    loop {
        let mut all = 0;
        for org_id in orgs().await? {
            all += exhaust(Some(org_id)).await?;
        }
        // What others have locked is theirs.
        if all == 0 {
            return Ok(());
        }
    }
}
