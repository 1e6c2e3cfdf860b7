//! Slices of what is old, in a distributed database.

use futures_util::future::BoxFuture;

use crate::ids::OrgId;

/// Orgs that a look finds.
pub const ORGS: i64 = 500;

/// Has `work` take a slice of at most `size` of each of these orgs' rows, until nothing is left, and tells `note` how many
/// each took. A statement that locks rows, or takes some of many, is one org's, and goes to its worker whole.
///
/// # Errors
/// When the database cannot be asked.
pub async fn org_by_org<'a>(
    size: i64,
    orgs: impl Fn() -> BoxFuture<'a, Result<Vec<OrgId>, sqlx::Error>> + Send,
    work: impl Fn(OrgId) -> BoxFuture<'a, Result<u64, sqlx::Error>> + Send,
    mut note: impl FnMut(u64) + Send,
) -> Result<(), sqlx::Error> {
    loop {
        let mut all = 0;
        for org_id in orgs().await? {
            loop {
                let taken = work(org_id).await?;
                note(taken);
                all += taken;
                if taken < size.unsigned_abs() {
                    break;
                }
            }
        }
        // What others have locked is theirs.
        if all == 0 {
            return Ok(());
        }
    }
}
