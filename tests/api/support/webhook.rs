//! A partner's endpoint that acknowledges every event.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Starts one for as long as the test runs; gives its URL. The service must be allowed to go to
/// private addresses (`ALLOW_PRIVATE_TARGETS`).
pub async fn start() -> String {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = door.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = door.accept().await {
            tokio::spawn(acknowledge(stream));
        }
    });
    format!("http://{address}/events")
}

/// Answers what has arrived at the end of a JSON body, which is all that is sent here.
async fn acknowledge(mut stream: TcpStream) {
    let mut arrived = Vec::new();
    while !arrived.ends_with(b"}") {
        match stream.read_buf(&mut arrived).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
}
