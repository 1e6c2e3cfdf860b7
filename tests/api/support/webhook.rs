//! A partner's endpoint, which answers as a test wants and remembers what it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Starts one that acknowledges everything; gives its URL. The service must be allowed to go to
/// private addresses (`ALLOW_PRIVATE_TARGETS`).
pub async fn start() -> String {
    Receiver::start().await.url
}

/// An endpoint that runs as long as the test.
pub struct Receiver {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    answer: Answer,
    arrived: Vec<Arrived>,
}

/// A status line, and further header lines after `\r\n`.
#[derive(Clone)]
enum Answer {
    Now(String),
    /// Once the test lets it.
    Later(String, watch::Receiver<bool>),
}

/// What arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Receiver {
    /// Starts one that acknowledges everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/events", listener.local_addr().expect("an address"));
        let shared =
            Arc::new(Mutex::new(Shared { answer: Answer::Now("200 OK".to_owned()), arrived: Vec::new() }));
        let receiver = Self { url, shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        receiver
    }

    /// From now on answers like this: a status line, and further header lines after `\r\n`.
    pub fn answers(&self, head: &str) {
        self.shared().answer = Answer::Now(head.to_owned());
    }

    /// From now on takes everything and says nothing, until the sender says `true`.
    #[must_use]
    pub fn answers_later(&self, head: &str) -> watch::Sender<bool> {
        let (release, released) = watch::channel(false);
        self.shared().answer = Answer::Later(head.to_owned(), released);
        release
    }

    /// What has arrived since the last time this was asked; registration's test events are left out.
    pub fn take(&self) -> Vec<Arrived> {
        let mut arrived = self.take_all();
        arrived.retain(|arrived| arrived.json()["type"] != "queue.test");
        arrived
    }

    /// The same with test events.
    pub fn take_all(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.shared().arrived)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrived {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// What happened.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// The event's id.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The signatures of the org's secrets, in the order sent.
    pub fn signatures(&self) -> Vec<&str> {
        self.signatures_of("v1,")
    }

    /// The signatures of a kind.
    pub fn signatures_of(&self, kind: &str) -> Vec<&str> {
        self.headers["webhook-signature"].split(' ').filter(|signature| signature.starts_with(kind)).collect()
    }

    /// What Standard Webhooks 1.0 says the signature with `secret` is.
    pub fn signature_with(&self, secret: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        mac.update(signed.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Answers requests with a `Content-Length` until the client hangs up.
async fn serve(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        let request = text.split_once("\r\n\r\n").map(|(head, rest)| (headers(head), rest.to_owned()));
        match request {
            Some((headers, body)) if headers["content-length"].parse() == Ok(body.len()) => {
                let answer = {
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.arrived.push(Arrived { headers, body });
                    shared.answer.clone()
                };
                bytes.clear();
                let head = match answer {
                    Answer::Now(head) => head,
                    Answer::Later(head, mut released) => {
                        let _ = released.wait_for(|released| *released).await;
                        head
                    }
                };
                let reply = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
            }
            _ if matches!(stream.read_buf(&mut bytes).await, Ok(1..)) => {}
            _ => return,
        }
    }
}

fn headers(head: &str) -> HashMap<String, String> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}
