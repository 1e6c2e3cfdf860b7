//! Public keys in the portal: pasted or sent as a file, proven, and ended.

use super::{Browser, FORM};
use crate::public_keys::rsa;
use crate::support::{TestApp, request};

/// The text of a key that others are tested with as well.
async fn text(app: &TestApp) -> String {
    let org = app.org("other").await;
    rsa(&org, "rsa3072.spki.pem")["PublicKey"].as_str().unwrap().to_owned()
}

const FIELDS: [(&str, &str); 3] =
    [("Type", "RSA"), ("ExpirationUtc", "2027-11-21T08:00"), ("Usage", "Authentication")];

#[tokio::test]
async fn a_key_is_registered_by_paste_and_by_file() {
    let app = TestApp::new().await;
    let (acme, beta) = (app.org("acme").await, app.org("beta").await);
    let key = text(&app).await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let fields: Vec<_> = FIELDS.into_iter().chain([("PublicKey", key.as_str())]).collect();
    let done = browser.submit("/portal/public-keys", "/portal/public-keys", &fields).await.expect(303);
    let page = browser.page(done.header("location").unwrap()).await;
    assert!(page.contains("RSA-3072") && page.contains("not proven"), "{page}");

    let browser = Browser::enter(&app, &beta, "admin").await;
    let token = browser.form_token().await;
    let mut body = String::new();
    for (name, value) in FIELDS.into_iter().chain([("form", token.as_str()), ("PublicKey", "")]) {
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!(
        "--b\r\nContent-Disposition: form-data; name=\"File\"; filename=\"key.pem\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{key}\r\n--b--\r\n"
    );
    let head =
        request("POST", "/portal/public-keys").header("content-type", "multipart/form-data; boundary=b");
    browser.caller.send(head, body).await.expect(303);
    assert!(browser.page("/portal/public-keys").await.contains("RSA-3072"));
}

#[tokio::test]
async fn what_is_refused_is_said_beside_the_key_and_a_private_key_is_not_sent_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let fields: Vec<_> = FIELDS.into_iter().chain([("PublicKey", "nonsense")]).collect();
    let refused =
        browser.submit("/portal/public-keys", "/portal/public-keys", &fields).await.expect(422).text();
    assert!(refused.contains("id=\"f-publickey-problem\""), "{refused}");
}

#[tokio::test]
async fn a_key_is_challenged_and_a_wrong_answer_keeps_the_challenge_on_the_page() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = text(&app).await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let fields: Vec<_> = FIELDS.into_iter().chain([("PublicKey", key.as_str())]).collect();
    let done = browser.submit("/portal/public-keys", "/portal/public-keys", &fields).await.expect(303);
    let page = done.header("location").unwrap().split('?').next().unwrap().to_owned();
    let asked = browser.submit(&page, &format!("{page}/challenge"), &[]).await.expect(200).text();
    let challenge = super::field(&asked, "challenge").unwrap();
    assert!(asked.contains("Sign this text, byte for byte"), "{asked}");
    let token = browser.form_token().await;
    let fields = [("form", token.as_str()), ("challenge", &challenge), ("Response", "bm90aGluZw==")];
    let refused = super::press(&browser.caller, &format!("{page}/proof"), &fields).await.expect(422).text();
    assert!(refused.contains("does not prove") && refused.contains(&challenge), "{refused}");

    let end = [("ExpirationUtc", "2027-01-01T00:00")];
    browser.submit(&page, &format!("{page}/expiration"), &end).await.expect(303);
    assert!(browser.page(&page).await.contains("1 Jan 2027, 00:00 UTC"));
    browser.submit(&page, &format!("{page}/delete"), &[]).await.expect(303);
    assert!(browser.page(&page).await.contains("ended"));
}

#[tokio::test]
async fn a_form_of_another_kind_or_too_long_is_refused() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let send = async |kind: &str, body: String| {
        browser
            .caller
            .send(request("POST", "/portal/public-keys").header("content-type", kind), body)
            .await
            .status
    };
    assert_eq!(send("application/json", "{}".into()).await, 415);
    assert_eq!(send("multipart/form-data", "x".into()).await, 400);
    assert_eq!(send("multipart/form-data; boundary=b", "--b\r\nnonsense".into()).await, 400);
    assert_eq!(send(FORM, format!("PublicKey={}", "a".repeat(140_000))).await, 413);
}
