//! The real program, as an operator runs it.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use uuid::Uuid;

use super::Database;
use super::database::MASTER_KEYS;
use super::run::Run;

/// Nothing takes this long, not even on a busy machine; more is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a directory of its own, with these variables and no others.
pub struct Program {
    pub directory: PathBuf,
    /// Where it is started.
    works_in: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a command that has ended leaves.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Program {
    /// With a Postgres of its own under `./.data`.
    pub fn embedded() -> Self {
        let directory = Run::get().directory.join(Uuid::new_v4().simple().to_string());
        fs::create_dir(&directory).expect("a directory");
        Self { works_in: directory.clone(), directory, variables: Vec::new() }
            .with("LISTEN_ADDR", "127.0.0.1:0")
            .with("INTERNAL_LISTEN_ADDR", "127.0.0.1:0")
            .with("LOG_FORMAT", "json")
    }

    /// With a database of the test's.
    pub fn on(database: &Database) -> Self {
        Self::embedded().with("DATABASE_URL", &database.url()).with("MASTER_KEYS", MASTER_KEYS)
    }

    /// The same, started in another directory.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        self.works_in = directory.to_owned();
        self
    }

    /// Sets a variable, in place of what it was.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.spawn(arguments).ended()
    }

    /// Runs a command whose standard output is a device that is always full.
    pub fn run_into_full(&self, arguments: &[&str]) -> Outcome {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux");
        let done = self.command(arguments).stdout(full).stderr(Stdio::piped()).output().expect("it runs");
        let err = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
        Outcome { status: done.status, out: String::new(), err }
    }

    /// Starts `serve`, and waits until it listens.
    pub fn serve(&self) -> Service {
        let mut process = self.spawn(&["serve"]);
        let event = process.logged("listening");
        let address =
            |name: &str| event[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Service { public: address("public"), internal: address("internal"), process }
    }

    /// The same, and what it printed on standard error until a line begins with `last`.
    pub fn serve_and_read(&self, last: &str) -> (Service, String) {
        let service = self.serve();
        let mut printed = String::new();
        while let Ok(line) = service.process.err.recv_timeout(PATIENCE) {
            printed.push_str(&line);
            printed.push('\n');
            if line.starts_with(last) {
                return (service, printed);
            }
        }
        panic!("it never prints {last:?}: {printed}");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_partner-api"));
        command
            .args(arguments)
            .current_dir(&self.works_in)
            .env_clear()
            .envs(["PATH", "PG_BIN", "TMPDIR"].iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn spawn(&self, arguments: &[&str]) -> Process {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Process::new(child.expect("the program starts"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Outcome {
    /// Insists that it went well; gives what was printed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.out
    }

    /// Insists that it failed as commands fail, with one message on standard error; gives that.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let message = self.err.strip_prefix("partner-api: ");
        message.unwrap_or_else(|| panic!("no message of ours: {self:?}")).to_owned()
    }
}

/// A running service.
pub struct Service {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    process: Process,
}

impl Service {
    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Sends SIGKILL, and waits for the end.
    pub fn kill(self) {
        self.process.signal(Signal::KILL);
        self.ended();
    }

    /// Stops it with SIGTERM; gives how it ended, its log and what else it printed.
    pub fn stop(self) -> Outcome {
        self.terminate();
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(self) -> Outcome {
        self.process.ended()
    }
}

/// A running program. One that is dropped is killed.
struct Process {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// What was read of `out`.
    lines: Vec<String>,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        Self { child, out, err, lines: Vec::new() }
    }

    /// Waits for a line of the log.
    fn logged(&mut self, message: &str) -> Value {
        while let Ok(line) = self.out.recv_timeout(PATIENCE) {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            self.lines.push(line);
            if event["message"] == message {
                return event;
            }
        }
        let _ = self.child.kill();
        panic!("it never logs {message:?}: {:?} {}", self.lines, all(&self.err));
    }

    fn ended(mut self) -> Outcome {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the program hangs");
            thread::sleep(Duration::from_millis(10));
        };
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(self.out.iter());
        Outcome { status, out: lines.join("\n"), err: all(&self.err) }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read on a thread of its own so that the writer never waits.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let pipe = BufReader::new(pipe.expect("it is piped"));
    let (send, lines) = mpsc::channel();
    thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    lines
}

/// All lines to the end of the pipe.
fn all(lines: &Receiver<String>) -> String {
    lines.iter().collect::<Vec<_>>().join("\n")
}
