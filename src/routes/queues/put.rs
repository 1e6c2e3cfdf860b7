//! Registering and replacing a queue: judge, test, store.

use axum::http::StatusCode;
use axum::response::Response;

use super::input::{QueuePath, RegisterQueue};
use super::reply::Queue;
use super::rules::{QueueAction, Standing};
use super::store::{NewQueue, StreamQueue};
use super::test_publish;
use crate::changes::Mandate;
use crate::crypto::associated_data;
use crate::crypto::secret::Secret;
use crate::error::{ApiError, Problem, ProblemKind};
use crate::events::StreamName;
use crate::events::options::QueueOptions;
use crate::events::queue::{QueueSettings, expires_at, require_live, secret};
use crate::events::targets::Target;
use crate::features::Feature;
use crate::http::paging::Data;
use crate::idempotency::{self, Claim, Reply};
use crate::sending;
use crate::state::App;

/// A queue to put in place.
pub struct Put<'a> {
    pub app: &'a App,
    pub mandate: Mandate,
    pub path: QueuePath,
    /// The kind of change: whether there must be a queue already, or none yet.
    pub kind: QueueAction,
}

impl Put<'_> {
    /// Tests the queue and stores it. The conditions are asked before the test, which may take
    /// seconds, and again with the change.
    pub async fn execute(self, input: RegisterQueue, claim: Option<Claim>) -> Result<Response, ApiError> {
        let (app, org_id, kind) = (self.app, self.mandate.org_id, self.kind);
        let RegisterQueue { settings, options } = input;
        let target = self.judged(&settings)?;
        let stream = self.path.find(&app.streams).await?;
        let queue = StreamQueue { stream: stream.clone(), new: None };
        let stream = self.mandate.snapshot(&app.db, &app.clock, &queue).await?.decide(kind, stream)?.stream;
        if let Some(encrypt_to) = options.form.encrypt_to {
            sending::require_recipient(app, org_id, encrypt_to).await?;
        }
        // There is nobody to send it to where messages are fetched.
        if !matches!(target, Target::Poll) {
            let trace = self.mandate.author.trace();
            test_publish::send(app, org_id, &stream, (&target, options.form), trace).await?;
        }
        let new = Some(self.stored(&stream, &settings, &target, options));
        let queue = StreamQueue { stream: Some(stream.clone()), new };
        let named = Some(stream.clone());
        let rule = move |org: &Standing| org.decide(kind, named.clone()).map(Some);
        let change = self.mandate.change(&app.clock, queue, rule);
        let status = if kind == QueueAction::Create { StatusCode::CREATED } else { StatusCode::OK };
        let shown = app.clone();
        let response = idempotency::execute(app, claim, change, move |row| {
            let row = row.ok_or_else(|| ApiError::internal("a queue was stored and is not there"))?;
            Reply::new(status, &Data { data: Queue::of(&shown, org_id, row)? })
        });
        let response = response.await?;
        app.outbox.queue_changed(org_id, stream);
        Ok(response)
    }

    fn judged(&self, settings: &QueueSettings) -> Result<Target, ApiError> {
        match settings {
            QueueSettings::AzureEventHubs(..) => self.app.require_live(Feature::AzureEventHubs)?,
            QueueSettings::Kafka(..) => self.app.require_live(Feature::Kafka)?,
            _ => {}
        }
        let judged = settings.target(self.app.config.targets.policy).and_then(|target| {
            require_live(&target, self.app.clock.now())?;
            Ok(target)
        });
        judged.map_err(|invalid| {
            let location = [settings.kind(), invalid.field];
            let problem = Problem::within_body(location, ProblemKind::ValueError, invalid.reason);
            ApiError::Invalid(vec![problem])
        })
    }

    fn stored(
        &self,
        stream: &StreamName,
        settings: &QueueSettings,
        target: &Target,
        options: QueueOptions,
    ) -> NewQueue {
        let associated_data = associated_data::event_queue(self.mandate.org_id, stream.as_str());
        let seal = |secret: &Secret<String>| {
            self.app.keyring.master.seal(&associated_data, secret.expose().as_bytes())
        };
        NewQueue {
            kind: settings.kind(),
            settings: settings.to_json(),
            sealed: secret(target).map(seal),
            expires_at: expires_at(target),
            options,
        }
    }
}
