//! Keys and secrets in the portal: what is made is shown once, and nothing is made twice.

use serde_json::json;

use super::{Browser, field, form, logged, press, shown_secret};
use crate::support::TestApp;

#[tokio::test]
async fn a_key_is_made_shown_once_and_works() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let fields = [("name", "billing backend"), ("scope", "users:read"), ("scope", "org:read")];
    let made = browser.submit("/portal/keys", "/portal/keys", &fields).await.expect(200);
    let key = shown_secret(&made.text());
    app.holder(&key).get("/v1/users").await.expect(200);
    app.holder(&key).get("/v1/admin/org/tenant-keys").await.expect(403);
    for page in ["/portal", "/portal/keys", "/portal/audit"] {
        assert!(!browser.page(page).await.contains(&key), "{page}");
    }
    let listed = browser.page("/portal/keys").await;
    assert!(listed.contains("billing backend") && listed.contains(&key[..14]), "{listed}");
    assert!(logged(&acme).await.contains(&(
        "tenant_key.created".into(),
        "portal".into(),
        Some("ada".into())
    )));
}

#[tokio::test]
async fn a_form_that_is_sent_again_does_nothing_again_and_after_a_double_click_shows_nothing_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    for (page, to, fields) in [
        ("/portal/keys", "/portal/keys", &[("name", "x")][..]),
        (
            "/portal/secrets",
            "/portal/secrets/rotate",
            &[("activation", "immediate"), ("grace_period_seconds", "3600")],
        ),
    ] {
        let shown = browser.page(page).await;
        let sent = form(&shown, to).unwrap();
        let hidden = ["form", "once"].map(|name| field(sent, name).unwrap());
        let all: Vec<_> = [("form", hidden[0].as_str()), ("once", hidden[1].as_str())]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        let secret = shown_secret(&press(&browser.caller, to, &all).await.expect(200).text());
        // The browser shows what the second click was answered.
        app.clock.advance(chrono::TimeDelta::milliseconds(2_999));
        assert_eq!(shown_secret(&press(&browser.caller, to, &all).await.expect(200).text()), secret);
        for seconds in [1, 600] {
            app.clock.advance(chrono::TimeDelta::milliseconds(seconds * 1_000));
            let again = press(&browser.caller, to, &all).await.expect(200).text();
            assert!(again.contains("That was done already") && !again.contains(&secret), "{again}");
        }
    }
    let keys = acme.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    assert_eq!(keys["data"].as_array().unwrap().len(), 1);
    let secrets = acme.get("/v1/auth/signing-secret").await.expect(200).json();
    assert_eq!(secrets["data"]["previous"], json!([]));
}

#[tokio::test]
async fn of_two_clicks_at_once_both_are_answered_with_the_one_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let shown = browser.page("/portal/keys").await;
    let sent = form(&shown, "/portal/keys").unwrap();
    let hidden = ["form", "once"].map(|name| field(sent, name).unwrap());
    let fields = [("form", hidden[0].as_str()), ("once", hidden[1].as_str()), ("name", "x")];
    let click = async || press(&browser.caller, "/portal/keys", &fields).await.expect(200).text();
    let (first, second) = tokio::join!(click(), click());
    assert_eq!(shown_secret(&first), shown_secret(&second));
    let keys = acme.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    assert_eq!(keys["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let fields = [("name", "billing"), ("expires_at", "2020-01-01T00:00"), ("scope", "users:read")];
    let refused = browser.submit("/portal/keys", "/portal/keys", &fields).await.expect(422).text();
    assert!(refused.contains("<title>Error: API keys"), "{refused}");
    assert!(refused.contains("role=\"alert\"") && refused.contains("href=\"#f-expires-at\""), "{refused}");
    assert!(refused.contains("aria-invalid=\"true\"") && refused.contains("value=\"billing\""), "{refused}");
    assert!(refused.contains("value=\"users:read\" checked"), "{refused}");
    assert!(refused.contains("value=\"2020-01-01T00:00\""), "{refused}");
}

#[tokio::test]
async fn a_key_is_rotated_in_two_phases() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (old_id, old) = acme.mint().await;
    let browser = Browser::enter(&app, &app.holder(&old), "admin").await;
    let page = format!("/portal/keys/{old_id}");
    let fields = [("activation", "on_confirm"), ("grace_period_seconds", "86400")];
    let made = browser.submit(&page, &format!("{page}/rotate"), &fields).await.expect(200).text();
    let new = shown_secret(&made);
    let (_, rest) = made.split_once("href=\"/portal/keys/").unwrap();
    let new_id = rest.split('"').next().unwrap().to_owned();
    app.holder(&new).get("/v1/users").await.expect(200);
    assert!(browser.page(&page).await.contains("It is to be replaced, once that is confirmed"));
    assert!(browser.page("/portal").await.contains("waits for its confirmation until"));

    let new_page = format!("/portal/keys/{new_id}");
    let confirmed = browser.submit(&new_page, &format!("{new_page}/confirm"), &[]).await.expect(303);
    assert_eq!(confirmed.header("location"), Some(format!("{new_page}?done=confirmed").as_str()));
    assert!(browser.page(&page).await.contains("replaced, in its grace window"));
    assert!(browser.page("/portal").await.contains("grace window until"));
    // The session goes on by the successor, which its own person has put in place.
    browser.submit("/portal/keys", "/portal/keys", &[("name", "more")]).await.expect(200);
}

#[tokio::test]
async fn a_rotation_that_waits_is_given_up() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (old_id, old) = acme.mint().await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let page = format!("/portal/keys/{old_id}");
    let made = browser
        .submit(&page, &format!("{page}/rotate"), &[("activation", "on_confirm")])
        .await
        .expect(200)
        .text();
    let (_, rest) = made.split_once("href=\"/portal/keys/").unwrap();
    let new_page = format!("/portal/keys/{}", rest.split('"').next().unwrap());
    browser.submit(&new_page, &format!("{new_page}/revoke"), &[]).await.expect(303);
    app.holder(&shown_secret(&made)).get("/v1/users").await.expect(401);
    app.holder(&old).get("/v1/users").await.expect(200);
    assert!(!browser.page(&page).await.contains("replaced"));
}

#[tokio::test]
async fn a_key_that_is_rotated_at_once_takes_its_session_along() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (old_id, old) = acme.mint().await;
    let browser = Browser::enter(&app, &app.holder(&old), "admin").await;
    let page = format!("/portal/keys/{old_id}");
    let fields = [("activation", "immediate"), ("grace_period_seconds", "0")];
    browser.submit(&page, &format!("{page}/rotate"), &fields).await.expect(200);
    app.holder(&old).get("/v1/users").await.expect(401);
    browser.submit("/portal/keys", "/portal/keys", &[("name", "more")]).await.expect(200);
}

#[tokio::test]
async fn a_key_is_revoked_and_the_one_under_the_session_is_not() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ((own_id, own), (other_id, other)) = (acme.mint().await, acme.mint().await);
    let browser = Browser::enter(&app, &app.holder(&own), "admin").await;
    let revoke = async |id: &str| {
        let page = format!("/portal/keys/{id}");
        browser.submit(&page, &format!("{page}/revoke"), &[]).await
    };
    let refused = revoke(&own_id).await.expect(422).text();
    assert!(refused.contains("A key cannot revoke itself"), "{refused}");
    assert_eq!(revoke(&other_id).await.expect(303).header("location"), Some("/portal/keys?done=revoked"));
    app.holder(&other).get("/v1/users").await.expect(401);
    assert!(browser.page("/portal/keys?all=1").await.contains("revoked"));
    let page = browser.page(&format!("/portal/keys/{other_id}")).await;
    assert!(!page.contains("<form method=\"post\" action=\"/portal/keys"), "a dead key has no forms");
}

#[tokio::test]
async fn a_secret_is_rotated_confirmed_and_ended() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    assert!(browser.page("/portal/secrets").await.contains("There is no secret yet."));
    let rotate = async |fields: &[(&str, &str)]| {
        browser.submit("/portal/secrets", "/portal/secrets/rotate", fields).await.expect(200).text()
    };
    assert!(shown_secret(&rotate(&[]).await).starts_with("whsec_"));
    let waiting = rotate(&[("activation", "on_confirm")]).await;
    assert!(waiting.contains("confirm it by"), "{waiting}");
    let page = browser.page("/portal/secrets").await;
    let (_, rest) = page.split_once("action=\"/portal/secrets/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    let confirm = format!("/portal/secrets/{id}/confirm");
    browser.submit("/portal/secrets", &confirm, &[]).await.expect(303);
    let page = browser.page("/portal/secrets").await;
    assert!(page.contains("Previous secret") && page.contains("End it now"), "{page}");
    let (_, rest) = page.split_once("action=\"/portal/secrets/").unwrap();
    let revoke = format!("/portal/secrets/{}", rest.split('"').next().unwrap());
    browser.submit("/portal/secrets", &revoke, &[]).await.expect(303);
    assert!(!browser.page("/portal/secrets").await.contains("Previous secret"));
}

#[tokio::test]
async fn a_secret_of_ones_own_is_not_sent_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let own = "c2VjcmV0LW9mLXRoZS1wYXJ0bmVycy1vd24tMDEyMzQ1Njc4OQ";
    let send = async |secret| {
        browser.submit("/portal/secrets", "/portal/secrets/rotate", &[("secret", secret)]).await
    };
    let taken = send(own).await.expect(200).text();
    assert!(taken.contains("the secret that you sent") && !taken.contains(own), "{taken}");
    let refused = send(own).await.expect(422).text();
    assert!(refused.contains("has had this signing secret before") && !refused.contains(own), "{refused}");
    let refused = send("tooshort").await.expect(422).text();
    assert!(refused.contains("id=\"f-secret-problem\"") && !refused.contains("tooshort"), "{refused}");
}
