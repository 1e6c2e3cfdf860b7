//! Everything that gets no token, each answered in RFC 6749's words.

use partner_api::crypto::access_token::Claims;
use partner_api::limits::Limit;
use serde_json::{Value, json};

use super::{ASSERTION_TYPE, Assertion, TOKEN, app, bearer, form, invalid_client, post};
use crate::signatures::{ALICE, MALLORY, NOW, URL, register};
use crate::support::{Replica, Reply, TestApp, request};

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_has_one_body() {
    let app = app().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let of_other_usage = register(&acme, &MALLORY, "CredentialsDownload").await;
    let of_other_org = register(&zeta, &MALLORY, "Authentication").await;
    let good = || Assertion::new(&ALICE, &keyid);
    let wrong = [
        Assertion::new(&MALLORY, &keyid),
        Assertion::new(&MALLORY, &of_other_usage),
        Assertion::new(&MALLORY, &of_other_org),
        good().headed(json!({"kid": "0192f0c1-2345-7abc-8def-0123456789ab"})),
        good().headed(json!({"kid": "not an id"})),
        good().headed(json!({"kid": null})),
        good().headed(json!({"alg": "none"})),
        good().headed(json!({"alg": "HS256"})),
        good().headed(json!({"alg": "RS256"})),
        good().headed(json!({"crit": ["exp"]})),
        good().headed(json!({"typ": "at+jwt"})),
        good().of("zeta"),
        good().with(json!({"iss": "zeta"})),
        good().with(json!({"sub": acme.id})),
        good().with(json!({"aud": "https://elsewhere.example"})),
        good().with(json!({"aud": format!("{URL}/v1/oauth")})),
        good().with(json!({"exp": NOW})),
        good().with(json!({"exp": NOW + 301})),
        good().with(json!({"exp": null})),
        good().with(json!({"nbf": NOW + 31})),
        good().with(json!({"jti": null})),
        good().with(json!({"jti": ""})),
    ];
    for (number, assertion) in wrong.into_iter().enumerate() {
        let reply = assertion.ask(&app.anyone()).await;
        assert_eq!(reply.status, 401, "number {number} passed");
        invalid_client(&reply);
    }
    // The signature of one algorithm under the name of another.
    let (text, other) = (good().text(), good().headed(json!({"alg": "PS384"})).text());
    let (head, _) = other.rsplit_once('.').expect("three parts");
    let (_, signature) = text.rsplit_once('.').expect("three parts");
    for text in
        [format!("{head}.{signature}"), format!("{head}."), "..".into(), "x".into(), "x".repeat(9_000)]
    {
        invalid_client(&post(&app.anyone(), form(&text)).await);
    }
    good().ask(&app.anyone()).await.expect(200);
}

#[tokio::test]
async fn a_client_that_does_not_authenticate_or_in_another_way_is_invalid() {
    let app = app().await;
    for form in [
        "grant_type=client_credentials".to_owned(),
        "grant_type=client_credentials&client_id=acme&client_secret=x".to_owned(),
        format!("grant_type=client_credentials&client_assertion=x&client_assertion_type={ASSERTION_TYPE}x"),
    ] {
        invalid_client(&post(&app.anyone(), form).await);
    }
}

#[tokio::test]
async fn what_is_no_such_request_is_told_so() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let good = Assertion::new(&ALICE, &keyid).form();
    let send = async |changed: String| post(&app.anyone(), changed).await;
    for (changed, error) in [
        (good.replace("grant_type=client_credentials&", ""), "invalid_request"),
        (good.replace("client_credentials", "authorization_code"), "unsupported_grant_type"),
        (format!("{good}&grant_type=client_credentials"), "invalid_request"),
        (format!("{good}&scope=partner&scope=partner"), "invalid_request"),
        (format!("{good}&client_secret=x"), "invalid_request"),
        (format!("{good}&scope=users%3Areads"), "invalid_scope"),
        (format!("{good}&scope=member"), "invalid_scope"),
        (String::new(), "invalid_request"),
    ] {
        told(&send(changed).await, 400, error);
    }
    let other_type = request("POST", TOKEN).header("content-type", "application/json");
    told(&app.anyone().send(other_type, "{}").await, 400, "invalid_request");
    told(&app.anyone().bodyless("POST", TOKEN).await, 400, "invalid_request");
    let form = || request("POST", &format!("{TOKEN}?scope=partner"));
    let form = || form().header("content-type", "application/x-www-form-urlencoded");
    told(&app.anyone().send(form(), good.clone()).await, 400, "invalid_request");
    for authorization in ["Basic YWNtZTp4", "Bearer x"] {
        let caller = app.anyone().with("authorization", authorization);
        told(&post(&caller, good.clone()).await, 400, "invalid_request");
    }
    told(&send("x".repeat(16 * 1024 + 1)).await, 413, "invalid_request");
    // None of these used the assertion up.
    send(good).await.expect(200);
}

#[tokio::test]
async fn what_goes_wrong_around_the_request_is_told_in_the_same_words() {
    let app = app().await;
    let reply = app.anyone().get(TOKEN).await;
    told(&reply, 405, "invalid_request");
    assert_eq!((reply.header("allow"), reply.header("x-request-id")), (Some("POST"), Some("test")));
    let permits = app.state.limits.permits(Limit::Public);
    let all = u32::try_from(permits.available_permits()).expect("a few");
    let _full = permits.try_acquire_many(all).expect("it was empty");
    let reply = post(&app.anyone(), form("a.b.c")).await;
    told(&reply, 503, "temporarily_unavailable");
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn switched_off_it_says_so_and_tokens_that_were_issued_live_on() {
    let contact = ("INTEGRATION_CONTACT", "\"Ada\" <ada@example.com>");
    let off = TestApp::with(&[("PUBLIC_URL", URL), ("DISABLED_FEATURES", "oauth_tokens"), contact]).await;
    let acme = off.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let reply = Assertion::new(&ALICE, &keyid).ask(&off.anyone()).await;
    assert_eq!(reply.header("retry-after"), Some("86400"));
    let description = "The feature oauth_tokens is switched off at the moment. Please ask your integration contact: \
                       'Ada' <ada@example.com>.";
    reply.expect_json(503, &json!({"error": "temporarily_unavailable", "error_description": description}));
    let metadata = off.anyone().get("/.well-known/oauth-authorization-server").await.expect(503);
    assert_eq!(
        (metadata.code().as_str(), metadata.header("retry-after")),
        ("service_unavailable", Some("86400"))
    );
    // One from before.
    let identity = &off.state.identity;
    let client = identity.oauth_client(&Assertion::new(&ALICE, &keyid).text(), None, &<_>::default()).await;
    let claims = identity.partner_claims(&client.expect("it is good"), "partner", NOW);
    let keys = identity.token_keys.current().await.expect("they are there");
    let token = keys.signing(off.clock.now()).expect("it is there").sign(&Claims::Partner(claims));
    bearer(&off, &token).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn an_assertion_passes_once_over_all_replicas_even_of_many_at_the_same_time() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let replica = Replica::start(&app).await;
    let sent: Vec<_> = [app.anyone(), replica.anyone()].iter().cycle().take(20).cloned().collect();
    let form = Assertion::new(&ALICE, &keyid).form();
    let asking: Vec<_> = sent
        .into_iter()
        .map(|caller| {
            let form = form.clone();
            tokio::spawn(async move { post(&caller, form).await })
        })
        .collect();
    let mut passed = 0;
    for reply in asking {
        let reply = reply.await.expect("an answer");
        if reply.status == 200 { passed += 1 } else { invalid_client(&reply) }
    }
    assert_eq!(passed, 1);
    // Also with the same id in another assertion; not with the same id under another key.
    let again = || Assertion::new(&ALICE, &keyid).with(json!({"jti": "once"}));
    again().ask(&replica.anyone()).await.expect(200);
    invalid_client(&again().headed(json!({"alg": "PS512"})).ask(&app.anyone()).await);
    let other = register(&acme, &MALLORY, "Authentication").await;
    Assertion::new(&MALLORY, &other).with(json!({"jti": "once"})).ask(&app.anyone()).await.expect(200);
}

#[tokio::test]
async fn an_id_is_forgotten_only_once_its_assertion_is_too_old() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let assertion = Assertion::new(&ALICE, &keyid);
    assertion.ask(&app.anyone()).await.expect(200);
    for seconds in [59, 1, 9] {
        app.clock.advance(chrono::TimeDelta::seconds(seconds));
        partner_api::background::retention::step(&app.state).await.expect("it deletes");
        invalid_client(&assertion.ask(&app.anyone()).await);
        assert_eq!(nonces(&app).await, 1);
    }
    app.clock.advance(chrono::TimeDelta::seconds(2));
    partner_api::background::retention::step(&app.state).await.expect("it deletes");
    assert_eq!(nonces(&app).await, 0);
    invalid_client(&assertion.ask(&app.anyone()).await);
}

async fn nonces(app: &TestApp) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM signature_nonces");
    count.fetch_one(&mut app.database.connect().await).await.expect("a count")
}

#[tokio::test]
async fn a_suspended_org_gets_no_token_and_only_its_own_key_learns_that() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let good = Assertion::new(&ALICE, &keyid);
    app.suspend(&acme).await;
    told(&good.ask(&app.anyone()).await, 400, "unauthorized_client");
    invalid_client(&Assertion::new(&MALLORY, &keyid).ask(&app.anyone()).await);
    app.resume(&acme).await;
    good.ask(&app.anyone()).await.expect(200);
    app.delete(&acme).await;
    invalid_client(&Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await);
}

#[tokio::test]
async fn a_key_that_ended_gets_no_token() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200);
    acme.delete(&format!("/api/v1/key/{keyid}")).await.expect(204);
    invalid_client(&Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await);
}

#[tokio::test]
async fn where_keys_must_be_proven_one_that_is_not_gets_no_token() {
    let app = TestApp::with(&[("PUBLIC_URL", URL), ("REQUIRE_KEY_PROOF", "true")]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    invalid_client(&Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await);
    sqlx::query("UPDATE public_keys SET proven_at = created_at")
        .execute(&mut app.database.connect().await)
        .await
        .expect("it is proven");
    Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200);
}

#[track_caller]
fn told(reply: &Reply, status: u16, error: &str) {
    let body = reply.json();
    assert_eq!((reply.status, &body["error"]), (status, &json!(error)), "{body}");
    let names: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["error", "error_description"]);
    assert!(matches!(&body["error_description"], Value::String(text) if text.ends_with('.')), "{body}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}
