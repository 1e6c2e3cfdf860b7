//! `GET /api/v1/key/selection/{OwnerCode}` (contract 12.5). Its rule has a table of its own; here it is held to what
//! the service really uses.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use partner_api::ids::OrgId;
use partner_api::routes::public_keys::store::{Wanted, usable};
use partner_api::routes::public_keys::usage::Usage;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    END, KEYS, fixture, generation, no_such_key, not_valid, path, pgp, prove_with, register, rsa,
    set_expiration, unique_id,
};
use crate::support::{Org, TestApp};

fn route(org: &Org, query: &str) -> String {
    format!("{KEYS}/selection/{}{query}", org.key)
}

async fn selection(org: &Org, query: &str) -> Value {
    org.get(&route(org, query)).await.expect(200).json()
}

/// Id and reason for a usage.
async fn selected(org: &Org, query: &str, usage: &str, has_private_key: bool) -> (Value, String) {
    let items = selection(org, query).await["Items"].clone();
    let items = items.as_array().expect("items").iter();
    let mut of = items.filter(|item| item["Usage"] == usage && item["HasPrivateKey"] == has_private_key);
    let item = of.next().expect("there is one");
    assert!(of.next().is_none(), "one for each usage and holder");
    (item["UniqueId"].clone(), item["Reason"].as_str().expect("a reason").to_owned())
}

fn none(usage: &str, has_private_key: bool, reason: &str) -> Value {
    json!({"Usage": usage, "UniqueId": null, "Fingerprint": null, "ExpirationUtc": null,
           "HasPrivateKey": has_private_key, "Reason": reason})
}

#[tokio::test]
async fn each_usage_and_holder_has_its_key_or_the_reason_why_there_is_none() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut signs = rsa(&acme, "rsa3072.spki.pem");
    signs["Usage"] = json!(["Authentication", "CredentialsDownload"]);
    let id = register(&acme, signs).await;
    let pair = acme.post(&format!("{KEYS}/generate"), generation(&acme, 2048)).await.expect(200);
    let print = fixture("rsa3072.spki.sha256").trim().to_owned();
    let ours = acme.get(&path(&unique_id(&pair))).await.expect(200).json()["Fingerprint"].clone();

    let key = |usage| {
        json!({"Usage": usage, "UniqueId": id, "Fingerprint": print, "ExpirationUtc": END, "HasPrivateKey": false,
               "Reason": "the only live key"})
    };
    let expected = json!({"At": "2026-11-21T08:00:00.000Z", "Items": [
        none("Reports", false, "no key was registered"),
        key("Authentication"),
        none("MessageLevelEncryption", false, "no key was registered"),
        {"Usage": "MessageLevelEncryption", "UniqueId": unique_id(&pair), "Fingerprint": ours, "ExpirationUtc": END,
         "HasPrivateKey": true, "Reason": "the only live pair"},
        key("CredentialsDownload"),
        none("ResponseSignature", true, "no pair was generated"),
    ]});
    acme.get(&route(&acme, "")).await.expect_json(200, &expected);
}

#[tokio::test]
async fn another_time_shows_what_was_and_what_will_be() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    app.clock.advance(TimeDelta::days(1));
    let second = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    set_expiration(&acme, &second, "2027-01-01T00:00:00Z").await.expect(200);
    app.clock.advance(TimeDelta::days(1));
    let deleted = register(&acme, pgp(&acme, "pgp-curve.asc")).await;
    app.clock.advance(TimeDelta::days(1));
    acme.delete(&path(&deleted)).await.expect(204);

    for (at, chosen, reason) in [
        ("2026-11-21T07:59:59.999Z", json!(null), "no key was registered".to_owned()),
        ("2026-11-21T08:00:00Z", json!(first), "the only live key".to_owned()),
        ("2026-11-23T08:00:00Z", json!(deleted), last_of(3)),
        ("2026-11-24T08:00:00Z", json!(second), last_of(2)),
        ("2026-12-31T23:59:59.999Z", json!(second), last_of(2)),
        ("2027-01-01T00:00:00Z", json!(first), "the only live key".to_owned()),
        ("2027-01-01T01:00:00%2B01:00", json!(first), "the only live key".to_owned()),
        ("2028-11-21T08:00:00Z", json!(null), format!("the last one, {first}, expires on {END}")),
    ] {
        let found = selected(&acme, &format!("?at={at}"), "CredentialsDownload", false).await;
        assert_eq!(found, (chosen, reason), "{at}");
    }
    assert_eq!(
        selection(&acme, "?at=2027-01-01T01:00:00.1234%2B01:00").await["At"],
        "2027-01-01T00:00:00.123Z"
    );
    assert_eq!(selection(&acme, "").await["At"], "2026-11-24T08:00:00.000Z");
}

fn last_of(count: usize) -> String {
    format!("registered last of {count} live keys; deliver_to may name another one")
}

#[tokio::test]
async fn the_owner_is_the_caller_and_the_time_has_an_offset() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    register(&zeta, rsa(&zeta, "rsa2048.spki.pem")).await;
    acme.get(&route(&zeta, "")).await.expect_json(404, &no_such_key());
    acme.get(&format!("{KEYS}/selection/%00")).await.expect_json(404, &no_such_key());
    let reason = "must be an RFC 3339 date and time with an offset, such as 2027-01-31T12:00:00Z";
    for at in ["tomorrow", "2027-01-31T12:00:00", ""] {
        let reply = acme.get(&route(&acme, &format!("?at={at}"))).await;
        reply.expect_json(400, &not_valid(json!({"at": reason})));
    }
    assert_eq!(selected(&acme, "", "CredentialsDownload", false).await.1, "no key was registered");
}

/// What the service itself would use now: by the finder of keys, and by what verifies signatures.
async fn is_what_is_used(app: &TestApp, acme: &Org, is_proof_required: bool) -> BTreeSet<String> {
    let (org_id, now) = (OrgId(acme.id), app.state.clock.now());
    let mut chosen = BTreeSet::new();
    for usage in
        [Usage::Reports, Usage::Authentication, Usage::MessageLevelEncryption, Usage::CredentialsDownload]
    {
        let wanted = Wanted { unique_id: None, usage, is_partners: true, is_proof_required };
        let used = usable(&mut app.database.connect().await, org_id, wanted, now).await.expect("it is asked");
        let (shown, _) = selected(acme, "", usage.name(), false).await;
        assert_eq!(shown, json!(used.map(|key| key.unique_id)), "{}", usage.name());
        chosen.extend(shown.as_str().map(|id| format!("{}:{id}", usage.name())));
    }
    let org = app.state.identity.org(org_id).await.expect("it is asked").expect("it is there");
    let (signer, reason) = selected(acme, "", "Authentication", false).await;
    let signer: Option<Uuid> = signer.as_str().map(|id| id.parse().expect("an id"));
    let live = org.authentication_keys.iter().filter(|key| now < key.expires_at).count();
    assert_eq!(signer.is_some(), live > 0, "{reason}");
    assert!(signer.is_none_or(|id| org.authentication_key(id, now).is_some()), "{reason}");
    assert_eq!(reason.contains(&format!("last of {live} ")), live > 1, "{reason}");
    let messages = app.state.identity.message_keys.of(&app.state.db, org_id).await.expect("it is asked");
    let recipient = messages.recipient(None, now).map(|key| key.unique_id);
    assert_eq!(selected(acme, "", "MessageLevelEncryption", false).await.0, json!(recipient));
    let signing = messages.signing(now).map(|pair| pair.unique_id);
    assert_eq!(selected(acme, "", "ResponseSignature", true).await.0, json!(signing));
    let (opening, _) = selected(acme, "", "MessageLevelEncryption", true).await;
    let opening: Option<Uuid> = opening.as_str().map(|id| id.parse().expect("an id"));
    assert!(opening.is_none_or(|id| messages.decrypting(id, now).is_some()));
    chosen.extend(signing.map(|id| format!("signs:{id}")));
    chosen.extend(opening.map(|id| format!("opens:{id}")));
    chosen
}

#[tokio::test]
async fn what_is_shown_is_what_is_used() {
    for is_proof_required in [false, true] {
        let required = if is_proof_required { "true" } else { "false" };
        let app = TestApp::with(&[("REQUIRE_KEY_PROOF", required)]).await;
        let acme = app.org("acme").await;
        let mut seen = BTreeSet::new();
        let key = |file: &str, usages: Value, end: &str| {
            let kind = if file.starts_with("pgp") { "PGP" } else { "RSA" };
            let mut key = super::registration(&acme, kind, &fixture(file));
            (key["Usage"], key["ExpirationUtc"]) = (usages, json!(end));
            key
        };
        let both = json!(["Authentication", "Reports", "CredentialsDownload"]);
        let steps = [
            (key("rsa2048.spki.pem", both.clone(), END), "rsa2048.key.pem"),
            (key("rsa3072.spki.pem", both, "2026-11-21T12:30:00Z"), "rsa3072.key.pem"),
            (key("pgp-curve.asc", json!(["Reports"]), "2026-11-21T14:30:00Z"), "pgp-curve.key.asc"),
            (
                key("rsa4096.spki.pem", json!(["Authentication", "MessageLevelEncryption"]), END),
                "rsa4096.key.pem",
            ),
        ];
        let mut ids = Vec::new();
        for (registration, private) in steps {
            let id = register(&acme, registration).await;
            seen.extend(is_what_is_used(&app, &acme, is_proof_required).await);
            prove_with(&acme, &id, private).await.expect(200);
            seen.extend(is_what_is_used(&app, &acme, is_proof_required).await);
            ids.push(id);
            app.clock.advance(TimeDelta::hours(1));
        }
        // Generated ones are nobody's recipients, and one that was never proven stays behind.
        let mut ours = generation(&acme, 2048);
        ours["Usage"] = json!([
            "Reports",
            "Authentication",
            "MessageLevelEncryption",
            "CredentialsDownload",
            "ResponseSignature"
        ]);
        let ours = unique_id(&acme.post(&format!("{KEYS}/generate"), ours).await.expect(200));
        let unproven = key("rsa8192.spki.pem", json!(["Reports", "Authentication"]), "2026-11-21T15:30:00Z");
        register(&acme, unproven).await;
        for _ in 0..4 {
            seen.extend(is_what_is_used(&app, &acme, is_proof_required).await);
            app.clock.advance(TimeDelta::hours(1));
        }
        acme.delete(&path(&ids[3])).await.expect(204);
        seen.extend(is_what_is_used(&app, &acme, is_proof_required).await);
        acme.delete(&path(&ids[0])).await.expect(204);
        acme.delete(&path(&ours)).await.expect(204);
        let left = is_what_is_used(&app, &acme, is_proof_required).await;
        assert!(left.is_empty(), "{left:?}");
        assert!(seen.len() >= 9, "too little was chosen: {seen:?}");
    }
}
