//! How long an event is on its way: users are created at a steady rate, however long each takes, and their events
//! received; one clock sees both ends.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::tally::{after, uuid};
use super::wire::{self, Connection};

/// The time in which the last events may arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How users are created.
#[derive(Args)]
pub struct Paced {
    /// Where events are received.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The service's public listener.
    #[arg(long)]
    api: SocketAddr,
    /// A tenant key.
    #[arg(long)]
    key: String,
    /// Users a second.
    #[arg(long)]
    rate: u64,
    /// For how long.
    #[arg(long)]
    seconds: u64,
    /// Connections to create them on.
    #[arg(long, default_value_t = 32)]
    connections: u64,
}

/// What is known of the users.
#[derive(Default)]
struct Users {
    /// When each was asked for, and when that was answered: it was committed in between.
    made: HashMap<u128, (Instant, Instant)>,
    arrived: HashMap<u128, Instant>,
}

type Shared = Arc<Mutex<Users>>;

impl Paced {
    /// Listens, waits for a line on standard input (the queue must be registered), creates and receives, and prints.
    pub async fn run(self) -> io::Result<()> {
        let users = Shared::default();
        let listener = super::listen(self.listen, 1024)?;
        tokio::spawn(receive(listener, users.clone()));
        tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()))
            .await
            .map_err(io::Error::other)??;

        let (paced, next, began) = (Arc::new(self), Arc::new(AtomicU64::new(0)), Instant::now());
        let mut makers = JoinSet::new();
        for _ in 0..paced.connections {
            makers.spawn(make(paced.clone(), next.clone(), began, users.clone()));
        }
        while let Some(made) = makers.join_next().await {
            made.map_err(io::Error::other)??;
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && {
            let users = lock(&users);
            users.arrived.len() < users.made.len()
        } {
            sleep(Duration::from_millis(20)).await;
        }
        println!("{}", report(&lock(&users)));
        Ok(())
    }
}

/// Creates every user whose turn it is, each at its time.
async fn make(paced: Arc<Paced>, next: Arc<AtomicU64>, began: Instant, users: Shared) -> io::Result<()> {
    let stream = TcpStream::connect(paced.api).await?;
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    let run = u128::from(std::process::id()) << 96 | 0x4000_8000_0000_0000_0000;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= paced.rate * paced.seconds {
            return Ok(());
        }
        sleep_until(began + Duration::from_secs_f64(number as f64 / paced.rate as f64)).await;
        let id = run | u128::from(number);
        let hex = format!("{id:032x}");
        let body = format!(
            "{{\"user_id\":\"{}-{}-{}-{}-{}\"}}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        );
        let request = format!(
            "POST /v1/users HTTP/1.1\r\nhost: {}\r\ntaih-tenant-key: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            paced.api,
            paced.key,
            body.len()
        );
        let asked = Instant::now();
        connection.answer(request.as_bytes()).await?;
        let answer = connection.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if answer.path() != "201" {
            return Err(io::Error::other(format!("a user was not created: {}", answer.path())));
        }
        lock(&users).made.insert(id, (asked, Instant::now()));
    }
}

async fn receive(listener: TcpListener, users: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let users = users.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut connection = Connection::new(stream);
            while let Ok(Some(request)) = connection.next().await {
                let (id, now) = (after(request.body, b"\"user_id\":\"").and_then(uuid), Instant::now());
                if let Some(id) = id {
                    lock(&users).arrived.entry(id).or_insert(now);
                }
                if connection.answer(&wire::reply(204, &[], "")).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// In milliseconds: from the request to the arrival, and from its answer, which comes after the commit.
fn report(users: &Users) -> serde_json::Value {
    let mut from = [Vec::new(), Vec::new()];
    for (id, (asked, answered)) in &users.made {
        let Some(arrived) = users.arrived.get(id) else { continue };
        from[0].push(arrived.duration_since(*asked).as_secs_f64() * 1_000.0);
        from[1].push(arrived.saturating_duration_since(*answered).as_secs_f64() * 1_000.0);
    }
    let [asked, answered] = from.map(|mut times| {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share) as usize).copied();
        json!({"p50": at(0.5), "p99": at(0.99), "max": times.last()})
    });
    json!({
        "arrived": users.arrived.len(), "created": users.made.len(), "from_answer_ms": answered, "from_request_ms": asked,
    })
}

fn lock(users: &Shared) -> MutexGuard<'_, Users> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}
