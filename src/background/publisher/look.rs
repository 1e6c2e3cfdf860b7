//! A look at the database: what a publisher asks in one go, and what it is answered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::events::secrets::{Secrets, secrets_of};
use crate::outbox::QueueId;
use crate::outbox::holds::{self, HeldQueue, Search};
use crate::outbox::reading::{self, Answer, Question};
use crate::state::App;

/// What to ask.
pub struct Look {
    pub number: u64,
    pub holder: Uuid,
    pub now: DateTime<Utc>,
    pub release: Vec<QueueId>,
    /// `None`: not now.
    pub renew: Option<Vec<QueueId>>,
    /// Queues to hold; what they have is for the next look.
    pub search: Option<Search>,
    pub questions: Vec<Question>,
}

/// What was answered.
pub struct Looked {
    pub look: Look,
    pub found: Found,
    /// What came of the last question; those after it were not asked.
    pub ended: Result<(), sqlx::Error>,
}

/// The answers; `None` where there is none.
#[derive(Default)]
pub struct Found {
    /// They were released.
    pub released: Option<()>,
    /// Of those that were to be renewed.
    pub kept: Option<HashSet<QueueId>>,
    pub held: Option<Vec<HeldQueue>>,
    /// Of those that were named: there are no such queues.
    pub absent: Vec<QueueId>,
    /// The time that looking for them took.
    pub searched_for: Duration,
    /// In the order of the questions.
    pub answers: Vec<Answer>,
    /// Of the orgs concerned, alive now.
    pub secrets: Arc<Secrets>,
}

impl Look {
    /// Asks.
    pub async fn run(self, app: App) -> Looked {
        let mut found = Found::default();
        let ended = self.ask(&app, &mut found).await;
        Looked { look: self, found, ended }
    }

    async fn ask(&self, app: &App, found: &mut Found) -> Result<(), sqlx::Error> {
        let (db, now, holder) = (&app.db, self.now, self.holder);
        if !self.release.is_empty() {
            found.released = Some(holds::release(db, holder, &self.release).await?);
        }
        if let Some(queues) = &self.renew {
            found.kept = Some(holds::renew(db, holder, queues, now).await?.into_iter().collect());
        }
        if let Some(search) = &self.search {
            let began = Instant::now();
            let held = holds::hold(db, holder, now, search).await?;
            found.searched_for = began.elapsed();
            if search.others_after.is_none() && held.len() < search.known.len() {
                let registered = holds::registered(db, search.named()).await?;
                let is_absent = |queue: &&QueueId| !registered.contains(*queue);
                found.absent = search.named().filter(is_absent).cloned().collect();
            }
            found.held = Some(held);
        }
        if self.questions.is_empty() {
            return Ok(());
        }
        let answers = reading::read(db, holder, now, &self.questions).await?;
        let has_some = |answer: &&Answer| !answer.fresh.is_empty() || !answer.retried.is_empty();
        let orgs: HashSet<_> = answers.iter().filter(has_some).map(|answer| answer.queue.org_id).collect();
        if !orgs.is_empty() {
            let orgs: Vec<_> = orgs.into_iter().collect();
            found.secrets = Arc::new(secrets_of(&db.pool, &app.keyring.master, &orgs, now).await?);
        }
        found.answers = answers;
        Ok(())
    }
}
