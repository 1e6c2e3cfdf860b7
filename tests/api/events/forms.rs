//! The form of a message: CloudEvents, and encrypted to the partner's key (contract 14).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{QUEUE, create_user, publish, queue, service, the_event};
use crate::public_keys::{self, open};
use crate::support::sealed::{open_jwe, register};
use crate::support::webhook::{Arrived, Receiver};
use crate::support::{Org, TestApp};

/// An org whose events about users go to a webhook in some form.
struct Partner {
    org: Org,
    secret: Vec<u8>,
    receiver: Receiver,
}

impl Partner {
    async fn new(app: &TestApp, options: Value) -> Self {
        let org = app.org("acme").await;
        Self::of(org, options).await
    }

    async fn of(org: Org, options: Value) -> Self {
        let secret = org.make_signing_secret(0).await.1;
        let partner = Self { org, secret, receiver: Receiver::start().await };
        partner.org.post(QUEUE, partner.body(options)).await.expect(201);
        partner
    }

    fn body(&self, mut options: Value) -> Value {
        options["type"] = json!("webhook");
        options["webhook"] = json!({"url": self.receiver.url});
        options
    }

    /// A message that arrived, signed as it was sent.
    fn arrived(&self) -> Arrived {
        let arrived = self.receiver.take_all().pop().expect("it arrived");
        assert_eq!(arrived.signatures()[0], arrived.signature_with(&self.secret));
        arrived
    }
}

#[tokio::test]
async fn a_cloudevent_has_the_events_own_attributes_and_its_data() {
    let app = service().await;
    let acme = Partner::new(&app, json!({"format": "cloudevents"})).await;
    let test = acme.arrived();
    assert_eq!(test.json()["type"], "queue.test");
    let user_id = create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 1);
    let arrived = acme.arrived();
    assert_eq!(arrived.headers["content-type"], "application/cloudevents+json");
    let mut event = arrived.json();
    // Whether the publisher names what it is about is its own story.
    event.as_object_mut().expect("an object").remove("subject");
    let org_id = acme.org.id;
    assert_eq!(
        event,
        json!({
            "specversion": "1.0", "id": arrived.id(), "source": format!("urn:uuid:{org_id}"), "type": "user.created",
            "time": "2026-11-21T08:00:00Z", "orgid": org_id, "stream": "users", "datacontenttype": "application/json",
            "data": {"user_id": user_id, "occurred_at": "2026-11-21T08:00:00Z", "version": 1},
        })
    );
}

#[tokio::test]
async fn a_body_is_encrypted_to_an_rsa_key_and_signed_as_it_is_sent() {
    let app = service().await;
    let org = app.org("acme").await;
    let kid = register(&org, "MessageLevelEncryption").await;
    let acme = Partner::of(org, json!({"encrypt_to": "MessageLevelEncryption"})).await;
    let test: Value = serde_json::from_slice(&open_jwe(acme.arrived().body.as_bytes(), &kid)).expect("JSON");
    assert_eq!(test["type"], "queue.test");
    let user_id = create_user(&acme.org).await;
    publish(&app).await;
    let arrived = acme.arrived();
    assert_eq!(arrived.headers["content-type"], "application/jose");
    let event: Value = serde_json::from_slice(&open_jwe(arrived.body.as_bytes(), &kid)).expect("JSON");
    assert_eq!(
        event,
        json!({
            "type": "user.created", "timestamp": "2026-11-21T08:00:00Z", "org_id": acme.org.id,
            "data": {"user_id": user_id, "occurred_at": "2026-11-21T08:00:00Z", "version": 1},
        })
    );
}

#[tokio::test]
async fn a_body_is_encrypted_to_a_certificate() {
    let app = service().await;
    let org = app.org("acme").await;
    let mut registration = public_keys::pgp(&org, "pgp-curve.asc");
    registration["Usage"] = json!(["Reports"]);
    let unique_id = public_keys::register(&org, registration).await;
    let acme = Partner::of(org, json!({"encrypt_to": unique_id})).await;
    assert_eq!(queue(&acme.org).await["encrypt_to"], json!(unique_id));
    let user_id = create_user(&acme.org).await;
    publish(&app).await;
    let arrived = acme.arrived();
    assert_eq!(arrived.headers["content-type"], "application/pgp-encrypted");
    let event: Value = serde_json::from_str(&open(&arrived.body, "pgp-curve.key.asc")).expect("JSON");
    assert_eq!((&event["type"], &event["data"]["user_id"]), (&json!("user.created"), &json!(user_id)));
}

#[tokio::test]
async fn of_a_cloudevent_the_data_is_encrypted_and_no_subject_is_told() {
    let app = service().await;
    let org = app.org("acme").await;
    let kid = register(&org, "Reports").await;
    let acme = Partner::of(org, json!({"format": "cloudevents", "encrypt_to": kid})).await;
    let user_id = create_user(&acme.org).await;
    publish(&app).await;
    let arrived = acme.arrived();
    assert_eq!(arrived.headers["content-type"], "application/cloudevents+json");
    let event = arrived.json();
    assert_eq!((&event["datacontenttype"], event.get("subject")), (&json!("application/jose"), None));
    assert!(!arrived.body.contains(&user_id.to_string()));
    let data = open_jwe(event["data"].as_str().expect("a JWE").as_bytes(), &kid);
    let expected = format!(r#"{{"user_id":"{user_id}","occurred_at":"2026-11-21T08:00:00Z","version":1}}"#);
    assert_eq!(String::from_utf8(data).expect("text"), expected);
}

#[tokio::test]
async fn without_a_live_key_nothing_is_sent_in_clear_until_there_is_one_again() {
    let app = service().await;
    let org = app.org("acme").await;
    let kid = register(&org, "Reports").await;
    let acme = Partner::of(org, json!({"encrypt_to": "Reports"})).await;
    acme.arrived();
    acme.org.delete(&format!("/api/v1/key/{kid}")).await.expect(204);
    create_user(&acme.org).await;
    publish(&app).await;
    assert!(acme.receiver.take_all().is_empty());
    let event = the_event(&acme.org).await;
    assert_eq!(event["last_error"], "the key of encrypt_to cannot be used");
    let seen = queue(&acme.org).await;
    assert_eq!((&seen["state"], &seen["consecutive_failures"]), (&json!("failing"), &json!(1)));
    let refused = acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(400);
    let message = "The test event could not be delivered: the key of encrypt_to cannot be used.";
    assert_eq!(refused.json()["error"]["message"], message);

    // The newest of the usage, when it is sent.
    let mut registration = public_keys::rsa(&acme.org, "rsa2048.spki.pem");
    registration["Usage"] = json!(["Reports"]);
    public_keys::register(&acme.org, registration).await;
    app.clock.advance(TimeDelta::seconds(70));
    publish(&app).await;
    let event: Value = serde_json::from_str(&open(&acme.arrived().body, "rsa2048.key.pem")).expect("JSON");
    assert_eq!(event["type"], "user.created");
}

#[tokio::test]
async fn what_the_old_target_is_told_is_in_its_own_form() {
    let app = service().await;
    let org = app.org("acme").await;
    let kid = register(&org, "Reports").await;
    let acme = Partner::of(org, json!({"encrypt_to": "Reports"})).await;
    acme.receiver.take_all();
    acme.org.delete(QUEUE).await.expect(204);
    publish(&app).await;
    let arrived = acme.arrived();
    let event: Value = serde_json::from_slice(&open_jwe(arrived.body.as_bytes(), &kid)).expect("JSON");
    assert_eq!(event["type"], "queue.deleted");
}
