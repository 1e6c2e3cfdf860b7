//! SQS and STS as two local servers: what they are asked, and how often.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::clock::Clock;
use crate::crypto::secret::Secret;
use crate::events::targets::settings::{Policy, SqsQueue};
use crate::events::targets::test_server::{StubAnswer, TestServer};
use crate::events::targets::{AwsCredentials, Delivery, Receipt, Target, Targets, TargetsConfig};

const ORG: Uuid = Uuid::from_u128(0x0192_d3a0_0000_7000_8000_0000_0000_0001);
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
const ASSUMED: StubAnswer = StubAnswer::Body(
    200,
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASSUMEDKEY</AccessKeyId><SecretAccessKey>assumed-secret</SecretAccessKey>\
    <SessionToken>assumed-token</SessionToken><Expiration>2026-11-21T09:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>",
);
const ASSUMED_AGAIN: StubAnswer = StubAnswer::Body(
    200,
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
    <AccessKeyId>SECONDKEY</AccessKeyId><SecretAccessKey>second-secret</SecretAccessKey>\
    <SessionToken>second-token</SessionToken><Expiration>2026-11-21T09:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>",
);
const DENIED: StubAnswer = StubAnswer::Body(
    403,
    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>not authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>",
);
const SENT: StubAnswer = StubAnswer::Body(200, r#"{"MessageId":"1","MD5OfMessageBody":"2"}"#);
const EXPIRED: StubAnswer =
    StubAnswer::Body(400, r#"{"__type":"com.amazonaws.sqs#ExpiredToken","message":"The token expired"}"#);

struct World {
    sts: TestServer,
    sqs: TestServer,
    clock: Clock,
    targets: Targets,
}

impl World {
    async fn new(sts: StubAnswer, sqs: StubAnswer) -> Self {
        let (sts, sqs) = (TestServer::start(sts).await, TestServer::start(sqs).await);
        let start = DateTime::parse_from_rfc3339("2026-11-21T08:00:00Z").expect("an instant");
        let clock = Clock::manual(start.to_utc());
        let endpoint = |server: &TestServer| format!("http://{}", server.address).parse().ok();
        let config = TargetsConfig {
            policy: Policy { allow_private: false, sqs_allow_direct: true },
            aws: Some(AwsCredentials {
                access_key_id: "OWNKEY".to_owned(),
                secret_access_key: Secret::new("own-secret".to_owned()),
                session_token: None,
            }),
            sqs_endpoint: endpoint(&sqs),
            sts_endpoint: endpoint(&sts),
            storage_queue_endpoint: None,
            event_hubs_endpoint: None,
        };
        let targets = Targets::new(config, clock.clone());
        Self { sts, sqs, clock, targets }
    }

    async fn send(&self, org_id: Uuid) -> Result<(), String> {
        self.send_to(org_id, QUEUE, Some("arn:aws:iam::123456789012:role/writer")).await
    }

    /// As registration does.
    async fn test(&self, org_id: Uuid) -> Result<(), String> {
        self.deliver(org_id, QUEUE, Some("arn:aws:iam::123456789012:role/writer"), true).await
    }

    async fn send_to(&self, org_id: Uuid, url: &str, role: Option<&str>) -> Result<(), String> {
        self.deliver(org_id, url, role, false).await
    }

    async fn deliver(&self, org_id: Uuid, url: &str, role: Option<&str>, anew: bool) -> Result<(), String> {
        let delivery = Delivery { org_id, anew, ..delivery("evt_1", "{}") };
        let sent = self.targets.send(&target(url, role), &delivery, Duration::from_secs(5)).await;
        sent.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Sends these messages together, under the ids `evt_0`, `evt_1` and so on.
    async fn send_many(&self, url: &str, messages: &[&str]) -> Vec<Result<(), String>> {
        let ids: Vec<_> = (0..messages.len()).map(|nth| format!("evt_{nth}")).collect();
        let deliveries: Vec<_> = ids.iter().zip(messages).map(|(id, text)| delivery(id, text)).collect();
        let target = target(url, Some("arn:aws:iam::123456789012:role/writer"));
        let sent = self.targets.send_many(&target, &deliveries, Duration::from_secs(5)).await;
        sent.into_iter().map(|sent| sent.map(|_| ()).map_err(|error| error.to_string())).collect()
    }

    fn asked(&self) -> (usize, usize) {
        (self.sts.requests().len(), self.sqs.requests().len())
    }
}

fn target(url: &str, role: Option<&str>) -> Target {
    let policy = Policy { allow_private: false, sqs_allow_direct: true };
    Target::AwsSqs(SqsQueue::new(url, "eu-central-1", role, policy).expect("valid settings"))
}

fn delivery<'a>(event_id: &'a str, message: &'a str) -> Delivery<'a> {
    Delivery {
        event_id,
        org_id: ORG,
        stream: "users",
        message,
        headers: [
            ("webhook-id", ""),
            ("webhook-timestamp", ""),
            ("webhook-signature", ""),
            ("webhook-signature-key-id", ""),
        ],
        body: "",
        content_type: "application/json",
        is_bare: false,
        group: None,
        traceparent: None,
        is_last: false,
        anew: false,
    }
}

#[tokio::test]
async fn the_role_is_assumed_with_the_org_as_external_id() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    let asked = world.sts.requests().remove(0);
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwriter",
        "ExternalId=0192d3a0-0000-7000-8000-000000000001",
        "RoleSessionName=partner-api-0192d3a0-0000-7000-8000-000000000001",
        "Credential=OWNKEY/",
        "/eu-central-1/sts/aws4_request",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    let sent = world.sqs.requests().remove(0);
    let message =
        r#"{"QueueUrl":"https://sqs.eu-central-1.amazonaws.com/123456789012/events","MessageBody":"{}"}"#;
    for part in ["Credential=ASSUMEDKEY/", "x-amz-security-token: assumed-token", message] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
}

#[tokio::test]
async fn a_session_is_shared_and_renewed_before_its_end() {
    let world = World::new(ASSUMED, SENT).await;
    let sends = (0..20).map(|_| world.send(ORG));
    assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(world.asked(), (1, 20));
    world.clock.advance(TimeDelta::minutes(54));
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.asked(), (1, 21));
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.asked(), (2, 22));
}

#[tokio::test]
async fn orgs_never_share_a_session() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.send(Uuid::nil()).await, Ok(()));
    let asked = world.sts.requests();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].contains("ExternalId=00000000-0000-0000-0000-000000000000"), "{}", asked[1]);
}

#[tokio::test]
async fn a_refusal_is_shared_by_those_who_waited_for_it() {
    let world = World::new(DENIED, SENT).await;
    let sends = (0..20).map(|_| world.send(ORG));
    for sent in futures_util::future::join_all(sends).await {
        assert_eq!(sent, Err("AccessDenied: not authorized".to_owned()));
    }
    assert_eq!(world.asked(), (1, 0));
    assert!(world.send(ORG).await.is_err());
    assert_eq!(world.asked(), (2, 0), "the next attempt asks again");
}

#[tokio::test]
async fn a_session_that_ended_early_is_dropped() {
    let world = World::new(ASSUMED, EXPIRED).await;
    assert_eq!(world.send(ORG).await, Err("ExpiredToken: The token expired".to_owned()));
    assert_eq!(world.asked(), (1, 1), "one that was opened just now is not opened again");
    assert!(world.send(ORG).await.is_err());
    assert_eq!(world.asked(), (2, 2), "one request an attempt: the SDK retries nothing");
}

#[tokio::test]
async fn a_revoked_session_is_replaced_at_once_and_costs_no_attempt() {
    let codes = ["AccessDenied", "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException"];
    for code in codes {
        let world = World::new(ASSUMED, SENT).await;
        assert_eq!(world.send(ORG).await, Ok(()));
        world.sqs.next_answers([refusal(code)]);
        assert_eq!(world.send(ORG).await, Ok(()), "{code}");
        assert_eq!(world.asked(), (2, 3), "{code}");
        assert_eq!(world.send(ORG).await, Ok(()));
        assert_eq!(world.asked(), (2, 4), "the new session serves from then on");
    }
}

#[tokio::test]
async fn many_who_meet_a_revoked_session_open_one_new_session() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    world.sts.next_answers([ASSUMED_AGAIN]);
    world.sqs.answers_to("Credential=ASSUMEDKEY/", refusal("AccessDenied"));
    let sends = (0..20).map(|_| world.send(ORG));
    assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(world.sts.requests().len(), 2);
}

#[tokio::test]
async fn a_role_that_may_no_longer_write_is_asked_for_once_an_attempt() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    world.sqs.next_answers([refusal("AccessDenied"); 3]);
    assert_eq!(world.send(ORG).await, Err("AccessDenied: no".to_owned()));
    assert_eq!(world.asked(), (2, 3));
    assert_eq!(world.send(ORG).await, Err("AccessDenied: no".to_owned()));
    assert_eq!(world.asked(), (3, 4));
}

#[tokio::test]
async fn other_refusals_leave_the_session_alone() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    world.sqs.next_answers([refusal("QueueDoesNotExist")]);
    assert_eq!(world.send(ORG).await, Err("QueueDoesNotExist: no".to_owned()));
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.asked(), (1, 3));
}

#[tokio::test]
async fn a_test_opens_a_session_of_its_own_which_then_serves() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.test(ORG).await, Ok(()));
    assert_eq!(world.asked(), (2, 2));
    assert_eq!(world.send(ORG).await, Ok(()));
    assert_eq!(world.asked(), (2, 3));
    world.sts.next_answers([DENIED]);
    assert_eq!(world.test(ORG).await, Err("AccessDenied: not authorized".to_owned()));
}

/// SQS's refusal with this code.
fn refusal(code: &str) -> StubAnswer {
    let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"no"}}"#);
    StubAnswer::Body(400, body.leak())
}

#[tokio::test]
async fn without_a_role_our_own_credentials_serve() {
    let world = World::new(DENIED, SENT).await;
    assert_eq!(world.send_to(ORG, QUEUE, None).await, Ok(()));
    assert_eq!(world.asked(), (0, 1));
    assert!(world.sqs.requests()[0].contains("Credential=OWNKEY/"));
}

#[tokio::test]
async fn a_fifo_queue_groups_by_stream_and_org() {
    let world = World::new(ASSUMED, SENT).await;
    assert_eq!(world.send_to(ORG, &format!("{QUEUE}.fifo"), None).await, Ok(()));
    let sent = world.sqs.requests().remove(0);
    let fields =
        r#""MessageDeduplicationId":"evt_1","MessageGroupId":"users:0192d3a0-0000-7000-8000-000000000001""#;
    assert!(sent.contains(fields), "{sent}");
}

#[tokio::test]
async fn answers_that_are_none_have_their_class() {
    let bare = World::new(ASSUMED, StubAnswer::Body(502, "<html>")).await.send(ORG).await;
    assert_eq!(bare, Err("status 502".to_owned()));
    let other = World::new(ASSUMED, StubAnswer::Body(200, "<html>")).await.send(ORG).await;
    assert_eq!(other, Err("invalid response".to_owned()));
    let closed = World::new(ASSUMED, StubAnswer::WriteAndClose("")).await.send(ORG).await;
    assert_eq!(closed, Err("closed".to_owned()));
    let huge = World::new(ASSUMED, StubAnswer::Huge(1_000_000)).await.send(ORG).await;
    assert_eq!(huge, Err("invalid response".to_owned()));
}

#[tokio::test]
async fn a_fifo_queue_groups_by_the_subject_where_there_is_one() {
    let world = World::new(ASSUMED, SENT).await;
    let named = Delivery { group: Some("user-7"), ..delivery("evt_1", "{}") };
    let target = target(&format!("{QUEUE}.fifo"), None);
    assert_eq!(world.targets.send(&target, &named, Duration::from_secs(5)).await, Ok(Receipt::default()));
    assert!(world.sqs.requests()[0].contains(r#""MessageGroupId":"user-7""#));
}

/// SQS's answer to a batch: of its entries all are taken but those that fail, with their codes.
fn taken(count: usize, failed: &[(usize, &str)]) -> StubAnswer {
    let is_taken = |nth: &usize| failed.iter().all(|(other, _)| other != nth);
    let taken = (0..count).filter(is_taken);
    let taken = taken.map(|nth| format!(r#"{{"Id":"{nth}","MessageId":"m{nth}","MD5OfMessageBody":"x"}}"#));
    let failed = failed
        .iter()
        .map(|(nth, code)| format!(r#"{{"Id":"{nth}","SenderFault":true,"Code":"{code}","Message":"no"}}"#));
    let (taken, failed) = (taken.collect::<Vec<_>>().join(","), failed.collect::<Vec<_>>().join(","));
    StubAnswer::Body(200, format!(r#"{{"Successful":[{taken}],"Failed":[{failed}]}}"#).leak())
}

#[tokio::test]
async fn ten_messages_are_one_request_and_the_eleventh_another() {
    let world = World::new(ASSUMED, SENT).await;
    world.sqs.next_answers([taken(10, &[])]);
    let messages = ["{}"; 11];
    assert_eq!(world.send_many(QUEUE, &messages).await, vec![Ok(()); 11]);
    assert_eq!(world.asked(), (1, 2));
    let requests = world.sqs.requests();
    assert!(requests[0].contains("AmazonSQS.SendMessageBatch") && requests[0].contains(r#""Id":"9""#));
    assert!(requests[1].contains("AmazonSQS.SendMessage\r\n"), "one alone goes as it always did");
}

#[tokio::test]
async fn a_batch_holds_at_most_a_quarter_of_a_mebibyte() {
    let world = World::new(ASSUMED, SENT).await;
    world.sqs.next_answers([taken(2, &[]), taken(2, &[])]);
    let (large, larger) = ("a".repeat(128 * 1024), "b".repeat(300 * 1024));
    let messages = [large.as_str(), &large, "{}", &large, &larger];
    assert_eq!(world.send_many(QUEUE, &messages).await, vec![Ok(()); 5]);
    assert_eq!(world.asked(), (1, 3));
}

#[tokio::test]
async fn a_message_that_fails_in_a_batch_fails_alone() {
    let world = World::new(ASSUMED, taken(3, &[(1, "InvalidMessageContents")])).await;
    let refused = Err("InvalidMessageContents: no".to_owned());
    assert_eq!(world.send_many(QUEUE, &["{}"; 3]).await, [Ok(()), refused, Ok(())]);
    let forgetful = World::new(ASSUMED, taken(1, &[])).await;
    let unknown = Err("invalid response".to_owned());
    assert_eq!(forgetful.send_many(QUEUE, &["{}"; 2]).await, [Ok(()), unknown], "not named in the answer");
}

#[tokio::test]
async fn a_batch_that_fails_whole_fails_for_each() {
    let world = World::new(ASSUMED, refusal("QueueDoesNotExist")).await;
    let refused = Err("QueueDoesNotExist: no".to_owned());
    assert_eq!(world.send_many(QUEUE, &["{}"; 2]).await, vec![refused; 2]);
    let world = World::new(ASSUMED, taken(2, &[])).await;
    assert_eq!(world.send_many(QUEUE, &["{}"; 2]).await, vec![Ok(()); 2]);
    world.sqs.next_answers([refusal("ExpiredToken")]);
    assert_eq!(world.send_many(QUEUE, &["{}"; 2]).await, vec![Ok(()); 2], "a revoked session is replaced");
    assert_eq!(world.asked(), (2, 3));
}

#[tokio::test]
async fn a_batch_to_a_fifo_queue_keeps_the_order_and_each_messages_group() {
    let world = World::new(ASSUMED, taken(2, &[])).await;
    assert_eq!(world.send_many(&format!("{QUEUE}.fifo"), &["{}"; 2]).await, vec![Ok(()); 2]);
    let sent = world.sqs.requests().remove(0);
    let entry = |nth| {
        format!(
            r#"{{"Id":"{nth}","MessageBody":"{{}}","MessageDeduplicationId":"evt_{nth}","MessageGroupId":"users:{ORG}"}}"#
        )
    };
    assert!(sent.contains(&format!("[{},{}]", entry(0), entry(1))), "{sent}");
}

#[tokio::test]
async fn what_is_a_message_by_itself_goes_with_its_headers_as_attributes() {
    let world = World::new(ASSUMED, SENT).await;
    let bare = Delivery {
        body: r#"{"specversion":"1.0"}"#,
        content_type: "application/cloudevents+json",
        is_bare: true,
        headers: [
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", "1795248000"),
            ("webhook-signature", "v1,a v1a,b"),
            ("webhook-signature-key-id", "kid"),
        ],
        ..delivery("evt_1", "{}")
    };
    let target = target(QUEUE, Some("arn:aws:iam::123456789012:role/writer"));
    assert_eq!(world.targets.send(&target, &bare, Duration::from_secs(5)).await, Ok(Receipt::default()));
    let sent = world.sqs.requests().remove(0);
    assert!(sent.contains(r#""MessageBody":"{\"specversion\":\"1.0\"}""#), "{sent}");
    for (name, value) in bare.headers.into_iter().chain([("content-type", bare.content_type)]) {
        let attribute = format!(r#""{name}":{{"StringValue":"{value}","DataType":"String"}}"#);
        assert!(sent.contains(&attribute), "{attribute} in {sent}");
    }
}
