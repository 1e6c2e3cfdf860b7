//! What a token is good for: everything that a tenant key is, and nothing that a signature is.

use chrono::TimeDelta;
use partner_api::crypto::access_token::{Claims, MemberClaims, PartnerClaims, TokenKey};
use partner_api::crypto::secret::Secret;
use serde_json::json;
use uuid::Uuid;

use super::{Assertion, app, bearer, token, unauthorized};
use crate::signatures::{ALICE, MALLORY, NOW, Request, URL, register};
use crate::support::{Org, TestApp};

const USER: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

async fn member_token(app: &TestApp, org: &Org, user_id: &str) -> crate::support::Caller {
    let issued = org.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200).json();
    bearer(app, issued["data"]["access_token"].as_str().expect("a token"))
}

#[tokio::test]
async fn a_token_calls_as_its_org_and_its_key_is_in_the_log() {
    let app = app().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    caller.post("/v1/users", json!({"user_id": USER})).await.expect(201);
    assert_eq!(acme.get("/v1/users").await.json()["data"][0]["user_id"], USER);
    assert_eq!(zeta.get("/v1/users").await.json()["data"], json!([]));
    // A route that takes members takes it as the partner.
    caller.get(&format!("/v1/users/{USER}")).await.expect(200);
    caller.patch("/v1/admin/org", json!({"name": "Acme & Sons"})).await.expect(200);
    caller.get("/api/v1/key/list/acme").await.expect(200);
    let minted = caller.post("/v1/admin/org/tenant-keys", json!({"name": "billing"})).await.expect(201);
    assert_eq!(minted.json()["data"]["is_current"], json!(false));
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let rows = log["data"].as_array().expect("rows").iter();
    let by_token: Vec<_> = rows.filter(|row| row["actor"] == "public_key").collect();
    let actions: Vec<_> = by_token.iter().map(|row| row["action"].as_str().expect("text")).collect();
    assert_eq!(actions, ["org.renamed", "tenant_key.created"]);
    assert!(by_token.iter().all(|row| row["key_id"] == json!(keyid)));
}

#[tokio::test]
async fn beside_any_other_credential_it_is_a_conflict() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    let (_, secret) = acme.mint().await;
    for both in [caller.with("orgid", acme.id.to_string()), caller.with("taih-tenant-key", &secret)] {
        assert_eq!(both.get("/v1/users").await.expect(400).code(), "conflicting_credentials");
    }
    let signed = Request::new("GET", "/v1/users", &ALICE, &keyid).send(&caller).await.expect(400);
    assert_eq!(signed.code(), "conflicting_credentials");
    let twice = caller.with("authorization", "Bearer x");
    unauthorized(&twice.get("/v1/users").await);
}

#[tokio::test]
async fn where_a_signature_is_asked_for_a_token_is_none() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    let policy = |policy: &str| json!({"signature_policy": policy});
    let unsigned = caller.patch("/v1/admin/org", policy("administration")).await.expect(403);
    assert_eq!(unsigned.code(), "signature_required");
    for (name, status) in [("administration", 200), ("required", 403)] {
        let set = Request::new("PATCH", "/v1/admin/org", &ALICE, &keyid).with_body(policy(name));
        set.send(&app.anyone()).await.expect(200);
        // Getting a token is a signed request of its own kind.
        let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
        caller.get("/v1/users").await.expect(status);
        let minted = caller.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(403);
        assert_eq!(minted.code(), "signature_required");
    }
}

#[tokio::test]
async fn a_members_token_is_no_partners() {
    let app = app().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": USER})).await.expect(201);
    let member = member_token(&app, &acme, USER).await;
    for path in ["/v1/users", "/v1/features", "/v1/admin/org", "/api/v1/key/list/acme"] {
        member.get(path).await.expect(401);
    }
    member.get(&format!("/v1/users/{USER}")).await.expect(200);
}

#[tokio::test]
async fn a_token_that_is_not_ours_or_says_something_else_is_none() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let good = token(&Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200));
    let ours = app.state.identity.token_keys.current().await.expect("they are there");
    let ours = ours.signing(app.clock.now()).expect("it is there");
    let (key, org_id) = (keyid.parse().expect("an id"), acme.id);
    let claims = || PartnerClaims {
        iss: URL.to_owned(),
        aud: URL.to_owned(),
        sub: org_id,
        client_id: org_id,
        org_id,
        key,
        scope: "partner".to_owned(),
        iat: NOW,
        exp: NOW + 900,
        jti: Uuid::new_v4(),
    };
    let ask = async |claims: PartnerClaims| {
        bearer(&app, &ours.sign(&Claims::Partner(claims))).get("/v1/users").await.status
    };
    assert_eq!(ask(claims()).await, 200);
    let zeta = app.org("zeta").await;
    for (number, claims) in [
        PartnerClaims { iss: "https://x".into(), ..claims() },
        PartnerClaims { aud: org_id.to_string(), ..claims() },
        PartnerClaims { scope: "member".into(), ..claims() },
        PartnerClaims { exp: NOW + 901, ..claims() },
        PartnerClaims { org_id: zeta.id, ..claims() },
        PartnerClaims { org_id: Uuid::new_v4(), ..claims() },
        PartnerClaims { key: Uuid::new_v4(), ..claims() },
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(claims).await, 401, "number {number} passed");
    }
    // A member's claims with a partner's scope.
    let member = MemberClaims {
        iss: URL.to_owned(),
        aud: org_id,
        sub: org_id,
        client_id: Some(org_id),
        key_id: None,
        key: Some(key),
        scope: "partner".to_owned(),
        iat: NOW,
        exp: NOW + 900,
        jti: Uuid::new_v4(),
        user_created_at: 0,
    };
    let member = ours.sign(&Claims::Member(member));
    let thief = TokenKey::from_seed(&Secret::new(vec![7; 32])).expect("a seed");
    let (head, _) = good.rsplit_once('.').expect("three parts");
    for bad in
        [member, thief.sign(&Claims::Partner(claims())), format!("{head}."), format!("{good}x"), "x".into()]
    {
        unauthorized(&bearer(&app, &bad).get("/v1/users").await);
        unauthorized(&bearer(&app, &bad).get(&format!("/v1/users/{USER}")).await);
    }
}

#[tokio::test]
async fn a_token_lives_for_fifteen_minutes_and_30_seconds() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    app.clock.advance(TimeDelta::seconds(929));
    caller.get("/v1/users").await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    unauthorized(&caller.get("/v1/users").await);
}

#[tokio::test]
async fn a_kept_reply_belongs_to_the_key_however_it_authenticated() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let other = register(&acme, &MALLORY, "Authentication").await;
    let key = "oauth-0123456789abcdef";
    let mint = json!({"name": "billing"});
    let first = Assertion::new(&ALICE, &keyid).bearer(&app).await.with("idempotency-key", key);
    let first = first.post("/v1/admin/org/tenant-keys", mint.clone()).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    // Another token of the same key, and its signature.
    let again = Assertion::new(&ALICE, &keyid).bearer(&app).await.with("idempotency-key", key);
    let again = again.post("/v1/admin/org/tenant-keys", mint.clone()).await.expect(201);
    let signed = Request::new("POST", "/v1/admin/org/tenant-keys", &ALICE, &keyid).with_body(mint.clone());
    let signed = signed.send(&app.anyone().with("idempotency-key", key)).await.expect(201);
    for replay in [again, signed] {
        assert_eq!((replay.text(), replay.header("idempotent-replayed")), (first.text(), Some("true")));
    }
    // Nobody else's.
    for caller in [Assertion::new(&MALLORY, &other).bearer(&app).await, (*acme).clone()] {
        let reply = caller.with("idempotency-key", key).post("/v1/admin/org/tenant-keys", mint.clone()).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, None));
    }
}
