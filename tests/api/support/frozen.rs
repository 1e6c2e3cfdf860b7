//! Postgres's processes, stopped and let go on: what a machine that swaps, a hypervisor that
//! pauses or a network that swallows packets looks like from the service.

use rustix::process::{Pid, Signal, kill_process};

use super::TestApp;

/// How the last statement begins of the connection that hears changes.
pub const LISTENER: &str = "SELECT clock_timestamp() ";

/// Backends of the test's database that stand still for as long as this lives.
pub struct Frozen(Vec<Pid>);

impl Frozen {
    /// Freezes the backends of the app's database whose last statement begins like this. `None`
    /// where the server's processes are not ours to stop, as with one on another machine.
    pub async fn backends(app: &TestApp, statement: &str) -> Option<Self> {
        let pids: Vec<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND starts_with(query, $1)",
        )
        .bind(statement)
        .fetch_all(&mut app.database.connect().await)
        .await
        .expect("the database answers");
        assert!(!pids.is_empty(), "no backend ran {statement:?}");
        let is_ours = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
        };
        if !pids.iter().all(is_ours) {
            return None;
        }
        let pids: Vec<_> = pids.into_iter().filter_map(Pid::from_raw).collect();
        let stopped = pids.iter().all(|pid| kill_process(*pid, Signal::STOP).is_ok());
        let frozen = Self(pids);
        stopped.then_some(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}
