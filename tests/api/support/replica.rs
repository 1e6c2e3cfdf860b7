//! A second process over the same database.

use std::time::Duration;

use partner_api::app::{self, Door};
use partner_api::crypto::keyring::Keyring;
use partner_api::db::change_feed::ChangeFeed;
use partner_api::state::App;
use partner_api::telemetry::AccessLog;
use tokio::task::JoinSet;

use super::{Caller, TestApp, within};

/// The service once more, which hears what changes.
pub struct Replica {
    pub state: App,
    public: Door,
    _tasks: JoinSet<()>,
}

impl Replica {
    /// Starts it, and waits until it believes its memory.
    pub async fn start(app: &TestApp) -> Self {
        let (config, db) = (app.state.config.clone(), app.database.db());
        let master = config.master.keys.clone().expect("it is configured");
        let keyring = Keyring::open(&db.pool, master).await.expect("it opens");
        let state = App::new(config, app.clock.clone(), db, keyring, AccessLog::off());
        let (listener, _) = ChangeFeed::new(state.db.clone(), state.trust.clone(), state.clock.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(listener.run(state.caches()));
        let fresh = async || state.trust.is_fresh().then_some(());
        within(Duration::from_secs(10), "the replica believes its memory", fresh).await;
        Self { public: app::public(&state), state, _tasks: tasks }
    }

    /// A caller of its public listener without credentials.
    pub fn anyone(&self) -> Caller {
        Caller::of(self.public.clone())
    }
}
