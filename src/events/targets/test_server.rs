//! Small HTTP servers on a loopback port, for the tests of this module.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server's behaviour once it has read a request.
#[derive(Clone, Copy, Debug)]
pub enum StubAnswer {
    /// Writes these bytes and keeps the connection.
    Write(&'static str),
    /// Writes this status and body, and keeps the connection.
    Body(u16, &'static str),
    /// Writes these bytes and closes.
    WriteAndClose(&'static str),
    /// Writes a head that promises this many bytes, and as many.
    Huge(usize),
    /// Writes these bytes, then nothing more, and keeps the connection.
    Stall(&'static str),
    /// Writes these bytes one by one, and keeps the connection.
    Drip(&'static str),
}

/// A server that answers every request alike, unless told otherwise, and remembers.
pub struct TestServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
    next: VecDeque<StubAnswer>,
    special: Option<(&'static str, StubAnswer)>,
}

impl TestServer {
    pub async fn start(answer: StubAnswer) -> Self {
        Self::start_on("127.0.0.1", answer).await
    }

    pub async fn start_on(ip: &str, answer: StubAnswer) -> Self {
        Self::start_at(&format!("{ip}:0"), answer).await
    }

    pub async fn start_at(address: &str, answer: StubAnswer) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().expect("no panic").connections += 1;
                tokio::spawn(serve(stream, answer, Arc::clone(&shared)));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    /// Answers the next requests like this, and then as before.
    pub fn next_answers(&self, answers: impl IntoIterator<Item = StubAnswer>) {
        self.seen.lock().expect("no panic").next.extend(answers);
    }

    /// Answers requests that hold this like that.
    pub fn answers_to(&self, part: &'static str, answer: StubAnswer) {
        self.seen.lock().expect("no panic").special = Some((part, answer));
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().expect("no panic").connections
    }

    /// Every request so far, head and body as text.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").requests.clone()
    }
}

async fn serve(mut stream: TcpStream, answer: StubAnswer, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read_request(&mut stream).await {
        let answer = {
            let mut seen = seen.lock().expect("no panic");
            let special = seen.special.filter(|(part, _)| request.contains(part)).map(|(_, answer)| answer);
            seen.requests.push(request);
            special.or_else(|| seen.next.pop_front()).unwrap_or(answer)
        };
        let written = match answer {
            StubAnswer::Write(bytes) | StubAnswer::WriteAndClose(bytes) | StubAnswer::Stall(bytes) => {
                stream.write_all(bytes.as_bytes()).await
            }
            StubAnswer::Body(status, body) => stream.write_all(whole(status, body).as_bytes()).await,
            StubAnswer::Drip(bytes) => drip(&mut stream, bytes).await,
            StubAnswer::Huge(length) => stream.write_all(whole(200, &"a".repeat(length)).as_bytes()).await,
        };
        match answer {
            StubAnswer::Write(_) | StubAnswer::Body(..) | StubAnswer::Drip(_) | StubAnswer::Huge(_)
                if written.is_ok() => {}
            StubAnswer::Stall(_) => std::future::pending().await,
            _ => return,
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &str) -> std::io::Result<()> {
    for byte in bytes.bytes() {
        stream.write_all(&[byte]).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn whole(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// One request with a `content-length`, or `None` when the client is gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
