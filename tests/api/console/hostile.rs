//! What partners and strangers put into names, seen by the platform's people.

use partner_api::identity::platform::PlatformScope;
use serde_json::json;

use super::Operator;
use crate::public_keys::{register, rsa};
use crate::support::TestApp;

const XSS: &str = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>";

#[tokio::test]
async fn what_is_in_a_name_is_text_on_every_page() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key_id, key) = acme.mint_with(json!({"name": XSS, "expires_at": "2026-12-01T00:00:00Z"})).await;
    acme.patch("/v1/admin/org", json!({"name": XSS})).await.expect(200);
    let mut body = rsa(&acme, "rsa3072.spki.pem");
    body["RelatedClientId"] = json!(XSS);
    let unique_id = register(&acme, body).await;
    app.holder(&key).with("user-agent", XSS).get("/v1/users").await.expect(200);
    app.state.identity.keys.usage.flush(&app.state.db).await;
    let (_, platform) = app.platform(&PlatformScope::ALL).await;
    platform.post("/internal/orgs/acme/freeze", json!({"reason": XSS})).await.expect(200);
    let stream = json!({"description": XSS, "types": [
        {"type": "order.paid", "description": XSS, "schema": {"title": XSS, "type": "object"}}
    ]});
    platform.json("PUT", "/internal/streams/orders", stream).await.expect(200);
    let event =
        acme.get("/v1/admin/org/events").await.json()["data"][0]["event_id"].as_str().unwrap().to_owned();
    let mut database = app.database.connect().await;
    for statement in [
        "UPDATE platform_tokens SET name = $1",
        "UPDATE events SET body = $1, last_error = $1, type = $1",
        "UPDATE tenant_keys SET leaked_at = now() - interval '1 year', leak_source = $1, leak_url = $1,
             leak_note = $1, leak_response = 'grace'",
        "UPDATE orgs SET suspend_reason = $1, contact_emails = ARRAY[$1]",
    ] {
        sqlx::query(statement).bind(XSS).execute(&mut database).await.unwrap();
    }
    let operator = Operator::of_all(&app).await;
    sqlx::query("UPDATE platform_tokens SET name = $1").bind(XSS).execute(&mut database).await.unwrap();
    for page in [
        "/console".to_owned(),
        "/console/orgs".to_owned(),
        "/console/orgs?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "/console/leaks".to_owned(),
        "/console/leaks?before=%22%3E%3Cscript%3E".to_owned(),
        "/console/streams".to_owned(),
        "/console/streams/orders".to_owned(),
        "/console/service".to_owned(),
        "/console/orgs/acme".to_owned(),
        "/console/orgs/acme/standing?done=%22%3E%3Cscript%3E".to_owned(),
        "/console/orgs/acme/keys".to_owned(),
        format!("/console/orgs/acme/keys/{key_id}"),
        "/console/orgs/acme/public-keys".to_owned(),
        format!("/console/orgs/acme/public-keys/{unique_id}"),
        "/console/orgs/acme/events".to_owned(),
        format!("/console/orgs/acme/events/{event}"),
        "/console/orgs/acme/audit".to_owned(),
    ] {
        let text = operator.page(&page).await;
        assert!(!text.contains("<script") && !text.contains("<img"), "{page}: {text}");
    }
    let leaks = operator.page("/console/leaks").await;
    assert!(leaks.contains("&lt;script&gt;") && !leaks.contains("href=\"&quot;"), "{leaks}");
    for page in ["/console/%22%3E%3Cscript%3E", "/console/orgs/%22%3E%3Cscript%3E", "/console/orgs/%ff"] {
        let reply = operator.get(page).await;
        assert!(reply.status == 404 && !reply.text().contains("<script"), "{page}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_was_typed_is_text_where_it_is_shown_again() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let standing = "/console/orgs/acme/standing";
    for (page, to, fields) in [
        ("/console/orgs", "/console/orgs", &[("key", XSS), ("name", XSS)][..]),
        (standing, "/console/orgs/acme/link", &[("actor", XSS), ("role", XSS)]),
        (standing, "/console/orgs/acme/limits", &[("limits", "own"), ("rate", XSS)]),
        (standing, "/console/orgs/acme/recover", &[("keep_key_id", XSS), ("since", XSS)]),
    ] {
        let refused = operator.submit(page, to, fields).await.expect(422).text();
        assert!(!refused.contains("<script") && refused.contains("&lt;script&gt;"), "{to}: {refused}");
    }
}

#[tokio::test]
async fn no_orgs_key_in_an_address_leads_elsewhere() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let zeta = app.org("zeta").await;
    let (key_id, _) = zeta.mint().await;
    let operator = Operator::of_all(&app).await;
    // What is another org's is not there, whatever the address says.
    let token = operator.form_token().await;
    operator.get(&format!("/console/orgs/acme/keys/{key_id}")).await.expect(404);
    let to = format!("/console/orgs/acme/keys/{key_id}/revoke");
    crate::portal::press(&operator.caller, &to, &[("form", &token)]).await.expect(404);
    let live = zeta.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    assert_eq!(live["data"].as_array().unwrap().len(), 1);
    acme.get("/v1/admin/org").await.expect(200);
}
