//! Registering and replacing a queue: judge, test, store.

use axum::Json;

use super::input::{QueuePath, RegisterQueue};
use super::reply::Queue;
use super::settings::{Settings, expires_at, place};
use super::store::{self, NewQueue, Standing};
use super::{show, test_publish};
use crate::administration::Scope;
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::events::targets::Target;
use crate::features::FEATURES;
use crate::http::input::{Kind, Problem};
use crate::http::paging::Data;
use crate::state::App;

/// A queue to put in place.
pub struct Put<'a> {
    pub app: &'a App,
    pub scope: Scope,
    pub path: QueuePath,
    /// Whether there must be one already, or none yet.
    pub replaces: bool,
}

impl Put<'_> {
    /// Tests the queue and stores it. The conditions are asked before the test, which may take
    /// seconds, and again after it.
    pub async fn carry_out(self, input: RegisterQueue) -> Result<Json<Data<Queue>>, ApiError> {
        let (app, org_id) = (self.app, self.scope.org_id);
        let (settings, target) = self.judged(input)?;
        let stream = self.permitted().await?;
        test_publish::send(app, org_id, stream, &target).await?;
        self.permitted().await?;
        self.store(stream, &settings, &target).await?;
        app.publisher.wake(org_id, stream);
        show(app, org_id, stream).await
    }

    fn judged(&self, input: RegisterQueue) -> Result<(Settings, Target), ApiError> {
        let RegisterQueue::Live(settings) = input else { return Err(self.not_live()) };
        match settings.target(self.app.config.targets.policy) {
            Ok(target) => Ok((settings, target)),
            Err(invalid) => {
                let place = [settings.kind(), invalid.field];
                Err(ApiError::Invalid(vec![Problem::within_body(place, Kind::ValueError, invalid.reason)]))
            }
        }
    }

    fn not_live(&self) -> ApiError {
        let feature = FEATURES.iter().find(|feature| feature.name == "azure_event_hubs");
        let refusal = feature.map(|f| self.app.features.require(f, &self.app.config.integration_contact));
        refusal.and_then(Result::err).unwrap_or_else(|| Code::ServiceUnavailable.into())
    }

    /// The stream, if its queue may be put in place now.
    async fn permitted(&self) -> Result<Stream, ApiError> {
        let (db, now) = (&self.app.db.pool, self.app.clock.now());
        let stream = self.path.stream();
        let standing = store::standing(db, &self.scope, stream.as_ref().ok().copied(), now).await?;
        require_administrator(standing)?;
        let stream = stream?;
        match (self.replaces, standing.has_queue) {
            (false, true) => Err(Code::QueueAlreadyConfigured.into()),
            (true, false) => Err(Code::QueueNotConfigured.into()),
            _ if !standing.has_secret => Err(Code::SigningSecretRequired.into()),
            _ => Ok(stream),
        }
    }

    async fn store(&self, stream: Stream, settings: &Settings, target: &Target) -> Result<(), ApiError> {
        let (app, scope, now) = (self.app, &self.scope, self.app.clock.now());
        let place = place(scope.org_id, stream.name());
        let sealed =
            settings.secret().map(|secret| app.keyring.master.seal(&place, secret.expose().as_bytes()));
        let new = NewQueue {
            kind: settings.kind(),
            settings: &settings.to_json(),
            sealed: sealed.as_deref(),
            expires_at: expires_at(target),
        };
        if self.replaces {
            let replaced = store::replace(&app.db.pool, scope, stream, &new, now).await?;
            if replaced { Ok(()) } else { Err(Code::QueueNotConfigured.into()) }
        } else {
            let inserted = store::insert(&app.db.pool, scope, stream, &new, now).await?;
            if inserted { Ok(()) } else { Err(Code::QueueAlreadyConfigured.into()) }
        }
    }
}

/// A key in its grace window administers nothing (contract 4).
pub fn require_administrator(standing: Standing) -> Result<(), ApiError> {
    match standing {
        Standing { is_dead: true, is_superseded: false, .. } => Err(Code::Unauthorized.into()),
        Standing { is_superseded: true, .. } => Err(Code::KeySuperseded.into()),
        _ => Ok(()),
    }
}
