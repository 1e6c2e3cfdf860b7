//! Deliveries to local servers that behave and misbehave.

mod answers;
mod connections;
mod event_hubs;
mod hosts;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use tokio::net::TcpListener;

use super::test_server::{StubAnswer, TestServer};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const OK: StubAnswer = StubAnswer::Body(200, "ok");
const PRIVATE: Policy = Policy { allow_private: true, sqs_allow_direct: false };

fn targets(policy: Policy) -> Targets {
    Targets::new(TargetsConfig { policy, ..TargetsConfig::default() }, Clock::system())
}

pub(super) fn delivery() -> Delivery<'static> {
    Delivery {
        event_id: "evt_1",
        org_id: Uuid::nil(),
        stream: "users",
        message: r#"{"event_id":"evt_1"}"#,
        headers: [
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", "1795248000"),
            ("webhook-signature", "v1,abc v1,def v1a,ghi"),
            ("webhook-signature-key-id", "kid"),
        ],
        body: r#"{"type":"user.created"}"#,
        content_type: "application/json",
        is_bare: false,
        group: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        is_last: false,
        anew: false,
    }
}

fn webhook(url: &str) -> Target {
    Target::Webhook(Webhook::new(url, PRIVATE).expect("a valid URL"))
}

async fn post(url: &str) -> Result<(), DeliveryError> {
    targets(PRIVATE).send(&webhook(url), &delivery(), SECOND).await.map(|_| ())
}

/// Posts to a server that answers like this; the text of the failure.
async fn failure_of(answer: StubAnswer) -> String {
    let server = TestServer::start(answer).await;
    post(&server.url()).await.expect_err("a failure").to_string()
}

#[tokio::test]
async fn a_webhook_gets_the_signed_body_and_its_headers() {
    let server = TestServer::start(OK).await;
    assert_eq!(post(&server.url()).await, Ok(()));
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, delivery().body);
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
    for line in [
        "content-type: application/json",
        "webhook-id: evt_1",
        "webhook-timestamp: 1795248000",
        "webhook-signature: v1,abc v1,def v1a,ghi",
        "webhook-signature-key-id: kid",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        concat!("user-agent: partner-api/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|have| have == line), "{line} in {head}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = TestServer::start(OK).await;
    let targets = targets(PRIVATE);
    for _ in 0..10 {
        assert_eq!(targets.send(&webhook(&server.url()), &delivery(), SECOND).await.map(|_| ()), Ok(()));
    }
    assert_eq!((server.requests().len(), server.connections()), (10, 1));
}

#[tokio::test]
async fn an_answer_that_is_not_2xx_is_its_status() {
    let failing = StubAnswer::Write("HTTP/1.1 503 No\r\nretry-after: 7\r\ncontent-length: 6\r\n\r\nsecret");
    let server = TestServer::start(failing).await;
    let error = post(&server.url()).await.expect_err("a failure");
    assert_eq!((error.to_string().as_str(), error.retry_after), ("status 503", Some(7 * SECOND)));
    assert_eq!(failure_of(StubAnswer::Body(500, "secret")).await, "status 500");
    assert_eq!(failure_of(StubAnswer::Body(410, "")).await, "status 410");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = "HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let server = TestServer::start(StubAnswer::Write(redirect)).await;
    let error = post(&server.url()).await.expect_err("a failure");
    assert_eq!((error.to_string().as_str(), server.requests().len()), ("status 307", 1));
}

#[tokio::test]
async fn broken_answers_have_their_class() {
    assert_eq!(failure_of(StubAnswer::Stall("")).await, "timeout");
    assert_eq!(failure_of(StubAnswer::Stall("HTTP/1.1 200 OK\r\n")).await, "timeout");
    assert_eq!(failure_of(StubAnswer::WriteAndClose("")).await, "closed");
    assert_eq!(failure_of(StubAnswer::WriteAndClose("HTTP/1.1 200 OK\r\ncont")).await, "closed");
    assert_eq!(failure_of(StubAnswer::WriteAndClose("SMTP hello\r\n\r\n")).await, "invalid response");
}

#[tokio::test]
async fn a_head_with_2xx_acknowledges_whatever_its_body_does() {
    let slow = StubAnswer::Stall("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    let cut = StubAnswer::WriteAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    for answer in [slow, cut, StubAnswer::Huge(10_000_000)] {
        let server = TestServer::start(answer).await;
        let targets = targets(PRIVATE);
        for _ in 0..2 {
            assert_eq!(targets.send(&webhook(&server.url()), &delivery(), SECOND).await.map(|_| ()), Ok(()));
        }
        assert_eq!(server.connections(), 2, "a connection that was not read to the end is not used again");
    }
}

#[tokio::test]
async fn connections_that_fail_have_their_class() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let free = listener.local_addr().expect("a bound address");
    drop(listener);
    let class = async |url: String| post(&url).await.expect_err("a failure").to_string();
    assert_eq!(class(format!("http://{free}/")).await, "refused");
    assert_eq!(class("http://no-such-host.invalid/".to_owned()).await, "dns");
    let plain = TestServer::start(StubAnswer::WriteAndClose("")).await;
    assert_eq!(class(format!("https://{}/", plain.address)).await, "timeout", "it waits for a request");
    let talkative = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = talkative.local_addr().expect("a bound address");
    tokio::spawn(async move {
        let (mut stream, _) = talkative.accept().await.expect("a connection");
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 this is not TLS\r\n").await;
    });
    assert_eq!(class(format!("https://{address}/")).await, "tls");
}

/// Answers every question with the next of its lists, the last one for ever.
pub(super) struct Changing(Mutex<VecDeque<Vec<IpAddr>>>);

impl Changing {
    pub(super) fn new<const N: usize>(answers: [&[&str]; N]) -> Arc<Self> {
        let parse = |list: &[&str]| list.iter().map(|ip| ip.parse().expect("an address")).collect();
        Arc::new(Self(Mutex::new(answers.into_iter().map(parse).collect())))
    }

    fn questions_left(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

impl Resolve for Changing {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async {
            let mut answers = self.0.lock().expect("no panic");
            Ok(if answers.len() > 1 { answers.pop_front().unwrap_or_default() } else { answers[0].clone() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_with_a_refused_address_is_blocked() {
    let public = Webhook::new("https://hooks.example.com/", Policy::default()).expect("a valid URL");
    for answer in [&["127.0.0.1"][..], &["8.8.8.8", "10.0.0.1"], &["::ffff:169.254.169.254"], &["fd00::1"]] {
        let config = TargetsConfig::default();
        let targets = Targets::with_resolver(config, Clock::system(), Changing::new([answer]));
        let sent = targets.send(&Target::Webhook(public.clone()), &delivery(), 5 * SECOND).await;
        assert_eq!(sent, Err(Reason::Blocked.into()), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_provider_is_behind_the_same_check() {
    let config = TargetsConfig::default();
    let targets = Targets::with_resolver(config, Clock::system(), Changing::new([&["127.0.0.1"]]));
    let queue = StorageQueue::new("account", "queue", "sig=a&se=2027-01-01").expect("valid settings");
    let sent = targets.send(&Target::AzureStorageQueue(queue), &delivery(), 5 * SECOND).await;
    assert_eq!(sent, Err(Reason::Blocked.into()));
}

#[tokio::test(start_paused = true)]
async fn settings_from_a_looser_time_are_still_blocked() {
    let server = TestServer::start(OK).await;
    let sent = targets(Policy::default()).send(&webhook(&server.url()), &delivery(), SECOND).await;
    assert_eq!(sent.expect_err("a failure").to_string(), "url must start with https://");
    let secure = server.url().replace("http:", "https:");
    let sent = targets(Policy::default()).send(&webhook(&secure), &delivery(), 5 * SECOND).await;
    assert_eq!(sent, Err(Reason::Blocked.into()));
    assert_eq!(server.connections(), 0);
}

/// The name answers with 127.0.0.2 at first, where our server is, and with 127.0.0.1 ever after.
#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let server = TestServer::start_on("127.0.0.2", OK).await;
    let port = server.address.port();
    let trap = TcpListener::bind(("127.0.0.1", port)).await.expect("the same port");
    let resolver = Changing::new([&["127.0.0.2"], &["127.0.0.1"]]);
    let config = TargetsConfig { policy: PRIVATE, ..TargetsConfig::default() };
    let targets = Targets::with_resolver(config, Clock::system(), Arc::clone(&resolver) as _);
    let url = format!("http://hooks.example.com:{port}/");
    assert_eq!(targets.send(&webhook(&url), &delivery(), SECOND).await.map(|_| ()), Ok(()));
    assert_eq!(resolver.questions_left(), 1, "the resolver is asked once for a connection");
    let trapped = tokio::time::timeout(SECOND / 10, trap.accept()).await;
    assert!(trapped.is_err(), "nothing reached the second answer");
}

/// Public first, then loopback: the second answer is asked for at the second connection only, and
/// judged again.
#[tokio::test]
async fn an_answer_that_turns_private_is_blocked_at_the_next_connection() {
    let resolver = Changing::new([&["3000::1"], &["127.0.0.1"]]);
    let targets =
        Targets::with_resolver(TargetsConfig::default(), Clock::system(), Arc::clone(&resolver) as _);
    let target = Target::Webhook(Webhook::new("https://a.example/", Policy::default()).expect("a URL"));
    let first = targets.send(&target, &delivery(), SECOND / 10).await.expect_err("nobody is there");
    assert_ne!(first.reason, Reason::Blocked);
    let second = targets.send(&target, &delivery(), 5 * SECOND).await;
    assert_eq!(second, Err(Reason::Blocked.into()));
}

#[test]
fn a_group_that_no_queue_takes_goes_by_its_digest() {
    let key = |group| Delivery { group, ..delivery() }.group_key().map(Cow::into_owned);
    assert_eq!(key(None), None);
    assert_eq!(key(Some("user-7:a/b")).as_deref(), Some("user-7:a/b"));
    for odd in ["", "two words", "ü", &"a".repeat(129)] {
        let key = key(Some(odd)).expect("a key");
        assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{odd}");
    }
}

#[test]
fn json_for_xml() {
    assert_eq!(xml_safe("{\"a\":\"é\"}"), "{\"a\":\"é\"}");
    assert_eq!(xml_safe("{\"a\":\"\u{ffff}\u{fffe}\"}"), r#"{"a":"\uffff\ufffe"}"#);
}

#[test]
fn debug_output_shows_no_secret() {
    let aws = AwsCredentials {
        access_key_id: "id".to_owned(),
        secret_access_key: Secret::new("marker".to_owned()),
        session_token: Some(Secret::new("marker".to_owned())),
    };
    let queue = StorageQueue::new("account", "queue", "sig=marker&se=2027-01-01").expect("valid settings");
    let config = TargetsConfig { aws: Some(aws), ..TargetsConfig::default() };
    let shown = format!("{config:?} {:?}", Target::AzureStorageQueue(queue));
    assert!(!shown.contains("marker"), "{shown}");
}
