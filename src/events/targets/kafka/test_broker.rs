//! A broker for tests, by itself a cluster: it answers as a test wants, and remembers what it was sent. It
//! reads the protocol by itself, after Kafka's guide, and shares nothing with what is tested.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 6;
/// The number of the broker.
const ID: i32 = 7;

/// A broker that runs as long as the test.
#[derive(Clone)]
pub struct Broker {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What it is to do, and what it saw.
#[derive(Default)]
pub struct State {
    pub connections: usize,
    /// Of these, those that stand.
    pub open: usize,
    /// Requests by name.
    pub asked: Vec<&'static str>,
    pub arrived: Vec<Arrived>,
    /// What the next answers to Produce say of each batch; then all is well.
    pub codes: VecDeque<i16>,
    /// More records of a batch are too many.
    pub most_records: Option<usize>,
    pub throttle_ms: i32,
    /// What metadata say of the topic.
    pub topic_code: i16,
    /// Where the partitions are said to be led: here, unless told otherwise.
    pub leader: Option<(String, u16)>,
    /// The user and password that PLAIN must have.
    pub login: Option<(&'static str, &'static str)>,
    /// Instead of the next answers, connections end.
    pub hang_ups: usize,
    /// Instead of all answers, these bytes.
    pub garbage: Option<Vec<u8>>,
    /// Nothing is answered.
    pub is_silent: bool,
}

/// A record that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub topic: String,
    pub partition: i32,
    pub key: String,
    pub value: String,
    pub headers: HashMap<String, String>,
}

impl Broker {
    /// One without TLS, at a port of this machine.
    pub async fn start() -> Self {
        let (broker, listener) = Self::bind().await;
        let serving = broker.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        broker
    }

    /// One that somebody accepts connections for.
    pub async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        (Self { address, state: Arc::default() }, listener)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn is_silent(&self) -> bool {
        self.state().is_silent
    }

    /// Connections so far, and those that stand.
    pub fn connections(&self) -> (usize, usize) {
        let state = self.state();
        (state.connections, state.open)
    }

    /// Requests so far, by name.
    pub fn asked(&self) -> Vec<&'static str> {
        self.state().asked.clone()
    }

    /// What arrived since this was asked last.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.state().arrived)
    }

    /// Answers a connection's requests until it ends.
    pub async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        {
            let mut state = self.state();
            (state.connections, state.open) = (state.connections + 1, state.open + 1);
        }
        let _ = self.converse(stream).await;
        self.state().open -= 1;
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        loop {
            let mut request = vec![0; usize::try_from(stream.read_i32().await?).expect("a length")];
            stream.read_exact(&mut request).await?;
            let mut request = Reader(&request);
            let (api, version, number) = (request.i16(), request.i16(), request.i32());
            assert_eq!(request.text(), "partner-api");
            let garbage = self.state().garbage.clone();
            if self.is_silent() {
                std::future::pending::<()>().await;
            }
            if let Some(garbage) = garbage {
                stream.write_all(&garbage).await?;
                continue;
            }
            let Some(answer) = self.answer(api, version, &mut request) else { return Ok(()) };
            assert!(request.0.is_empty(), "a request has nothing beyond its end");
            let answer = [&number.to_be_bytes()[..], &answer].concat();
            stream.write_all(&i32::try_from(answer.len()).expect("short").to_be_bytes()).await?;
            stream.write_all(&answer).await?;
        }
    }

    fn answer(&self, api: i16, version: i16, request: &mut Reader<'_>) -> Option<Vec<u8>> {
        let mut state = self.state();
        match (api, version) {
            (17, 1) => {
                state.asked.push("handshake");
                let code = if request.text() == "PLAIN" { 0_i16 } else { 33 };
                let offered = [&1_i32.to_be_bytes()[..], &text("PLAIN")].concat();
                Some([&code.to_be_bytes()[..], &offered].concat())
            }
            (36, 0) => {
                state.asked.push("authenticate");
                let (user, password) = state.login.expect("a log-in that is expected");
                let is_right = request.bytes() == format!("\0{user}\0{password}").as_bytes();
                let said = if is_right { (0_i16, vec![0xff, 0xff]) } else { (58, text("no such user")) };
                Some([&said.0.to_be_bytes()[..], &said.1, &0_i32.to_be_bytes()].concat())
            }
            _ if state.hang_ups > 0 => {
                state.hang_ups -= 1;
                None
            }
            (3, 7) => {
                state.asked.push("metadata");
                assert_eq!(request.i32(), 1, "topics");
                let topic = request.text().to_owned();
                assert_eq!(request.take(1), [0], "no topic is made");
                let here = ("127.0.0.1".to_owned(), self.address.port());
                let (host, port) = state.leader.clone().unwrap_or(here);
                Some(metadata(&topic, state.topic_code, &host, port))
            }
            (0, 7) => {
                state.asked.push("produce");
                Some(produce(&mut state, request))
            }
            other => unreachable!("API and version {other:?} are not spoken"),
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    [&i16::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat()
}

fn metadata(topic: &str, code: i16, host: &str, port: u16) -> Vec<u8> {
    let int = |value: i32| value.to_be_bytes().to_vec();
    let null = vec![0xff, 0xff];
    let broker = [int(ID), text(host), int(port.into()), null.clone()].concat();
    let partition = |index| {
        let replicas = [int(1), int(ID), int(1), int(ID), int(0)].concat();
        [vec![0, 0], int(index), int(ID), int(0), replicas].concat()
    };
    let count = if code == 0 { PARTITIONS } else { 0 };
    let partitions: Vec<u8> = (0..count).flat_map(partition).collect();
    let topic = [code.to_be_bytes().to_vec(), text(topic), vec![0], int(count), partitions].concat();
    [int(0), int(1), broker, null, int(ID), int(1), topic].concat()
}

fn produce(state: &mut State, request: &mut Reader<'_>) -> Vec<u8> {
    assert_eq!(request.take(2), [0xff, 0xff], "no transaction");
    assert_eq!(request.i16(), -1, "acknowledged by all replicas in sync");
    assert!((1..=10_000).contains(&request.i32()), "within the time that the attempt has");
    assert_eq!(request.i32(), 1, "topics");
    let topic = request.text().to_owned();
    let partitions = request.i32();
    let mut answer = [&1_i32.to_be_bytes()[..], &text(&topic), &partitions.to_be_bytes()].concat();
    for _ in 0..partitions {
        let partition = request.i32();
        let records = batch(&topic, partition, &mut Reader(request.bytes()));
        let is_too_large = state.most_records.is_some_and(|most| records.len() > most);
        let code = if is_too_large { 10 } else { state.codes.pop_front().unwrap_or_default() };
        if code == 0 {
            state.arrived.extend(records);
        }
        answer.extend([&partition.to_be_bytes()[..], &code.to_be_bytes(), &[0; 24]].concat());
    }
    answer.extend(state.throttle_ms.to_be_bytes());
    answer
}

/// The records of a batch, which must be one and whole.
fn batch(topic: &str, partition: i32, batch: &mut Reader<'_>) -> Vec<Arrived> {
    assert_eq!(batch.take(8), [0; 8], "the first offset is the broker's to give");
    assert_eq!(usize::try_from(batch.i32()), Ok(batch.0.len()), "the length is that of the rest");
    assert_eq!(batch.i32(), -1, "the leader's epoch is its own to give");
    assert_eq!(batch.take(1), [2], "magic");
    let sum = u32::from_be_bytes(batch.take(4).try_into().expect("four"));
    assert_eq!(sum, crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(batch.0));
    assert_eq!(batch.i16(), 0, "neither compressed nor part of a transaction");
    let last = batch.i32();
    let (first_time, last_time) = (batch.take(8), batch.take(8));
    assert_eq!(first_time, last_time);
    assert_eq!(batch.take(14), [0xff; 14], "no producer that counts");
    let count = batch.i32();
    assert_eq!(last, count - 1);
    let records = (0..i64::from(count)).map(|nth| record(topic, partition, nth, batch)).collect();
    assert!(batch.0.is_empty(), "a batch has nothing beyond its records");
    records
}

fn record(topic: &str, partition: i32, nth: i64, batch: &mut Reader<'_>) -> Arrived {
    let length = usize::try_from(batch.varint()).expect("a length");
    let mut record = Reader(batch.take(length));
    assert_eq!(record.take(2), [0, 0], "no attributes, at the time of the batch");
    assert_eq!(record.varint(), nth, "offsets count up");
    let (key, value) = (record.field(), record.field());
    let count = record.varint();
    let headers = (0..count).map(|_| (record.field(), record.field())).collect();
    assert!(record.0.is_empty(), "a record has nothing beyond its headers");
    Arrived { topic: topic.to_owned(), partition, key, value, headers }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (field, rest) = self.0.split_at(length);
        self.0 = rest;
        field
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two"))
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four"))
    }

    fn text(&mut self) -> &'a str {
        let length = usize::try_from(self.i16()).expect("a length");
        std::str::from_utf8(self.take(length)).expect("text")
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::try_from(self.i32()).expect("a length");
        self.take(length)
    }

    fn varint(&mut self) -> i64 {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
            }
        }
    }

    fn field(&mut self) -> String {
        let length = usize::try_from(self.varint()).expect("a length");
        String::from_utf8(self.take(length).to_vec()).expect("text")
    }
}
