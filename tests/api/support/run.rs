//! This run of the tests, and what becomes of what it leaves.
//!
//! Nothing runs when a static goes away, and less when a process is killed. So whatever a run
//! makes carries its name, and the [`reaper`] outlives it: the same program, started again to
//! wait for the end of a pipe that only the run holds open. (The throw-away cluster needs no help:
//! it has a guard of the same kind.)

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, PipeWriter};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{server, within};

/// What the names of all runs begin with.
pub const PREFIX: &str = "partner_api_test_";
/// Tells the reaper whose end it waits for.
const REAPED: &str = "PARTNER_API_TEST_REAPED";

pub struct Run {
    /// What the names of the run's databases begin with.
    pub name: String,
    /// For files; others may pass through, as Postgres must not run as root.
    pub directory: PathBuf,
    _reaper: PipeWriter,
}

impl Run {
    pub fn get() -> &'static Self {
        static RUN: OnceLock<Run> = OnceLock::new();
        RUN.get_or_init(|| {
            let name = format!("{PREFIX}{}_", uuid::Uuid::new_v4().simple());
            let directory = directory(&name);
            let reaper = start_reaper(&name);
            DirBuilder::new().mode(0o711).create(&directory).expect("a directory");
            Self { name, directory, _reaper: reaper }
        })
    }
}

fn directory(run: &str) -> PathBuf {
    env::temp_dir().join(run)
}

/// Processes that work in a directory or below. Every process of Postgres works in its cluster's.
pub fn processes_in(directory: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let works_there = processes.filter(|process| {
        fs::read_link(process.path().join("cwd")).is_ok_and(|works_in| works_in.starts_with(directory))
    });
    works_there.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
}

#[expect(clippy::zombie_processes, reason = "it ends after this process")]
fn start_reaper(run: &str) -> PipeWriter {
    let (end, pipe) = io::pipe().expect("a pipe");
    Command::new(env::current_exe().expect("this program has a path"))
        .args(["--ignored", "--exact", "support::run::reaper"])
        .env(REAPED, run)
        // A Ctrl-C is for the run; nobody waits for what the reaper says.
        .process_group(0)
        .stdin(end)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the reaper starts");
    pipe
}

#[tokio::test]
#[ignore = "not a test: removes what a run leaves, once its process is gone"]
async fn reaper() {
    let Ok(run) = env::var(REAPED) else { return };
    io::copy(&mut io::stdin(), &mut io::sink()).expect("the end of the run comes");
    let directory = directory(&run);
    let removed = async || {
        for process in processes_in(&directory) {
            let _ = kill_process(process, Signal::KILL);
        }
        let _ = fs::remove_dir_all(&directory);
        (!directory.exists()).then_some(())
    };
    within(Duration::from_secs(30), "files and processes are gone", removed).await;
    server::drop_databases_of(&run).await;
}
