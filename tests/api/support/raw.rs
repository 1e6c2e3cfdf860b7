//! HTTP as bytes on a socket, for what no well-behaved client sends.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    /// What has arrived beyond the last answer.
    arrived: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct RawReply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("the server accepts"), arrived: Vec::new() }
    }

    /// Sends bytes. That the server has hung up shows when its answer is read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer; none if the server hangs up first.
    pub async fn reply(&mut self) -> Option<RawReply> {
        let head_end = loop {
            match find(&self.arrived, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.receive().await == 0 => return None,
                None => {}
            }
        };
        let head = String::from_utf8_lossy(&self.arrived[..head_end]).to_lowercase();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().expect("a length"));
        let end = head_end + 4 + length;
        while self.arrived.len() < end && self.receive().await > 0 {}
        let rest = self.arrived.split_off(end.min(self.arrived.len()));
        let body = String::from_utf8_lossy(&self.arrived[head_end + 4..]).into_owned();
        self.arrived = rest;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        Some(RawReply { status, head, body })
    }

    /// Whether the server hangs up without another word.
    pub async fn is_closed(&mut self) -> bool {
        self.arrived.is_empty() && self.receive().await == 0
    }

    /// How many bytes came; a connection that was reset is one that ended.
    async fn receive(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.arrived));
        read.await.expect("the server answers or hangs up").unwrap_or(0)
    }
}

impl RawReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> RawReply {
    let mut connection = Connection::open(address).await;
    connection.send(request).await;
    connection.reply().await.expect("an answer")
}

/// A GET request.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// A POST request with a body of JSON.
pub fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
