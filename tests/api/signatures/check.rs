//! `POST /v1/auth/signature/check`: what the service would make of a signed request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ALICE, MALLORY, NOW, Request, URL, app, register};
use crate::support::Org;

async fn check(org: &Org, request: &Request<'_>) -> Value {
    let headers: Vec<_> = request.headers().into_iter().map(|(name, value)| json!([name, value])).collect();
    let body = json!({
        "method": request.method, "target_uri": format!("{URL}{}", request.path), "headers": headers,
        "body_base64": STANDARD.encode(&request.body),
    });
    org.post("/v1/auth/signature/check", body).await.expect(200).json()["data"].clone()
}

#[tokio::test]
async fn a_good_request_is_shown_as_the_service_reads_it_and_its_nonce_is_not_used_up() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let user = json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"});
    let request = Request::new("POST", "/v1/users", &ALICE, &keyid).with_body(user);
    let expected = json!({
        "valid": true, "problem": null, "keyid": keyid, "algorithm": "rsa-pss-sha512",
        "covered": ["\"@method\"", "\"@target-uri\"", "\"content-digest\""],
        "signature_base": format!(
            "\"@method\": POST\n\"@target-uri\": https://api.example.com/v1/users\n\"content-digest\": {}\n\
             \"@signature-params\": {}",
            request.digest(),
            request.input(),
        ),
    });
    assert_eq!(check(&acme, &request).await, expected);
    assert_eq!(check(&acme, &request).await, expected);
    request.send(&app.anyone()).await.expect(201);
}

#[tokio::test]
async fn the_first_thing_that_is_wrong_is_said_in_words() {
    let app = app().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = || Request::new("GET", "/v1/users", &ALICE, &keyid);
    let problem = async |org: &Org, request: Request<'_>| {
        let found = check(org, &request).await;
        assert_eq!(found["valid"], false);
        found["problem"].as_str().expect("words").to_owned()
    };
    assert_eq!(
        problem(&acme, Request { created: NOW - 412, ..get() }).await,
        "`created` is 412 s in the past; 300 s are accepted"
    );
    assert_eq!(
        problem(&zeta, get()).await,
        "`keyid` is not the UniqueId of a live key of yours with the usage Authentication"
    );
    assert!(problem(&acme, Request { covered: vec!["@method"], ..get() }).await.contains("is not covered"));
    assert!(problem(&acme, Request { key: &MALLORY, ..get() }).await.contains("signature"));
    let unsigned = json!({"method": "GET", "target_uri": format!("{URL}/v1/users"), "headers": []});
    let found = acme.post("/v1/auth/signature/check", unsigned).await.expect(200).json();
    assert_eq!(found["data"]["problem"], "there is neither `signature-input` nor `signature`");
    let elsewhere = json!({"method": "GET", "target_uri": "https://evil.example/v1/users", "headers": []});
    let found = acme.post("/v1/auth/signature/check", elsewhere).await.expect(200).json();
    assert_eq!(found["data"]["problem"], "`target_uri` is not a URL of this service");
}
