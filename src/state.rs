//! The application's state, which every request can reach.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::FromRef;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::db::batch::Batcher;
use crate::db::change_feed::Invalidate;
use crate::db::news::Changed;
use crate::db::trust::Trust;
use crate::error::ApiError;
use crate::events::targets::Targets;
use crate::features::{DisabledFeatures, Feature};
use crate::http::totals::Totals;
use crate::identity::nonces::Nonces;
use crate::identity::once_a_minute::OnceAMinute;
use crate::identity::signatures::SignedBase;
use crate::identity::usage::SourceNetwork;
use crate::identity::{self, Identity};
use crate::ids::{KeyId, OrgId};
use crate::key_calendar::event_keys::EventKeys;
use crate::limits::Limits;
use crate::limits::quota::Quota;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::queue_health::QueueHealth;
use crate::readiness::Readiness;
use crate::routes::internal::events::batch::Publishing;
use crate::routes::leaks::queue::LeakQueue;
use crate::routes::users::inserts::Inserts;
use crate::routes::users::lookups::Lookups;
use crate::streams::Streams;
use crate::telemetry::AccessLog;
use crate::workers::Workers;

/// Logins to the console that are tried from one network in a minute.
const LOGINS_PER_MINUTE: u32 = 10;

/// The service: cheap to clone, shared by all requests and background tasks.
#[derive(Clone)]
pub struct App(Arc<AppState>);

/// The target of [`App`].
pub struct AppState {
    /// As read at start.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Postgres.
    pub db: Db,
    /// The conditions under which memory may be believed.
    pub trust: Arc<Trust>,
    /// The orgs, and their callers' credentials.
    pub identity: Identity,
    /// Nonces of signed requests.
    pub nonces: Batcher<Nonces>,
    /// Inserts users that come at the same time in one statement.
    pub new_users: Batcher<Inserts>,
    /// Writes the platform's events that come at the same time in one statement.
    pub publishing: Batcher<Publishing>,
    /// Finds users that are asked for at the same time in one statement.
    pub users: Batcher<Lookups>,
    /// Events that wait for their delivery.
    pub outbox: Arc<Outbox>,
    /// The streams of events, ours and the platform's.
    pub streams: Streams,
    /// How partners' queues did of late.
    pub queue_health: Arc<QueueHealth>,
    /// The ways to partners' queues.
    pub targets: Targets,
    /// The service's own keys.
    pub keyring: Keyring,
    /// Those that sign events.
    pub event_keys: EventKeys,
    /// Told when they were renewed.
    pub keys_renewed: Notify,
    /// Keys that somebody found.
    pub leaks: LeakQueue,
    /// Logins to the console.
    pub console_logins: Quota<SourceNetwork>,
    /// Told when a report was asked for.
    pub report_wanted: Notify,
    /// The features that are switched off.
    pub features: DisabledFeatures,
    /// Sizes of long lists.
    pub totals: Totals,
    /// Threads for what keeps a processor busy.
    pub workers: Workers,
    /// Counters for Prometheus.
    pub metrics: Metrics,
    /// One line a request.
    pub access_log: AccessLog,
    /// Those told of who call from outside of their allowed networks.
    pub outside_networks: OnceAMinute<(OrgId, Option<KeyId>, SourceNetwork)>,
    /// The limits on running requests.
    pub limits: Limits,
    /// The reason why traffic should go elsewhere, if it should.
    pub readiness: Readiness,
    /// Set once the process is told to stop.
    pub draining: AtomicBool,
}

impl App {
    /// Puts the service together, inside a tokio runtime; nothing is connected yet.
    #[must_use]
    pub fn new(config: Config, clock: Clock, db: Db, keyring: Keyring, access_log: AccessLog) -> Self {
        let (trust, share) = (Arc::new(Trust::default()), config.org_share);
        let db = db.shared(share);
        let metrics = Metrics::new(clock.now());
        // Off the threads that serve, and waited for by nobody but the first key that comes early.
        tokio::task::spawn_blocking(public_keys::rsa::prepare);
        Self(Arc::new(AppState {
            identity: Identity::new(
                identity::IdentitySettings {
                    gateway_secrets: config.gateway_secrets.clone(),
                    public_url: config.public_url.clone(),
                    signed_base: SignedBase::of(config.is_public_url_set.then_some(&config.public_url)),
                    require_key_proof: config.require_key_proof,
                },
                trust.clone(),
                keyring.clone(),
                db.clone(),
                clock.clone(),
                &metrics,
            ),
            nonces: Nonces::spawn(db.clone(), clock.clone(), metrics.database.batch("signature_nonces"))
                .shared(share),
            new_users: Inserts::spawn(db.clone(), clock.clone(), metrics.database.batch("user_inserts"))
                .shared(share),
            publishing: Publishing::spawn(db.clone(), metrics.database.batch("event_inserts")),
            users: Lookups::spawn(db.clone(), metrics.database.batch("user_lookups")).shared(share),
            outbox: Arc::new(Outbox::new(db.clone(), metrics.database.batch("event_closings"))),
            streams: Streams::new(db.clone()),
            queue_health: Arc::new(QueueHealth::new(clock.clone())),
            targets: Targets::new(config.targets.clone(), clock.clone()),
            event_keys: EventKeys::new(keyring.clone(), db.clone(), clock.clone()),
            keyring,
            keys_renewed: Notify::new(),
            leaks: LeakQueue::default(),
            console_logins: Quota::per_minute(LOGINS_PER_MINUTE),
            report_wanted: Notify::new(),
            features: config.disabled_features.clone(),
            totals: Totals::default(),
            workers: Workers::new(&metrics.database, share, config.max_in_flight),
            metrics,
            limits: Limits::new(config.max_in_flight, share),
            readiness: Readiness::default(),
            draining: AtomicBool::new(false),
            config,
            clock,
            db,
            trust,
            access_log,
            outside_networks: OnceAMinute::default(),
        }))
    }

    /// Passes if a feature is live.
    ///
    /// # Errors
    /// 503 that names the feature and whom to ask (contract 2).
    pub fn require_live(&self, feature: Feature) -> Result<(), ApiError> {
        self.features.require(feature, &self.config.integration_contact)
    }

    /// The receivers of invalidations.
    #[must_use]
    pub fn caches(&self) -> Arc<impl Invalidate + use<>> {
        self.0.clone()
    }
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

impl Invalidate for AppState {
    fn forget(&self, changed: &Changed) {
        self.identity.forget(changed);
        match changed {
            Changed::ServiceKeys => {
                self.event_keys.forget();
                self.keys_renewed.notify_one();
            }
            Changed::Streams => self.streams.changed.notify_one(),
            Changed::Org(_)
            | Changed::Key(..)
            | Changed::Moved(..)
            | Changed::KeyPatterns
            | Changed::PlatformTokens => {}
        }
    }

    fn forget_all(&self) {
        self.identity.forget_all();
    }
}

impl FromRef<App> for Clock {
    fn from_ref(app: &App) -> Self {
        app.clock.clone()
    }
}

impl FromRef<App> for Workers {
    fn from_ref(app: &App) -> Self {
        app.workers.clone()
    }
}

impl FromRef<App> for Keyring {
    fn from_ref(app: &App) -> Self {
        app.keyring.clone()
    }
}
