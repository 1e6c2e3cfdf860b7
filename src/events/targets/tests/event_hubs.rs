//! Event Hubs as a local server: what it is sent, in how many requests, and what its answers mean.

use super::*;
use crate::events::targets::settings::EventHub;

const ZETA: Uuid = Uuid::from_u128(2);

async fn world(answer: StubAnswer) -> (TestServer, Targets) {
    let server = TestServer::start(answer).await;
    let endpoint = format!("http://{}", server.address).parse().ok();
    let config = TargetsConfig { event_hubs_endpoint: endpoint, ..TargetsConfig::default() };
    let start = "2026-11-21T08:00:00Z".parse().expect("an instant");
    (server, Targets::new(config, Clock::manual(start)))
}

fn hub() -> Target {
    let hub = EventHub::new("acme-events", "partner.events", "send-only", "c2VjcmV0");
    Target::AzureEventHubs(hub.expect("valid settings"))
}

#[tokio::test]
async fn an_event_goes_to_the_hub_under_its_partition_key_with_a_signature_of_a_quarter_hour() {
    let (server, targets) = world(StubAnswer::Body(201, "")).await;
    assert_eq!(targets.send(&hub(), &delivery(), SECOND).await, Ok(Receipt::default()));
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, delivery().message);
    assert!(head.starts_with("POST /acme-events/partner.events/messages?api-version=2014-01 HTTP/1.1\r\n"));
    for line in [
        "content-type: application/atom+xml;type=entry;charset=utf-8",
        r#"brokerproperties: {"PartitionKey":"00000000-0000-0000-0000-000000000000"}"#,
    ] {
        assert!(head.lines().any(|have| have == line), "{line} in {head}");
    }
    let signed = "authorization: SharedAccessSignature \
        sr=https%3A%2F%2Facme-events.servicebus.windows.net%2Fpartner.events&sig=";
    let authorization = head.lines().find(|line| line.starts_with(signed)).expect(head);
    assert!(authorization.ends_with("&se=1795248900&skn=send-only"), "{authorization}");
}

#[tokio::test]
async fn events_of_one_partition_key_are_one_request() {
    let (server, targets) = world(StubAnswer::Body(201, "")).await;
    let of = |org_id, message| Delivery { org_id, message, ..delivery() };
    let deliveries = [of(ZETA, r#"{"n":1}"#), of(Uuid::nil(), r#"{"n":2}"#), of(ZETA, r#"{"n":"3"}"#)];
    assert_eq!(targets.send_many(&hub(), &deliveries, SECOND).await, vec![Ok(Receipt::default()); 3]);
    let mut requests = server.requests();
    requests.sort_by_key(|request| request.contains("servicebus.json"));
    assert_eq!(requests.len(), 2);
    assert!(requests[0].ends_with("\r\n\r\n{\"n\":2}"), "{}", requests[0]);
    let properties = r#""BrokerProperties":{"PartitionKey":"00000000-0000-0000-0000-000000000002"}"#;
    let body =
        format!(r#"[{{"Body":"{{\"n\":1}}",{properties}}},{{"Body":"{{\"n\":\"3\"}}",{properties}}}]"#);
    assert!(requests[1].contains("content-type: application/vnd.microsoft.servicebus.json\r\n"));
    assert!(requests[1].ends_with(&body), "{}", requests[1]);
}

#[tokio::test]
async fn the_subject_is_the_partition_key_where_there_is_one() {
    let (server, targets) = world(StubAnswer::Body(201, "")).await;
    let deliveries =
        ["user-7", "user-8", "user-7"].map(|group| Delivery { group: Some(group), ..delivery() });
    assert_eq!(targets.send_many(&hub(), &deliveries, SECOND).await, vec![Ok(Receipt::default()); 3]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for key in ["user-7", "user-8"] {
        let header = format!("brokerproperties: {{\"PartitionKey\":\"{key}\"}}\r\n");
        assert!(requests.iter().any(|request| request.contains(&header)), "{key}");
    }
}

#[tokio::test]
async fn a_request_holds_at_most_a_quarter_of_a_mebibyte() {
    let (server, targets) = world(StubAnswer::Body(201, "")).await;
    let (half, larger) = ("a".repeat(120 * 1024), "b".repeat(257 * 1024));
    let of = |message| Delivery { message, ..delivery() };
    let deliveries = [of(&half), of(&half), of(&half), of(&larger)];
    let sent = targets.send_many(&hub(), &deliveries, SECOND).await;
    assert_eq!(
        sent,
        [
            Ok(Receipt::default()),
            Ok(Receipt::default()),
            Ok(Receipt::default()),
            Err(Reason::TooLarge.into())
        ]
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_refusal_holds_for_what_went_together_and_says_how_long_to_wait() {
    let busy = StubAnswer::Write("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
    let (_server, targets) = world(busy).await;
    let refused = Err(DeliveryError { reason: Reason::Status(503), retry_after: Some(7 * SECOND) });
    assert_eq!(targets.send_many(&hub(), &[delivery(), delivery()], SECOND).await, vec![refused; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_behind_the_same_check_as_every_host() {
    let config = TargetsConfig::default();
    let targets = Targets::with_resolver(config, Clock::system(), Changing::new([&["127.0.0.1"]]));
    assert_eq!(targets.send(&hub(), &delivery(), 5 * SECOND).await, Err(Reason::Blocked.into()));
}

#[test]
fn debug_output_shows_no_key() {
    let shown = format!("{:?}", hub());
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
}
