//! A look at the database: what a publisher asks in one go, and what it is answered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::events::options::Format;
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
    pub search: Option<Wanted>,
    pub questions: Vec<Question>,
}

/// Queues to hold.
pub struct Wanted {
    /// Only those that are known.
    pub is_narrow: bool,
    pub known: Vec<(QueueId, i64)>,
    pub after: QueueId,
    pub limit: i64,
    /// What each is asked for at once.
    pub room: i64,
}

/// What was answered.
pub struct Looked {
    pub look: Look,
    pub found: Result<Found, sqlx::Error>,
}

/// The answers.
#[derive(Default)]
pub struct Found {
    pub held: Vec<HeldQueue>,
    /// Of those that were to be renewed.
    pub kept: Option<HashSet<QueueId>>,
    /// In the order of the questions; those for `held` follow.
    pub answers: Vec<(Question, Answer)>,
    /// Of the orgs concerned, alive now.
    pub secrets: Arc<Secrets>,
}

impl Look {
    /// Asks.
    pub async fn run(mut self, app: App) -> Looked {
        let found = self.ask(&app).await;
        Looked { look: self, found }
    }

    async fn ask(&mut self, app: &App) -> Result<Found, sqlx::Error> {
        let (db, now, holder) = (&app.db.pool, self.now, self.holder);
        let mut found = Found::default();
        if !self.release.is_empty() {
            holds::release(db, holder, &self.release).await?;
            self.release.clear();
        }
        if let Some(queues) = &self.renew {
            found.kept = Some(holds::renew(db, holder, queues, now).await?.into_iter().collect());
        }
        let mut questions = self.questions.clone();
        if let Some(wanted) = &self.search {
            let Wanted { is_narrow, known, after, limit, .. } = wanted;
            let search = Search { is_narrow: *is_narrow, known, after, limit: *limit };
            found.held = holds::hold(db, holder, now, search).await?;
            let known: HashMap<_, _> = known.iter().map(|(queue, seq)| (queue, *seq)).collect();
            questions.extend(found.held.iter().map(|held| wanted.question(held, &known)));
        }
        if questions.is_empty() {
            return Ok(found);
        }
        let answers = reading::read(db, holder, now, &questions).await?;
        let has_some = |answer: &&Answer| !answer.fresh.is_empty() || !answer.retried.is_empty();
        let orgs: HashSet<_> = answers.iter().filter(has_some).map(|answer| answer.queue.org_id).collect();
        if !orgs.is_empty() {
            let orgs: Vec<_> = orgs.into_iter().collect();
            found.secrets = Arc::new(secrets_of(db, &app.keyring.master, &orgs, now).await?);
        }
        found.answers = questions.into_iter().zip(answers).collect();
        Ok(found)
    }
}

impl Wanted {
    /// What a queue that was just taken is asked.
    fn question(&self, held: &HeldQueue, known: &HashMap<&QueueId, i64>) -> Question {
        let queue = QueueId { org_id: held.org_id, stream: held.stream.as_str().into() };
        let is_ordered = held.ordering.is_some();
        Question {
            // What waits for an earlier event of its subject lies behind the place that was read up to.
            after: if is_ordered { 0 } else { known.get(&queue).copied().unwrap_or_default() },
            queue,
            room: self.room,
            busy: is_ordered.then(Vec::new),
            with_subject: is_ordered || held.format == Format::Cloudevents.name(),
        }
    }
}
