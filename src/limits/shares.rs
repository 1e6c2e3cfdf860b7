//! Fair shares (contract 13.5): of every capacity that the orgs have in common, such as requests,
//! worker threads and connections, one of them has at most a part. Whatever it does, the others
//! find a permit.
//!
//! The org that a task serves is said once, where its caller is known, by [`serving`]. Limits that
//! count by org look there, so that no route can forget to say it; what serves nobody, such as a
//! background task, is not counted. A limit counts in memory, under a lock that is held for a few
//! instructions, and knows only the orgs that have permits of it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::by_org::ByOrg;
use crate::ids::OrgId;

tokio::task_local! {
    static SERVED: OrgId;
}

/// Does `work` for an org: the permits that it takes are the org's.
pub async fn serving<T>(org_id: OrgId, work: impl Future<Output = T>) -> T {
    SERVED.scope(org_id, work).await
}

/// The org that the running task serves.
#[must_use]
pub fn served() -> Option<OrgId> {
    SERVED.try_get().ok()
}

/// The same work, which goes on serving whom the caller serves when it runs in a task of its own.
pub fn inheriting<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let served = served();
    async move {
        match served {
            Some(org_id) => serving(org_id, work).await,
            None => work.await,
        }
    }
}

/// The division of a limit between orgs. Cheap to clone; all clones are the same limit.
#[derive(Clone, Debug)]
pub struct Shares(Arc<SharedLimit>);

#[derive(Debug)]
struct SharedLimit {
    limit: usize,
    orgs: ByOrg<OrgPermits>,
}

/// The permits that one org has.
#[derive(Debug, Default)]
struct OrgPermits {
    permits: usize,
    /// The waiters for one of them, in the order in which they came.
    waiting: VecDeque<oneshot::Sender<Share>>,
}

/// One of an org's permits, for as long as it lives.
#[derive(Debug)]
pub struct Share {
    /// `None` once it was passed on.
    limited: Option<Arc<SharedLimit>>,
    org_id: OrgId,
}

impl Shares {
    /// Of `permits`, an org may have the part `share` (0 to 1), rounded down, and one at least.
    #[must_use]
    pub fn of(permits: usize, share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a usize")]
        let limit = ((permits as f64 * share) as usize).max(1);
        Self(Arc::new(SharedLimit { limit, orgs: ByOrg::default() }))
    }

    /// The number of permits that an org may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Takes a permit, if the org has one left.
    #[must_use]
    pub fn try_take(&self, org_id: OrgId) -> Option<Share> {
        let mut shard = self.0.orgs.part(org_id);
        let taken = shard.entry(org_id).or_default();
        if taken.permits >= self.0.limit {
            return None;
        }
        taken.permits += 1;
        Some(self.share(org_id))
    }

    /// Takes a permit, once the org has one left.
    pub async fn take(&self, org_id: OrgId) -> Share {
        loop {
            let passed = {
                let mut shard = self.0.orgs.part(org_id);
                let taken = shard.entry(org_id).or_default();
                if taken.permits < self.0.limit {
                    taken.permits += 1;
                    return self.share(org_id);
                }
                taken.wait()
            };
            // What is given back is passed on to who waits, so it is never lost on the way.
            if let Ok(share) = passed.await {
                return share;
            }
        }
    }

    fn share(&self, org_id: OrgId) -> Share {
        Share { limited: Some(self.0.clone()), org_id }
    }
}

impl OrgPermits {
    fn wait(&mut self) -> oneshot::Receiver<Share> {
        if self.waiting.len() == self.waiting.capacity() {
            // Those who gave up: looked for when it would grow, so that it stays as long as the queue.
            self.waiting.retain(|pass| !pass.is_closed());
        }
        let (pass, passed) = oneshot::channel();
        self.waiting.push_back(pass);
        passed
    }
}

impl SharedLimit {
    /// Gives a permit back: who waits for it, if anybody does; else there is one more.
    fn give_back(&self, org_id: OrgId) -> Option<oneshot::Sender<Share>> {
        let mut shard = self.orgs.part(org_id);
        let taken = shard.get_mut(&org_id)?;
        let next = taken.waiting.pop_front();
        if next.is_none() {
            taken.permits -= 1;
            if taken.permits == 0 {
                shard.remove(&org_id);
            }
        }
        next
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(limited) = self.limited.take() else { return };
        while let Some(next) = limited.give_back(self.org_id) {
            // Outside the lock: a share that nobody takes any more is dropped here.
            match next.send(Self { limited: Some(limited.clone()), org_id: self.org_id }) {
                Ok(()) => return,
                Err(mut refused) => refused.limited = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    const ACME: OrgId = OrgId(Uuid::from_u128(1));
    /// In the same shard.
    const ZETA: OrgId = OrgId(Uuid::from_u128(17));

    fn is_empty(shares: &Shares) -> bool {
        shares.0.orgs.len() == 0
    }

    #[test]
    fn a_share_is_rounded_down_and_never_nothing() {
        for (permits, share, limit) in [(1024, 0.5, 512), (5, 0.5, 2), (1, 0.5, 1), (4, 0.1, 1), (7, 1.0, 7)]
        {
            assert_eq!(Shares::of(permits, share).limit(), limit, "{share} of {permits}");
        }
    }

    #[test]
    fn an_org_has_its_share_and_leaves_the_others_theirs() {
        let shares = Shares::of(4, 0.5);
        let held = [shares.try_take(ACME), shares.try_take(ACME)];
        assert!(held.iter().all(Option::is_some));
        assert!(shares.try_take(ACME).is_none());
        assert!(shares.try_take(ZETA).is_some());
        drop(held);
        assert!(shares.try_take(ACME).is_some());
        assert!(is_empty(&shares), "who has nothing is forgotten");
    }

    #[test]
    fn who_waits_is_served_in_order_and_who_gave_up_costs_nothing() {
        let shares = Shares::of(2, 0.5);
        let held = shares.try_take(ACME).expect("the first");
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(shares.take(ACME))).collect();
        assert!(waiting.iter_mut().all(|each| each.as_mut().now_or_never().is_none()));
        assert!(shares.try_take(ACME).is_none(), "nobody overtakes");
        drop(waiting.remove(0));
        drop(held);
        let second = waiting[0].as_mut().now_or_never().expect("passed on");
        assert!(waiting[1].as_mut().now_or_never().is_none());
        // Passed on to one who never looks.
        drop(second);
        drop(waiting);
        assert!(shares.try_take(ACME).is_some());
        assert!(is_empty(&shares));
    }

    #[test]
    fn those_who_gave_up_are_forgotten_while_the_permit_is_held() {
        let shares = Shares::of(1, 1.0);
        let _held = shares.try_take(ACME);
        for _ in 0..10_000 {
            let mut waiting = Box::pin(shares.take(ACME));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        let shard = shares.0.orgs.part(ACME);
        assert!(shard[&ACME].waiting.capacity() < 10, "{}", shard[&ACME].waiting.capacity());
    }

    #[tokio::test]
    async fn whom_a_task_serves_goes_with_the_work() {
        assert_eq!(served(), None);
        let inner =
            serving(ACME, async { (served(), tokio::spawn(inheriting(async { served() })).await) }).await;
        assert_eq!((inner.0, inner.1.expect("no panic")), (Some(ACME), Some(ACME)));
        assert_eq!(inheriting(async { served() }).await, None);
    }
}
