//! As much of HTTP/1.1 as a client needs that sends a `Content-Length` and waits for its answer.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept.
pub struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Of these, those of the request that is being answered.
    taken: usize,
}

/// A request in full.
pub struct Request<'b> {
    head: &'b str,
    /// What was sent.
    pub body: &'b [u8],
}

impl Connection {
    /// Nothing is read yet.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, bytes: Vec::with_capacity(8_192), taken: 0 }
    }

    /// Waits for the next request; `None` once the client is gone.
    pub async fn next(&mut self) -> io::Result<Option<Request<'_>>> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        loop {
            if let Some((head, end)) = extent(&self.bytes)? {
                self.taken = end;
                let text = std::str::from_utf8(&self.bytes[..head]).map_err(io::Error::other)?;
                return Ok(Some(Request { head: text, body: &self.bytes[head..end] }));
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Writes an answer, or a request.
    pub async fn answer(&mut self, reply: &[u8]) -> io::Result<()> {
        self.stream.write_all(reply).await
    }
}

impl Request<'_> {
    /// The method; of an answer the version.
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The target; of an answer the status.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

/// Where the head ends and where the message does, if it is all there.
fn extent(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = end + 4;
    let text = std::str::from_utf8(&bytes[..head]).map_err(io::Error::other)?;
    let length: usize = match header(text, "content-length") {
        Some(length) => length.parse().map_err(io::Error::other)?,
        None => 0,
    };
    Ok((bytes.len() >= head + length).then_some((head, head + length)))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (named, value) = line.split_once(':')?;
        named.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer with these header lines.
pub fn reply(status: u16, headers: &[String], body: &str) -> Vec<u8> {
    let mut reply = format!("HTTP/1.1 {status} Answer\r\n");
    if status != 204 {
        reply += &format!("content-length: {}\r\n", body.len());
    }
    for line in headers {
        reply += line;
        reply += "\r\n";
    }
    reply += "\r\n";
    reply += body;
    reply.into_bytes()
}
