//! Conversations with a broker that behaves and misbehaves.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use uuid::Uuid;

use super::connection::Connection;
use super::test_broker::{Arrived, Broker};
use super::*;
use crate::crypto::secret::Secret;
use crate::events::targets::error::Reason;
use crate::events::targets::outbound::{AllowedAddresses, SystemResolver};
use crate::events::targets::settings::Policy;
use crate::events::targets::settings::kafka::{KafkaRegistration, Sasl, SaslMechanism};
use crate::events::targets::tests::{Changing, delivery as any_delivery};

const SECOND: Duration = Duration::from_secs(1);
const PRIVATE: Policy = Policy { allow_private: true, sqs_allow_direct: false };
/// Self-signed for `hooks.example.com`, until 2126.
const CERTIFICATE: &str = include_str!("../testdata/receiver.pem");
const KEY: &str = include_str!("../testdata/receiver.key");

fn kafka(allowed: AllowedAddresses) -> Kafka {
    let clock = Clock::manual("2026-11-21T08:00:00Z".parse().expect("an instant"));
    Kafka::new(&Outbound::new(allowed, Arc::new(SystemResolver), clock.clone()), clock)
}

fn anywhere() -> Kafka {
    kafka(AllowedAddresses::Anywhere)
}

fn login(mechanism: SaslMechanism, password: &str) -> Sasl {
    Sasl { mechanism, username: "writer".to_owned(), password: Secret::new(password.to_owned()) }
}

fn topic_at(servers: &[String], sasl: Option<Sasl>) -> KafkaTopic {
    let registered = KafkaRegistration {
        bootstrap_servers: servers,
        topic: "events",
        tls: false,
        ca_certificate: None,
        sasl,
    };
    KafkaTopic::new(registered, PRIVATE).expect("valid settings")
}

fn topic(broker: &Broker) -> KafkaTopic {
    topic_at(&[broker.address.to_string()], None)
}

fn delivery(group: Option<&'static str>) -> Delivery<'static> {
    Delivery { group, ..any_delivery() }
}

async fn send(kafka: &Kafka, topic: &KafkaTopic, deliveries: &[Delivery<'_>]) -> Vec<Result<(), String>> {
    let sent = kafka.send(topic, deliveries, 5 * SECOND).await;
    sent.into_iter().map(|sent| sent.map(drop).map_err(|error| error.to_string())).collect()
}

/// Sends one event; the text of the failure.
async fn failure(kafka: &Kafka, topic: &KafkaTopic) -> String {
    send(kafka, topic, &[delivery(None)]).await.remove(0).expect_err("a failure")
}

/// Waits until so many connections were opened, and so many of them stand: a broker hears a little later.
async fn comes_to(broker: &Broker, connections: (usize, usize)) {
    for _ in 0..200 {
        if broker.connections() == connections {
            return;
        }
        tokio::time::sleep(SECOND / 100).await;
    }
    assert_eq!(broker.connections(), connections);
}

fn keys(arrived: &[Arrived]) -> Vec<(&str, i32)> {
    arrived.iter().map(|arrived| (arrived.key.as_str(), arrived.partition)).collect()
}

#[tokio::test]
async fn a_record_has_the_signed_body_as_its_value_and_the_signatures_as_headers() {
    let broker = Broker::start().await;
    assert_eq!(send(&anywhere(), &topic(&broker), &[delivery(None)]).await, [Ok(())]);
    let [arrived] = <[Arrived; 1]>::try_from(broker.take()).expect("one record");
    assert_eq!((arrived.topic.as_str(), arrived.value.as_str()), ("events", any_delivery().body));
    let mut headers: Vec<_> =
        arrived.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("webhook-id", "evt_1"),
            ("webhook-signature", "v1,abc v1,def v1a,ghi"),
            ("webhook-signature-key-id", "kid"),
            ("webhook-timestamp", "1795248000"),
        ]
    );
    assert_eq!(broker.state().asked, ["metadata", "produce"]);
    assert_eq!(broker.state().connections, 1, "the one that told of the brokers");
}

#[tokio::test]
async fn the_key_is_the_subject_or_the_org_and_says_which_partition() {
    let broker = Broker::start().await;
    let deliveries = [None, Some("user-7"), Some("two words"), Some("user-7")].map(delivery);
    assert_eq!(send(&anywhere(), &topic(&broker), &deliveries).await, vec![Ok(()); 4]);
    assert_eq!(broker.state().asked, ["metadata", "produce"], "all in one request");
    let (mut arrived, org) = (broker.take(), Uuid::nil().to_string());
    arrived.sort_by(|a, b| a.key.cmp(&b.key));
    let partition = |key: &str| i32::try_from(partition::of(key.as_bytes(), 6)).expect("few");
    let expected = [org.as_str(), "two words", "user-7", "user-7"].map(|key| (key, partition(key)));
    assert_eq!(keys(&arrived), expected);
}

#[tokio::test]
async fn a_connection_and_what_it_told_serve_again_and_tests_use_neither() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    let topic = topic(&broker);
    for _ in 0..3 {
        assert_eq!(send(&kafka, &topic, &[delivery(None)]).await, [Ok(())]);
    }
    assert_eq!((broker.connections(), broker.asked().len()), ((1, 1), 4));
    let test = Delivery { anew: true, ..delivery(None) };
    assert_eq!(send(&kafka, &topic, &[test]).await, [Ok(())]);
    assert_eq!(broker.state().asked[4..], ["metadata", "produce"]);
    comes_to(&broker, (3, 1)).await;
}

#[tokio::test]
async fn a_connection_that_waited_and_ended_is_replaced_at_once() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    let topic = topic(&broker);
    assert_eq!(send(&kafka, &topic, &[delivery(None)]).await, [Ok(())]);
    broker.state().hang_ups = 1;
    assert_eq!(send(&kafka, &topic, &[delivery(None)]).await, [Ok(())], "it costs no attempt");
    assert_eq!(broker.state().connections, 2);
    broker.state().hang_ups = 9;
    assert_eq!(failure(&kafka, &topic).await, "closed");
}

#[tokio::test]
async fn nobody_uses_what_was_opened_for_another_org_or_with_another_password() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    broker.state().login = Some(("writer", "right"));
    let with =
        |password| topic_at(&[broker.address.to_string()], Some(login(SaslMechanism::Plain, password)));
    let (right, wrong) = (with("right"), with("wrong"));
    assert_eq!(send(&kafka, &right, &[delivery(None)]).await, [Ok(())]);
    assert_eq!(broker.state().asked, ["handshake", "authenticate", "metadata", "produce"]);
    assert_eq!(failure(&kafka, &wrong).await, "SASL_AUTHENTICATION_FAILED: no such user");
    let before = broker.state().connections;
    let other = Delivery { org_id: Uuid::from_u128(2), ..delivery(None) };
    assert_eq!(send(&kafka, &right, &[other]).await, [Ok(())]);
    assert_eq!(broker.state().connections, before + 1);
}

#[tokio::test]
async fn a_mechanism_that_the_broker_lacks_is_told_with_those_it_has() {
    let broker = Broker::start().await;
    let scram = topic_at(&[broker.address.to_string()], Some(login(SaslMechanism::ScramSha512, "p")));
    assert_eq!(failure(&anywhere(), &scram).await, "UNSUPPORTED_SASL_MECHANISM: the broker has PLAIN");
}

#[tokio::test]
async fn a_leader_that_moved_is_followed_within_the_attempt_and_once() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    let topic = topic(&broker);
    for moved in [6, 3, 5] {
        broker.state().codes.push_back(moved);
        assert_eq!(send(&kafka, &topic, &[delivery(None)]).await, [Ok(())], "{moved}");
    }
    broker.state().codes.extend([6, 6]);
    assert_eq!(failure(&kafka, &topic).await, "NOT_LEADER_OR_FOLLOWER");
    // To where it moved.
    let other = Broker::start().await;
    let there = ("127.0.0.1".to_owned(), other.address.port());
    broker.state().codes.push_back(6);
    broker.state().leader = Some(there);
    assert_eq!(send(&kafka, &topic, &[delivery(None)]).await, [Ok(())]);
    assert_eq!((other.take().len(), other.asked()), (1, vec!["produce"]));
}

#[tokio::test]
async fn a_leader_that_is_gone_is_asked_for_anew() {
    let (broker, gone, kafka) = (Broker::start().await, Broker::bind().await, anywhere());
    let port = gone.0.address.port();
    drop(gone);
    broker.state().leader = Some(("127.0.0.1".to_owned(), port));
    assert_eq!(failure(&kafka, &topic(&broker)).await, "refused");
    assert_eq!(broker.state().asked, ["metadata", "metadata"]);
    broker.state().leader = None;
    assert_eq!(send(&kafka, &topic(&broker), &[delivery(None)]).await, [Ok(())]);
    assert_eq!(broker.state().asked[2..], ["metadata", "produce"]);
}

#[tokio::test]
async fn what_a_broker_refuses_is_told_by_its_name_and_not_tried_again() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    let topic = topic(&broker);
    for (code, expected) in [
        (29, "TOPIC_AUTHORIZATION_FAILED"),
        (10, "too large"),
        (19, "NOT_ENOUGH_REPLICAS"),
        (87, "INVALID_RECORD"),
        (999, "KAFKA_ERROR_999"),
    ] {
        broker.state().codes.push_back(code);
        assert_eq!(failure(&kafka, &topic).await, expected);
    }
    let asked = broker.state().asked.clone();
    assert_eq!(asked.iter().filter(|asked| **asked == "produce").count(), 5);
    broker.state().topic_code = 3;
    assert_eq!(failure(&anywhere(), &topic).await, "UNKNOWN_TOPIC_OR_PARTITION");
}

#[tokio::test]
async fn a_batch_that_is_too_large_goes_in_smaller_ones() {
    let broker = Broker::start().await;
    broker.state().most_records = Some(2);
    let deliveries = vec![delivery(None); 7];
    assert_eq!(send(&anywhere(), &topic(&broker), &deliveries).await, vec![Ok(()); 7]);
    assert_eq!(broker.take().len(), 7);
    broker.state().most_records = Some(0);
    assert_eq!(
        send(&anywhere(), &topic(&broker), &deliveries[..2]).await,
        vec![Err("too large".to_owned()); 2]
    );
}

#[tokio::test]
async fn a_batch_that_fails_does_not_fail_its_neighbours() {
    let broker = Broker::start().await;
    let deliveries = [Some("abc"), Some("21")].map(delivery);
    assert_ne!(partition::of(b"abc", 6), partition::of(b"21", 6));
    broker.state().codes.extend([29, 0]);
    let sent = send(&anywhere(), &topic(&broker), &deliveries).await;
    assert_eq!(sent.iter().filter(|sent| sent.is_ok()).count(), 1, "{sent:?}");
}

#[tokio::test]
async fn a_broker_that_wants_to_be_left_alone_is_heard_though_it_took_the_records() {
    let broker = Broker::start().await;
    broker.state().throttle_ms = 1_500;
    let sent = anywhere().send(&topic(&broker), &[delivery(None)], SECOND).await;
    assert_eq!(sent, [Ok(Receipt { status: None, rest: Some(Duration::from_millis(1_500)) })]);
    broker.state().codes.push_back(89);
    let refused = anywhere().send(&topic(&broker), &[delivery(None)], SECOND).await.remove(0);
    let refused = refused.expect_err("too much");
    assert_eq!(refused.to_string(), "THROTTLING_QUOTA_EXCEEDED");
    assert!(refused.reason.is_throttled() && refused.retry_after == Some(Duration::from_millis(1_500)));
}

#[tokio::test]
async fn a_broker_that_says_nothing_ends_the_attempt_and_its_connection() {
    let broker = Broker::start().await;
    broker.state().is_silent = true;
    let sent = anywhere().send(&topic(&broker), &[delivery(None)], SECOND / 5).await;
    assert_eq!(sent, [Err(Reason::Timeout.into())]);
    // The others are asked meanwhile.
    let (alive, kafka) = (Broker::start().await, anywhere());
    let both = topic_at(&[broker.address.to_string(), alive.address.to_string()], None);
    assert_eq!(send(&kafka, &both, &[delivery(None)]).await, [Ok(())]);
}

#[tokio::test]
async fn answers_that_are_none_are_told_so() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0, 0, 0, 4, 0, 0, 0, 1],
        &[0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
    ] {
        let broker = Broker::start().await;
        broker.state().garbage = Some(garbage.to_vec());
        assert_eq!(failure(&anywhere(), &topic(&broker)).await, "invalid response", "{garbage:?}");
    }
}

#[tokio::test]
async fn only_public_addresses_are_connected_to_and_only_inside_tls() {
    let broker = Broker::start().await;
    let public = kafka(AllowedAddresses::Public);
    assert_eq!(failure(&public, &topic(&broker)).await, "connections must be inside TLS");
    assert_eq!(failure(&public, &inside_tls(&broker.address.to_string())).await, "dns");
    let by_name = format!("localhost:{}", broker.address.port());
    assert_eq!(failure(&public, &inside_tls(&by_name)).await, "dns");
    assert_eq!(broker.state().connections, 0);
}

/// A broker that may be reached names one that may not. The first is asked where every address is allowed,
/// because no test has a public one; what it said is then used where only public ones are.
#[tokio::test]
async fn a_broker_that_the_cluster_names_is_judged_before_it_is_dialled() {
    let (told, victim) = (Broker::start().await, Broker::start().await);
    told.state().leader = Some(("127.0.0.1".to_owned(), victim.address.port()));
    let anywhere = anywhere();
    let topic = topic(&told);
    let cluster = anywhere.brokers.of(&topic, Uuid::nil(), false).find_out().await.expect("an answer");
    let (public, inside) = (kafka(AllowedAddresses::Public), inside_tls("kafka.example:9093"));
    public.brokers.of(&inside, Uuid::nil(), false).learn(cluster);
    assert_eq!(failure(&public, &inside).await, "dns");
    assert_eq!(victim.state().connections, 0);
    // Nor is a port dialled where no broker can be.
    told.state().leader = Some(("127.0.0.1".to_owned(), 0));
    assert_eq!(failure(&self::anywhere(), &topic).await, "LEADER_NOT_AVAILABLE");
}

fn inside_tls(server: &str) -> KafkaTopic {
    let bootstrap_servers = &[server.to_owned()];
    let (ca_certificate, sasl) = (None, None);
    let registered =
        KafkaRegistration { bootstrap_servers, topic: "events", tls: true, ca_certificate, sasl };
    KafkaTopic::new(registered, PRIVATE).expect("settings from a looser time")
}

#[tokio::test]
async fn brokers_are_believed_by_the_authority_that_was_named_and_under_their_name() {
    let (broker, listener) = Broker::bind().await;
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a matching key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let serving = broker.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(serving.clone().serve(stream));
        }
    });
    let named = |host: &str, ca_certificate: Option<&str>| {
        let bootstrap_servers = &[format!("{host}:{}", broker.address.port())];
        let sasl = Some(login(SaslMechanism::Plain, "right"));
        let registered =
            KafkaRegistration { bootstrap_servers, topic: "events", tls: true, ca_certificate, sasl };
        KafkaTopic::new(registered, PRIVATE).expect("valid settings")
    };
    broker.state().login = Some(("writer", "right"));
    broker.state().leader = Some(("hooks.example.com".to_owned(), broker.address.port()));
    let (clock, here) = (Clock::system(), Changing::new([&["127.0.0.1"]]));
    let kafka = Kafka::new(&Outbound::new(AllowedAddresses::Anywhere, here, clock.clone()), clock);
    assert_eq!(
        send(&kafka, &named("hooks.example.com", Some(CERTIFICATE)), &[delivery(None)]).await,
        [Ok(())]
    );
    assert_eq!(failure(&kafka, &named("hooks.example.com", None)).await, "tls", "no public authority");
    assert_eq!(failure(&kafka, &named("other.example.com", Some(CERTIFICATE))).await, "tls", "another name");
    assert_eq!(broker.take().len(), 1);
}

/// Answers a client's messages one after the other.
async fn scripted(mut broker: DuplexStream, answers: impl Fn(usize, &[u8]) -> Vec<u8>) -> Option<()> {
    for nth in 0.. {
        let mut request = vec![0; usize::try_from(broker.read_i32().await.ok()?).ok()?];
        broker.read_exact(&mut request).await.ok()?;
        let answer = [&request[4..8], &answers(nth, &request[21..])].concat();
        broker.write_all(&i32::try_from(answer.len()).ok()?.to_be_bytes()).await.ok()?;
        broker.write_all(&answer).await.ok()?;
    }
    None
}

#[tokio::test]
async fn a_broker_that_does_not_know_the_password_is_not_believed() {
    let answers = |nth: usize, message: &[u8]| -> Vec<u8> {
        let message = String::from_utf8_lossy(message).into_owned();
        let said = match nth {
            0 => return vec![0, 0, 0, 0, 0, 0],
            1 => {
                let nonce = message.split("r=").last().expect("a nonce");
                format!("r={nonce}more,s=AAAA,i=4096")
            }
            _ => format!("v={}", "A".repeat(43) + "="),
        };
        let length = i32::try_from(said.len()).expect("short").to_be_bytes();
        [&[0, 0, 0xff, 0xff][..], &length, said.as_bytes()].concat()
    };
    let (ours, theirs) = duplex(4_096);
    tokio::spawn(async move { scripted(theirs, answers).await });
    let mut connection = Connection::new(Box::new(ours));
    let refused = sasl::log_in(&mut connection, &login(SaslMechanism::ScramSha256, "secret")).await;
    let refused = refused.expect_err("it is a stranger");
    assert_eq!(refused.to_string(), "SASL_AUTHENTICATION_FAILED: the broker's signature is wrong");
}

#[tokio::test]
async fn a_connection_is_closed_once_it_waited_for_long() {
    let (broker, kafka) = (Broker::start().await, anywhere());
    assert_eq!(send(&kafka, &topic(&broker), &[delivery(None)]).await, [Ok(())]);
    assert_eq!(broker.state().open, 1);
    tokio::time::pause();
    tokio::time::sleep(13 * SECOND).await;
    tokio::time::resume();
    comes_to(&broker, (1, 0)).await;
}
