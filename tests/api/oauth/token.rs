//! Whoever holds a registered key gets a token.

use serde_json::json;
use uuid::Uuid;

use super::{Assertion, TOKEN, app, form, part, post, token};
use crate::signatures::{ALICE, MALLORY, NOW, URL, register, registration};
use crate::support::TestApp;

#[tokio::test]
async fn a_token_is_had_as_rfc_6749_says_and_says_whose_it_is() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let reply = Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200);
    for (name, value) in
        [("cache-control", "no-store"), ("pragma", "no-cache"), ("content-type", "application/json")]
    {
        assert_eq!(reply.header(name), Some(value));
    }
    let (token, mut body) = (token(&reply), reply.json());
    body["access_token"].take();
    let expected =
        json!({"access_token": null, "token_type": "Bearer", "expires_in": 900, "scope": "partner"});
    assert_eq!(body, expected);
    let (header, mut claims) = (part(&token, 0), part(&token, 1));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    assert!(claims["jti"].take().is_string());
    let expected = json!({
        "iss": URL, "aud": URL, "sub": acme.id, "client_id": acme.id, "org_id": acme.id, "key": keyid,
        "scope": "partner", "iat": NOW, "exp": NOW + 900, "jti": null,
    });
    assert_eq!(claims, expected);
    let jwks = app.anyone().get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"][0]["kid"], header["kid"]);
}

#[tokio::test]
async fn each_algorithm_and_each_name_of_client_and_server_is_good() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let good = || Assertion::new(&ALICE, &keyid);
    for alg in ["RS384", "PS256", "PS384", "PS512"] {
        good().headed(json!({"alg": alg})).ask(&app.anyone()).await.expect(200);
    }
    for header in [json!({"typ": null}), json!({"typ": "client-authentication+jwt"})] {
        good().headed(header).ask(&app.anyone()).await.expect(200);
    }
    for aud in [json!(URL), json!(format!("{URL}/")), json!(["https://elsewhere.example", URL])] {
        good().with(json!({"aud": aud})).ask(&app.anyone()).await.expect(200);
    }
    for claims in [json!({"exp": NOW + 300}), json!({"iat": null}), json!({"nbf": NOW})] {
        good().with(claims).ask(&app.anyone()).await.expect(200);
    }
    for more in ["&scope=partner", "&client_id=acme", "&scope=&client_id=&resource=x"] {
        post(&app.anyone(), format!("{}{more}", good().form())).await.expect(200);
    }
}

#[tokio::test]
async fn a_key_is_of_the_client_that_it_was_registered_for_or_of_the_org() {
    let app = app().await;
    let acme = app.org("acme").await;
    let mut body = registration(&acme, &ALICE, "Authentication");
    body["RelatedClientId"] = json!("acme-billing");
    let keyid = acme.post("/api/v1/key", body).await.expect(200).json()["UniqueId"].clone();
    let keyid = keyid.as_str().expect("an id");
    let other = register(&acme, &MALLORY, "Authentication").await;
    for client in ["acme-billing", "acme"] {
        Assertion::new(&ALICE, keyid).of(client).ask(&app.anyone()).await.expect(200);
    }
    Assertion::new(&MALLORY, &other).of("acme-billing").ask(&app.anyone()).await.expect(401);
    let named = format!("{}&client_id=acme", Assertion::new(&ALICE, keyid).of("acme-billing").form());
    post(&app.anyone(), named).await.expect(401);
}

#[tokio::test]
async fn without_a_public_url_the_server_is_the_host_that_was_asked() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let to = |aud: &str| Assertion::new(&ALICE, &keyid).with(json!({"aud": aud}));
    for own in ["http://localhost/v1/oauth/token", "http://localhost", "http://127.0.0.1:0"] {
        to(own).ask(&app.anyone()).await.expect(200);
    }
    for other in ["https://localhost", "http://localhost:8080", URL] {
        to(other).ask(&app.anyone()).await.expect(401);
    }
    // Where it is set, nobody chooses another.
    let app = super::app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let local = Assertion::new(&ALICE, &keyid).with(json!({"aud": format!("http://localhost{TOKEN}")}));
    local.ask(&app.anyone()).await.expect(401);
}

#[tokio::test]
async fn issued_tokens_are_counted_and_the_request_is_logged_as_the_orgs() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    for _ in 0..2 {
        Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200);
    }
    post(&app.anyone(), form("a.b.c")).await.expect(401);
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("partner_api_partner_tokens_issued_total 2\n"), "{metrics}");
}

#[tokio::test]
async fn two_tokens_are_never_the_same() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = async || token(&Assertion::new(&ALICE, &keyid).ask(&app.anyone()).await.expect(200));
    let (one, other) = (get().await, get().await);
    let id = |token: &str| part(token, 1)["jti"].as_str().expect("an id").parse::<Uuid>().expect("a UUID");
    assert_ne!(id(&one), id(&other));
}
