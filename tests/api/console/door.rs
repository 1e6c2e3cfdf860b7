//! The way in and out.

use chrono::TimeDelta;
use partner_api::background::retention;
use partner_api::crypto::platform_token::PlatformToken;
use partner_api::crypto::tenant_key::KeyEnv;
use partner_api::identity::platform::PlatformScope;
use partner_api::routes::internal::tokens;

use super::{LOGIN, Operator};
use crate::portal::{Browser, FORM, press};
use crate::support::{TestApp, request};

async fn is_out(operator: &Operator) -> bool {
    operator.get("/console").await.status == 401
}

async fn revoke(app: &TestApp, operator: &Operator) {
    let (db, now) = (&app.state.db.pool, app.clock.now());
    assert!(tokens::revoke(db, operator.token_id, now).await.unwrap());
}

#[tokio::test]
async fn a_platform_token_leads_in_and_is_kept_nowhere() {
    let app = TestApp::new().await;
    let (id, token) = app.platform_token(&[PlatformScope::OrgsRead]).await;
    let entered = press(&app.operations(), LOGIN, &[("token", &format!(" {token}\n"))]).await.expect(303);
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("console-local=console_"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict"), "{cookie}");
    let operator = Operator::holding(&app, &entered, id);
    for path in ["/console", "/console/orgs", "/console/service"] {
        let page = operator.page(path).await;
        assert!(page.contains("billing") && !page.contains(&token), "{page}");
    }
    let rows: Vec<String> = sqlx::query_scalar("SELECT s::text FROM console_sessions s")
        .fetch_all(&mut app.database.connect().await)
        .await
        .unwrap();
    let secret = operator.cookie.split_once('=').unwrap().1;
    assert!(rows.len() == 1 && !rows[0].contains(&token) && !rows[0].contains(secret), "{rows:?}");
    // Whoever is inside needs no form.
    assert_eq!(operator.get(LOGIN).await.expect(303).header("location"), Some("/console"));
}

#[tokio::test]
async fn elsewhere_than_on_the_machine_itself_the_cookie_goes_over_https_alone() {
    let app = TestApp::new().await;
    let (_, token) = app.platform_token(&[PlatformScope::OrgsRead]).await;
    let caller = app.operations().without("host").with("host", "console.example.com");
    let entered = press(&caller, LOGIN, &[("token", &token)]).await.expect(303);
    let cookie = entered.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-console=console_") && cookie.contains("; HttpOnly; Secure; "),
        "{cookie}"
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_answered_alike() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, tenant_key) = acme.mint().await;
    let dead = {
        let (id, token) = app.platform_token(&PlatformScope::ALL).await;
        tokens::revoke(&app.state.db.pool, id, app.clock.now()).await.unwrap();
        token
    };
    let unknown = PlatformToken::generate(KeyEnv::Test);
    let mut answers = Vec::new();
    for token in ["", "x", &tenant_key, &dead, unknown.expose(), &"pt_".repeat(3_000)] {
        let refused = press(&app.operations(), LOGIN, &[("token", token)]).await.expect(401);
        assert_eq!(refused.header("set-cookie"), None);
        answers.push(refused.text());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert!(answers[0].contains("That is no platform token which lives."));
}

#[tokio::test]
async fn a_network_tries_ten_times_a_minute() {
    let app = TestApp::new().await;
    let (_, token) = app.platform_token(&PlatformScope::ALL).await;
    for _ in 0..10 {
        press(&app.operations(), LOGIN, &[("token", "x")]).await.expect(401);
    }
    let refused = press(&app.operations(), LOGIN, &[("token", &token)]).await.expect(429);
    assert_eq!(refused.header("retry-after"), Some("60"));
    app.clock.advance(TimeDelta::minutes(1));
    press(&app.operations(), LOGIN, &[("token", &token)]).await.expect(303);
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_sites_page() {
    let app = TestApp::new().await;
    let (_, token) = app.platform_token(&PlatformScope::ALL).await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        let form = request("POST", LOGIN).header("content-type", FORM);
        let refused =
            app.operations().with(name, value).send(form, format!("token={token}")).await.expect(403);
        assert_eq!(refused.header("set-cookie"), None, "{name}");
    }
}

#[tokio::test]
async fn a_session_lasts_an_hour() {
    let app = TestApp::new().await;
    let operator = Operator::of_all(&app).await;
    app.clock.advance(TimeDelta::seconds(3_599));
    assert!(!is_out(&operator).await);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(is_out(&operator).await);
}

#[tokio::test]
async fn a_session_ends_with_its_token_at_once() {
    let app = TestApp::new().await;
    let (operator, other) = (Operator::of_all(&app).await, Operator::of_all(&app).await);
    assert!(!is_out(&operator).await);
    revoke(&app, &operator).await;
    assert!(is_out(&operator).await && !is_out(&other).await);
}

#[tokio::test]
async fn leaving_ends_it_on_the_server() {
    let app = TestApp::new().await;
    let operator = Operator::of_all(&app).await;
    let left = operator.submit("/console", "/console/leave", &[]).await.expect(200);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(is_out(&operator).await);
}

#[tokio::test]
async fn who_enters_again_leaves_the_session_before() {
    let app = TestApp::new().await;
    let operator = Operator::of_all(&app).await;
    let (_, token) = app.platform_token(&PlatformScope::ALL).await;
    let entered = press(&operator.caller, LOGIN, &[("token", &token)]).await.expect(303);
    assert!(!entered.header("set-cookie").unwrap().contains(&operator.cookie));
    assert!(is_out(&operator).await);
}

#[tokio::test]
async fn the_portals_cookie_opens_no_console_and_the_consoles_no_portal() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let operator = Operator::of_all(&app).await;
    let (portal, console) = (&browser.cookie, &operator.cookie);
    let value = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    for cookie in [portal.clone(), format!("console-local={}", value(portal))] {
        app.operations().with("cookie", cookie).get("/console").await.expect(401);
    }
    for cookie in [console.clone(), format!("portal-local={}", value(console))] {
        app.anyone().with("cookie", cookie).get("/portal").await.expect(401);
    }
    // Two cookies of one name are none.
    let two = format!("{console}; {console}");
    app.operations().with("cookie", two).get("/console").await.expect(401);
}

#[tokio::test]
async fn sessions_are_forgotten_a_day_after_their_end() {
    let app = TestApp::new().await;
    Operator::of_all(&app).await;
    let rows = async || -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM console_sessions");
        count.fetch_one(&mut app.database.connect().await).await.unwrap()
    };
    app.clock.advance(TimeDelta::hours(25));
    retention::step(&app.state).await.unwrap();
    assert_eq!(rows().await, 1);
    app.clock.advance(TimeDelta::seconds(1));
    retention::step(&app.state).await.unwrap();
    assert_eq!(rows().await, 0);
}
