//! A partner's endpoint that acknowledges every event.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Starts one for as long as the test runs; gives its URL. The service must be allowed to go to
/// private addresses (`ALLOW_PRIVATE_TARGETS`).
pub async fn start() -> String {
    Inbox::open().await.url
}

/// An endpoint that keeps what it was sent.
pub struct Inbox {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Inbox {
    /// Starts one for as long as the test runs.
    pub async fn open() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/events", door.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = door.accept().await {
                tokio::spawn(acknowledge(stream, kept.clone()));
            }
        });
        Self { url, requests }
    }

    /// What came since the last time, whole requests in their order.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers what has arrived at the end of a JSON body, which is all that is sent here.
async fn acknowledge(mut stream: TcpStream, kept: Arc<Mutex<Vec<String>>>) {
    let mut arrived = Vec::new();
    while !arrived.ends_with(b"}") {
        match stream.read_buf(&mut arrived).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&arrived).into_owned();
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
}
