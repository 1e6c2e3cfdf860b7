//! What people and programs put into names, and what other sites try.

use serde_json::json;

use super::{Browser, link, press, wanted};
use crate::public_keys::{register, rsa};
use crate::support::{TestApp, request};

const XSS: &str = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>";

#[tokio::test]
async fn what_is_in_a_name_is_text_on_every_page() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = acme.post("/v1/admin/org/tenant-keys", json!({"name": XSS})).await.expect(201).json();
    acme.patch("/v1/admin/org", json!({"name": XSS})).await.expect(200);
    let mut body = rsa(&acme, "rsa3072.spki.pem");
    body["RelatedClientId"] = json!(XSS);
    let unique_id = register(&acme, body).await;
    let agent = app.holder(key["data"]["secret"].as_str().unwrap()).with("user-agent", XSS);
    agent.get("/v1/users").await.expect(200);
    app.state.identity.keys.usage.flush(&app.state.db).await;
    let event =
        acme.get("/v1/admin/org/events").await.json()["data"][0]["event_id"].as_str().unwrap().to_owned();
    sqlx::query("UPDATE events SET body = $1, last_error = $1, type = $1")
        .bind(XSS)
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
    app.database.unlock_audit_log().await;
    let mut database = app.database.connect().await;
    sqlx::query("UPDATE audit_log SET subject = $1").bind(XSS).execute(&mut database).await.unwrap();

    let mut mail = wanted("admin");
    mail["actor"]["email"] = json!("\"><script>\"@example.com");
    let path = if acme.post(super::LINKS, mail.clone()).await.status == 201 {
        link(&acme, mail).await
    } else {
        link(&acme, wanted("admin")).await
    };
    let browser = Browser::open(&app, &path).await;
    let key_id = key["data"]["id"].as_str().unwrap();
    for page in [
        "/portal".to_owned(),
        "/portal/keys".to_owned(),
        format!("/portal/keys/{key_id}"),
        format!("/portal/keys/{key_id}?done=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        "/portal/public-keys".to_owned(),
        format!("/portal/public-keys/{unique_id}"),
        "/portal/events".to_owned(),
        format!("/portal/events/{event}"),
        "/portal/audit".to_owned(),
        "/portal/events?since=%22%3E%3Cscript%3E&cursor=&replayed=%3Cscript%3E".to_owned(),
    ] {
        let text = browser.page(&page).await;
        assert!(!text.contains("<script") && !text.contains("<img"), "{page}: {text}");
    }
    for page in [
        "/portal/events?stream=%22%3E%3Cscript%3E",
        "/portal/events?cursor=%22%3E%3Cscript%3E",
        "/portal/%22%3E%3Cscript%3E",
    ] {
        let reply = browser.get(page).await;
        assert!(reply.status >= 400 && !reply.text().contains("<script"), "{page}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_was_typed_is_text_where_it_is_shown_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    for (page, fields) in [
        ("/portal/keys", &[("name", XSS), ("expires_at", XSS), ("scope", XSS)][..]),
        (
            "/portal/public-keys",
            &[("PublicKey", XSS), ("RelatedClientId", XSS), ("Type", XSS), ("Usage", XSS)],
        ),
        ("/portal/reports", &[("type", XSS), ("from", XSS)]),
    ] {
        let refused = browser.submit(page, page, fields).await.expect(422).text();
        assert!(!refused.contains("<script") && !refused.contains("<img"), "{page}: {refused}");
    }
}

#[tokio::test]
async fn nobody_gets_a_session_that_they_knew_before() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let acme = app.org("acme").await;
    let path = link(&acme, wanted("admin")).await;
    let token = path.rsplit('/').next().unwrap();
    // A thief has planted a cookie, of a form that the service makes.
    let planted = format!("__Host-portal={token}");
    let victim = app.anyone().with("cookie", &planted);
    let opened = press(&victim, "/portal/open", &[("link", token)]).await.expect(303);
    let cookie = opened.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-portal=portal_") && !cookie.contains(token), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=1800; HttpOnly; Secure; SameSite=Strict"), "{cookie}");
    // The link's token is no session's, and the planted cookie opens nothing.
    victim.get("/portal").await.expect(401);
    let session = cookie.split(';').next().unwrap();
    app.anyone().with("cookie", session).get("/portal").await.expect(200);
    // Two cookies of the name are nobody's.
    app.anyone().with("cookie", format!("{planted}; {session}")).get("/portal").await.expect(401);
    app.anyone().with("cookie", session).with("cookie", &planted).get("/portal").await.expect(401);
    // Nor is the one for machines without https.
    app.anyone()
        .with("cookie", session.replace("__Host-portal", "portal-local"))
        .get("/portal")
        .await
        .expect(401);
}

#[tokio::test]
async fn another_site_cannot_open_its_own_link_in_somebodys_browser() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let token = link(&acme, wanted("admin")).await.rsplit('/').next().unwrap().to_owned();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let head = request("POST", "/portal/open").header("content-type", super::FORM).header(name, value);
        let refused = app.anyone().send(head, format!("link={token}")).await.expect(403);
        assert_eq!(refused.header("set-cookie"), None);
    }
    // It was not used up by that.
    press(&app.anyone(), "/portal/open", &[("link", &token)]).await.expect(303);
}

#[tokio::test]
async fn one_orgs_session_sees_nothing_of_another() {
    let app = TestApp::new().await;
    let (acme, beta) = (app.org("acme").await, app.org("beta").await);
    let (key_id, _) = beta.mint().await;
    let unique_id = register(&beta, rsa(&beta, "rsa3072.spki.pem")).await;
    let event =
        beta.get("/v1/admin/org/events").await.json()["data"][0]["event_id"].as_str().unwrap().to_owned();
    let browser = Browser::enter(&app, &acme, "admin").await;
    let token = browser.form_token().await;
    for path in [
        format!("/portal/keys/{key_id}"),
        format!("/portal/public-keys/{unique_id}"),
        format!("/portal/events/{event}"),
    ] {
        browser.get(&path).await.expect(404);
    }
    for path in [
        format!("/portal/keys/{key_id}/revoke"),
        format!("/portal/keys/{key_id}/rotate"),
        format!("/portal/public-keys/{unique_id}/delete"),
    ] {
        press(&browser.caller, &path, &[("form", &token)]).await.expect(404);
    }
    assert_eq!(beta.get("/v1/admin/org/tenant-keys").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_token_of_the_portals_lies_in_the_database() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let path = link(&acme, wanted("admin")).await;
    let browser = Browser::open(&app, &path).await;
    let row: serde_json::Value = sqlx::query_scalar("SELECT to_jsonb(s) FROM portal_sessions s")
        .fetch_one(&mut app.database.connect().await)
        .await
        .unwrap();
    let (link, cookie) = (path.rsplit('/').next().unwrap(), browser.cookie.split('=').nth(1).unwrap());
    assert!(!row.to_string().contains(link) && !row.to_string().contains(cookie));
    assert!(!row.to_string().contains(&hex::encode(cookie)));
}
