//! The length of a list, without counting a million rows for every page.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::ids::OrgId;

/// Up to here a total is exact (contract 1).
pub const EXACT_UP_TO: i64 = 10_000;
/// Above, a count may be this old.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
const REMEMBERED_ORGS: usize = 10_000;

/// Counts of long lists, by list and org.
#[derive(Debug)]
pub struct Totals(Cache<(Cow<'static, str>, OrgId), (i64, Instant)>);

impl Default for Totals {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_ORGS))
    }
}

impl Totals {
    /// The total for a list whose count, cut off above [`EXACT_UP_TO`], is `counted`. `count_all`
    /// runs at most once a minute for a list and org, however many ask.
    ///
    /// # Errors
    /// What `count_all` returns.
    pub async fn total<E>(
        &self,
        list: impl Into<Cow<'static, str>>,
        org_id: OrgId,
        counted: i64,
        count_all: impl AsyncFnOnce() -> Result<i64, E>,
    ) -> Result<i64, E> {
        if counted <= EXACT_UP_TO {
            return Ok(counted);
        }
        let key = (list.into(), org_id);
        if self.0.get(&key).is_some_and(|(_, at)| at.elapsed() >= REMEMBERED_FOR) {
            self.0.remove(&key);
        }
        let count = async { Ok((count_all().await?, Instant::now())) };
        Ok(self.0.get_or_insert_async(&key, count).await?.0)
    }
}
