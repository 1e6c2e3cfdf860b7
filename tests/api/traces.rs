//! `traceparent`: a request's trace goes on in the webhooks that it causes (W3C Trace Context).

use chrono::TimeDelta;
use partner_api::background::{expiry, publisher};
use serde_json::json;
use uuid::Uuid;

use crate::support::webhook::{Arrived, Receiver};
use crate::support::{Caller, Org, TestApp, request};

/// A trace, a span in it, and whether it is sampled.
fn traceparent(number: u8, flags: &str) -> String {
    format!("00-{:032x}-00f067aa0ba902b7-{flags}", 0xabc0 + u128::from(number))
}

struct Partner {
    app: TestApp,
    acme: Org,
    inbox: Receiver,
}

/// A delivery: the event's type and id, and the trace it was sent with.
#[derive(Debug)]
struct Delivery {
    kind: String,
    id: String,
    trace: Option<String>,
}

impl Partner {
    async fn new() -> Self {
        let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
        let acme = app.org("acme").await;
        let partner = Self { app, acme, inbox: Receiver::start().await };
        partner.acme.post("/v1/auth/signing-secret/rotate", json!({})).await.expect(200);
        for stream in ["users", "credentials"] {
            let queue = json!({"type": "webhook", "webhook": {"url": partner.inbox.url}});
            partner.acme.post(&format!("/v1/admin/org/queues/{stream}"), queue).await.expect(201);
        }
        partner.deliveries().await;
        partner
    }

    fn traced(&self, traceparent: &str) -> Caller {
        self.acme.with("traceparent", traceparent)
    }

    /// Has everything delivered that is due; gives what arrived since the last time.
    async fn deliveries(&self) -> Vec<Delivery> {
        publisher::step(&self.app.state).await.expect("it delivers");
        self.inbox.take_all().iter().map(Delivery::read).collect()
    }

    async fn delivery(&self) -> Delivery {
        let mut deliveries = self.deliveries().await;
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        deliveries.remove(0)
    }
}

impl Delivery {
    fn read(arrived: &Arrived) -> Self {
        let trace = arrived.headers.get("traceparent").cloned();
        Self { kind: arrived.kind(), id: arrived.id().to_owned(), trace }
    }

    /// Insists that it goes on with the trace that was sent, from a span of its own; gives that.
    #[track_caller]
    fn continues(&self, sent: &str) -> String {
        let trace = self.trace.as_deref().unwrap_or_else(|| panic!("no trace: {self:?}"));
        let parts = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
        let (ours, theirs) = (parts(trace), parts(sent));
        assert_eq!((&ours[0], &ours[1], &ours[3]), (&theirs[0], &theirs[1], &theirs[3]), "{self:?}");
        assert!(ours[2] != theirs[2] && ours[2].len() == 16 && ours[2] != "0".repeat(16), "{self:?}");
        ours[2].clone()
    }
}

#[tokio::test]
async fn every_change_of_a_user_carries_its_own_requests_trace() {
    let partner = Partner::new().await;
    let user_id = Uuid::new_v4();
    let path = format!("/v1/users/{user_id}");
    partner.traced(&traceparent(1, "01")).post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    partner.delivery().await.continues(&traceparent(1, "01"));
    partner.traced(&traceparent(2, "00")).patch(&path, json!({"first_name": "Ada"})).await.expect(204);
    partner.delivery().await.continues(&traceparent(2, "00"));
    partner.traced(&traceparent(3, "01")).delete(&path).await.expect(204);
    partner.delivery().await.continues(&traceparent(3, "01"));
}

#[tokio::test]
async fn users_that_are_stored_together_keep_their_traces_apart() {
    let partner = Partner::new().await;
    let callers: Vec<_> = (0..20).map(|n| partner.traced(&traceparent(n, "01"))).collect();
    let created = callers.iter().map(|caller| caller.post("/v1/users", json!({"user_id": Uuid::new_v4()})));
    for reply in futures_util::future::join_all(created).await {
        reply.expect(201);
    }
    partner.acme.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
    let deliveries = partner.deliveries().await;
    let mut traces: Vec<_> =
        deliveries.iter().map(|d| d.trace.as_ref().map(|trace| trace[3..35].to_owned())).collect();
    traces.sort();
    let expected = (0..20).map(|number| Some(traceparent(number, "01")[3..35].to_owned()));
    assert_eq!(traces, [None].into_iter().chain(expected).collect::<Vec<_>>());

    let lines: String = (0..3).map(|_| format!("{{\"user_id\": \"{}\"}}\n", Uuid::new_v4())).collect();
    let head = request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    partner.traced(&traceparent(9, "01")).send(head, lines).await.expect(200);
    let deliveries = partner.deliveries().await;
    assert_eq!(deliveries.len(), 3);
    for delivery in deliveries {
        delivery.continues(&traceparent(9, "01"));
    }
}

#[tokio::test]
async fn a_change_of_a_credential_carries_its_trace_and_so_does_a_test_event() {
    let partner = Partner::new().await;
    let caller = partner.traced(&traceparent(1, "01"));
    caller.post("/v1/admin/org/tenant-keys", json!({"name": "key"})).await.expect(201);
    caller.post("/v1/auth/signing-secret/rotate", json!({})).await.expect(200);
    caller.post("/v1/admin/org/queues/users/test", json!({})).await.expect(202);
    caller
        .json(
            "PUT",
            "/v1/admin/org/queues/users",
            json!({"type": "webhook", "webhook": {"url": partner.inbox.url}}),
        )
        .await
        .expect(200);
    let mut deliveries = partner.deliveries().await;
    deliveries.sort_by(|one, other| one.kind.cmp(&other.kind));
    let kinds: Vec<_> = deliveries.iter().map(|delivery| delivery.kind.as_str()).collect();
    // The other stream hears of the queue that was replaced, and so does its target.
    let replaced = ["queue.replaced", "queue.replaced"];
    let others = ["queue.test", "queue.test", "signing_secret.rotated", "tenant_key.created"];
    assert_eq!(kinds, [&replaced[..], &others].concat());
    for delivery in deliveries {
        delivery.continues(&traceparent(1, "01"));
    }
}

#[tokio::test]
async fn every_attempt_is_a_span_of_its_own() {
    let partner = Partner::new().await;
    let user = json!({"user_id": Uuid::new_v4()});
    partner.traced(&traceparent(1, "01")).post("/v1/users", user).await.expect(201);
    let first = partner.delivery().await;
    let replay = json!({"event_ids": [first.id]});
    partner.traced(&traceparent(2, "00")).post("/v1/admin/org/events/replay", replay).await.expect(202);
    let second = partner.delivery().await;
    assert_eq!(first.id, second.id);
    assert_ne!(first.continues(&traceparent(1, "01")), second.continues(&traceparent(1, "01")));
}

#[tokio::test]
async fn without_a_request_or_a_well_formed_trace_there_is_no_header() {
    let partner = Partner::new().await;
    partner.acme.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
    assert_eq!(partner.delivery().await.trace, None);
    for broken in ["nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        partner.traced(broken).post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
        assert_eq!(partner.delivery().await.trace, None, "{broken}");
    }
    let caller = partner.traced(&traceparent(1, "01"));
    let key = json!({"name": "short", "expires_at": "2026-11-21T09:00:00Z"});
    caller.post("/v1/admin/org/tenant-keys", key).await.expect(201);
    partner.delivery().await.continues(&traceparent(1, "01"));
    partner.app.clock.advance(TimeDelta::hours(1));
    expiry::step(&partner.app.state).await.expect("it looks");
    let expired = partner.delivery().await;
    assert_eq!((expired.kind.as_str(), expired.trace), ("tenant_key.expired", None));
}
