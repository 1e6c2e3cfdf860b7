//! A receiver that is faster than what sends to it, or as slow as it is told to be: webhooks, and as much of SQS and
//! STS as a sender of messages needs. Counts what arrives, looks for duplicates and for events of a subject that
//! overtook an earlier one, and measures how long an event is on its way. Run by `bench/events`.
//!
//!     sink receive [--check] [--workers N --backlog N --delay-ms N] [--rate N --limit window|bucket --retry-after S]
//!     sink paced --api 127.0.0.1:8080 --key KEY --rate N --seconds N
//!
//! Prints the address that it listens on; `GET /report` shows the counts, `POST /reset` starts them anew.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod judge;
mod paced;
mod sqs;
mod tally;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, Parser};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use self::judge::{Behaviour, Judge};
use self::tally::Tally;
use self::wire::Connection;

#[derive(Parser)]
enum Command {
    /// Receives until it is ended.
    Receive(Receive),
    /// Creates users at a steady rate, receives their events, and prints how long they took.
    Paced(paced::Paced),
}

/// How it listens.
#[derive(Args)]
struct Receive {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Connections that wait to be taken.
    #[arg(long, default_value_t = 1024)]
    backlog: u32,
    /// Connections that are served at a time; 0 is all of them.
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Remembers every id and every subject.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    behaviour: Behaviour,
}

/// What all connections share.
struct Sink {
    judge: Judge,
    tally: Mutex<Tally>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == "--bench") {
        // `cargo bench`: there is nothing to measure by itself.
        return Ok(());
    }
    match Command::parse() {
        Command::Receive(receive) => {
            let sink =
                Sink { judge: Judge::new(receive.behaviour), tally: Mutex::new(Tally::new(receive.check)) };
            let listener = listen(receive.listen, receive.backlog)?;
            Arc::new(sink).accept(listener, receive.workers).await
        }
        Command::Paced(paced) => paced.run().await,
    }
}

/// Listens, and says where.
fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(backlog)?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

impl Sink {
    async fn accept(self: Arc<Self>, listener: TcpListener, workers: usize) -> io::Result<()> {
        if workers == 0 {
            loop {
                let (stream, _) = listener.accept().await?;
                let sink = self.clone();
                tokio::spawn(async move { sink.serve(stream).await });
            }
        }
        let listener = Arc::new(listener);
        for _ in 0..workers {
            let (sink, listener) = (self.clone(), listener.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // The next one waits in the backlog.
                    let _ = sink.serve(stream).await;
                }
            });
        }
        std::future::pending().await
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.tally(|tally| tally.connections += 1);
        let mut connection = Connection::new(stream);
        while let Some(request) = connection.next().await? {
            let (reply, closes) = match (request.method(), request.path()) {
                ("GET", "/report") => {
                    (wire::reply(200, &[], &self.tally(|tally| tally.report()).to_string()), false)
                }
                ("POST", "/reset") => {
                    self.tally(Tally::reset);
                    (wire::reply(204, &[], ""), false)
                }
                _ => self.answer(&request).await,
            };
            connection.answer(&reply).await?;
            if closes {
                break;
            }
        }
        Ok(())
    }

    /// The answer to a delivery, and whether the connection ends with it.
    async fn answer(&self, request: &wire::Request<'_>) -> (Vec<u8>, bool) {
        self.tally(Tally::begin);
        let verdict = self.judge.judge().await;
        let messages = self.tally(|tally| tally.end(request, verdict.is_good()));
        let reply = match sqs::reply(request, messages) {
            Some(reply) if verdict.is_good() => reply,
            _ => verdict.reply(),
        };
        (reply, self.judge.closes())
    }

    fn tally<T>(&self, look: impl FnOnce(&mut Tally) -> T) -> T {
        look(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
