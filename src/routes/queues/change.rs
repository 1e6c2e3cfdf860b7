//! Changes of an org's queues, as [`administration`](crate::administration) carries them out.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::rules::{Kind, Standing};
use super::store::{self, NewQueue, QueueRow};
use crate::administration::{self, Scope};
use crate::clock::Clock;
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::state::App;

/// What is wanted of a queue.
pub struct Change {
    pub kind: Kind,
    /// `None` where the name is no stream's.
    pub stream: Option<Stream>,
    /// What is put in place.
    pub new: Option<NewQueue>,
    /// Only where the queue is still the one that was last put in place then.
    pub put_at: Option<DateTime<Utc>>,
}

impl Change {
    /// The change as somebody makes it.
    pub fn by(self, app: &App, scope: Scope) -> Attempt {
        self.made_by(scope, &app.clock)
    }

    /// The same where there is no service.
    pub fn made_by(self, scope: Scope, clock: &Clock) -> Attempt {
        Attempt { scope, clock: clock.clone(), change: self }
    }
}

/// How things stand now: for what is to be known before a test event is sent.
pub async fn glance(app: &App, scope: &Scope, stream: Option<Stream>) -> Result<Standing, ApiError> {
    let seen = store::load(&app.db.pool, scope, stream, app.clock.now()).await?;
    Ok(seen.ok_or(Code::Forbidden)?)
}

/// A change that somebody makes.
pub struct Attempt {
    scope: Scope,
    clock: Clock,
    change: Change,
}

impl administration::Change for Attempt {
    /// The queue, where there is one now.
    type Done = Option<QueueRow>;

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<Self::Done>, ApiError> {
        let Change { kind, stream, new, put_at } = &self.change;
        let seen = store::load(&mut *db, &self.scope, *stream, self.clock.now()).await?;
        let seen = seen.ok_or(Code::Forbidden)?;
        let plan = seen.decide(*kind, *stream)?;
        let is_another = put_at.is_some() && *put_at != seen.queue.map(|queue| queue.updated_at);
        if !is_another
            && !plan.is_done
            && !store::apply(&mut *db, &self.scope, &seen, plan, new.as_ref()).await?
        {
            return Ok(None);
        }
        Ok(Some(store::find(db, self.scope.org_id, Some(plan.stream)).await?.pop()))
    }
}
