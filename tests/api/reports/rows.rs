//! What is in reports: the rows that the API shows, all of them, and never a secret.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{create_user, open_lines, partner, populate, report, rows};
use crate::support::{Org, TestApp};

const CURVE: (&str, &str) = ("pgp-curve.asc", "pgp-curve.key.asc");

async fn listed(org: &Org, path: &str) -> Vec<Value> {
    org.get(&format!("{path}?limit=100")).await.expect(200).json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn users_are_all_users_as_they_are_shown_one_by_one() {
    let app = TestApp::new().await;
    for (name, public, secret) in [
        ("acme", CURVE.0, CURVE.1),
        ("beta", "rsa2048.spki.pem", "rsa2048.key.pem"),
        ("gamma", "pgp-rfc9580-a3.asc", "pgp-rfc9580-a4.key.asc"),
    ] {
        let (org, _) = partner(&app, name, public).await;
        let mut expected = Vec::new();
        for first_name in ["Ada", "Bob", "Zoë"] {
            app.clock.advance(TimeDelta::seconds(1));
            let user_id = create_user(&org, first_name).await;
            expected.push(org.get(&format!("/v1/users/{user_id}")).await.expect(200).json()["data"].clone());
        }
        let text = report(&app, &org, secret, json!({"type": "users"})).await;
        assert_eq!(rows(&text), expected, "{name}");
    }
}

#[tokio::test]
async fn an_empty_report_is_a_message_too() {
    let app = TestApp::new().await;
    for (name, public, secret) in
        [("acme", CURVE.0, CURVE.1), ("beta", "rsa2048.spki.pem", "rsa2048.key.pem")]
    {
        let (org, _) = partner(&app, name, public).await;
        assert_eq!(report(&app, &org, secret, json!({"type": "users"})).await, "");
        let csv = report(&app, &org, secret, json!({"type": "users", "format": "csv"})).await;
        assert_eq!(csv, "user_id,first_name,last_name,email,created_at,updated_at\r\n");
    }
}

#[tokio::test]
async fn csv_is_rfc_4180_and_no_formula() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", CURVE.0).await;
    let body = json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13", "first_name": "=1+1", "last_name": "O\"Hara, \n"});
    acme.post("/v1/users", body).await.expect(201);
    let csv = report(&app, &acme, CURVE.1, json!({"type": "users", "format": "csv"})).await;
    assert_eq!(
        csv,
        "user_id,first_name,last_name,email,created_at,updated_at\r\n\
         3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13,'=1+1,\"O\"\"Hara, \n\",,2026-11-21T08:00:00Z,2026-11-21T08:00:00Z\r\n"
    );
}

#[tokio::test]
async fn from_and_to_choose_by_creation() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", CURVE.0).await;
    for name in ["first", "second", "third"] {
        app.clock.advance(TimeDelta::seconds(1));
        create_user(&acme, name).await;
    }
    let names = async |from: Value, to: Value| {
        let text = report(&app, &acme, CURVE.1, json!({"type": "users", "from": from, "to": to})).await;
        rows(&text)
            .iter()
            .map(|user| user["profile"]["first_name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let second = json!("2026-11-21T08:00:02Z");
    assert_eq!(names(second.clone(), Value::Null).await, ["second", "third"]);
    assert_eq!(names(Value::Null, second.clone()).await, ["first"]);
    assert_eq!(names(json!("2026-11-21T08:00:01.000001Z"), json!("2026-11-21T08:00:03Z")).await, ["second"]);
    // And of what else there is.
    for (kind, at) in [("events", "created_at"), ("audit_log", "at"), ("credentials", "created_at")] {
        let all = rows(&report(&app, &acme, CURVE.1, json!({"type": kind})).await);
        let later = rows(&report(&app, &acme, CURVE.1, json!({"type": kind, "from": second})).await);
        let earlier = rows(&report(&app, &acme, CURVE.1, json!({"type": kind, "to": second})).await);
        assert!(!all.is_empty() && later.iter().all(|row| row[at].as_str() >= second.as_str()), "{kind}");
        assert!(
            !earlier.is_empty() && earlier.iter().all(|row| row[at].as_str() < second.as_str()),
            "{kind}"
        );
        // The reports themselves have left traces since.
        assert!(earlier.len() + later.len() >= all.len(), "{kind}");
    }
}

#[tokio::test]
async fn events_and_the_audit_log_are_as_their_lists_show_them() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", CURVE.0).await;
    create_user(&acme, "Ada").await;
    acme.mint().await;
    let events = listed(&acme, "/v1/admin/org/events").await;
    let made = report(&app, &acme, CURVE.1, json!({"type": "events"})).await;
    assert_eq!((rows(&made), events.len()), (events, 3));
    let made = report(&app, &acme, CURVE.1, json!({"type": "audit_log"})).await;
    let log = listed(&acme, "/v1/admin/org/audit").await;
    assert_eq!(rows(&made), log);
    let csv = report(&app, &acme, CURVE.1, json!({"type": "audit_log", "format": "csv"})).await;
    assert!(
        csv.starts_with("seq,at,actor,key_id,actor_id,action,subject,request_id,client_address,mac\r\n1,"),
        "{csv}"
    );
    assert_eq!(csv.matches("\r\n").count(), log.len() + 2);
}

#[tokio::test]
async fn credentials_are_told_with_their_dates_and_never_with_what_they_are_made_of() {
    let app = TestApp::new().await;
    let (acme, key) = partner(&app, "acme", CURVE.0).await;
    let (id, secret) = acme.mint().await;
    acme.post("/v1/auth/tenant-key/rotate", json!({"key_id": id})).await.expect(200);
    let (_, signing) = acme.make_signing_secret(0).await;
    let pair = json!({"OwnerCode": "acme", "Usage": ["MessageLevelEncryption", "ResponseSignature"], "Type": "RSA",
                      "Length": 2048, "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    acme.post("/api/v1/key/generate", pair).await.expect(200);

    let text = report(&app, &acme, CURVE.1, json!({"type": "credentials"})).await;

    let told = rows(&text);
    let of = |kind: &str| told.iter().filter(|row| row["kind"] == kind).cloned().collect::<Vec<_>>();
    let (keys, secrets, publics) = (of("tenant_key"), of("signing_secret"), of("public_key"));
    assert_eq!((keys.len(), secrets.len(), publics.len()), (2, 1, 2));
    let rotated = keys.iter().find(|key| key["id"] == json!(id)).expect("the old key");
    assert_eq!(rotated["prefix"], json!(secret[..14]));
    assert!(rotated["rotated_to"].is_string() && rotated["superseded_at"].is_string());
    assert_eq!(secrets[0]["source"], "server");
    let ours = publics.iter().find(|public| public["id"] == json!(key)).expect("the certificate");
    assert_eq!((&ours["usages"], &ours["has_private_key"]), (&json!(["Reports"]), &json!(false)));
    assert!(publics.iter().any(|public| public["has_private_key"] == json!(true)));

    let csv = report(&app, &acme, CURVE.1, json!({"type": "credentials", "format": "csv"})).await;
    assert!(csv.contains("MessageLevelEncryption ResponseSignature"), "{csv}");
    let texts = [text, csv];
    for hidden in [&secret[14..], &hex::encode(&signing), "BEGIN", "sealed", "digest", "whsec_"] {
        assert!(texts.iter().all(|text| !text.contains(hidden)), "{hidden}");
    }
}

#[tokio::test]
async fn a_long_report_has_every_row_once_and_lines_of_at_most_a_mebibyte() {
    let app = TestApp::new().await;
    for (name, public, secret) in
        [("acme", CURVE.0, CURVE.1), ("beta", "rsa2048.spki.pem", "rsa2048.key.pem")]
    {
        let (org, _) = partner(&app, name, public).await;
        populate(&app, &org, 7_500).await;
        let path = super::ask(&org, json!({"type": "users"})).await;
        assert_eq!(super::make(&app).await, 1);
        let content = super::content(&org, &path).await.body;
        let text = super::open(&content, secret);
        let emails: Vec<_> = rows(&text).iter().map(|user| user["profile"]["email"].clone()).collect();
        let expected: Vec<_> = (1..=7_500).map(|n| json!(format!("{n}@example.com"))).collect();
        assert!(emails == expected, "{name}: {}", emails.len());
        let shown = super::shown(&org, &path).await;
        assert_eq!((&shown["rows"], &shown["bytes"]), (&json!(7_500), &json!(content.len())));
        if name == "beta" {
            let lines = open_lines(&content, secret);
            assert!(lines.len() >= 2 && lines.iter().all(|line| line.len() <= 1024 * 1024));
            // Whole rows: each line is NDJSON of its own.
            assert!(lines.iter().all(|line| line.ends_with(b"}\n") && line.starts_with(b"{")));
        }
    }
}
