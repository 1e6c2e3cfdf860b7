//! Links to the portal: who makes one, for whom, and that it opens once.

use chrono::TimeDelta;
use partner_api::identity::platform::PlatformScope;
use serde_json::json;

use super::{Browser, LINKS, link, logged, press, wanted};
use crate::support::{TestApp, invalid};

#[tokio::test]
async fn a_link_leads_to_the_public_url_and_is_good_for_a_minute() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com/")]).await;
    let acme = app.org("acme").await;
    let made = acme.post(LINKS, wanted("viewer")).await.expect(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let data = made.json()["data"].clone();
    assert_eq!(data["expires_at"], "2026-11-21T08:01:00Z");
    assert!(
        data["url"].as_str().unwrap().starts_with("https://api.example.com/portal/open/portal_"),
        "{data}"
    );
    assert_eq!(data.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn looking_at_a_link_opens_nothing_and_says_nothing_of_the_org() {
    let app = TestApp::new().await;
    let acme = app.org("acme-of-all").await;
    let path = link(&acme, wanted("admin")).await;
    for _ in 0..3 {
        let shown = app.anyone().get(&path).await.expect(200);
        assert_eq!(shown.header("set-cookie"), None);
        assert!(!shown.text().contains("acme") && !shown.text().contains("ada"), "{}", shown.text());
    }
    let browser = Browser::open(&app, &path).await;
    assert!(browser.page("/portal").await.contains("acme-of-all"));
}

#[tokio::test]
async fn a_link_opens_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let path = link(&acme, wanted("viewer")).await;
    let token = path.rsplit('/').next().unwrap().to_owned();
    Browser::open(&app, &path).await;
    app.anyone().get(&path).await.expect(410);
    let again = press(&app.anyone(), "/portal/open", &[("link", &token)]).await.expect(410);
    assert_eq!(again.header("set-cookie"), None);
    // What is no link is answered alike.
    let other = app.anyone().get("/portal/open/portal_nothing").await.expect(410);
    assert_eq!(other.text(), again.text());
}

#[tokio::test]
async fn of_many_who_open_a_link_at_once_one_gets_in() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let token = link(&acme, wanted("viewer")).await.rsplit('/').next().unwrap().to_owned();
    let anyone = app.anyone();
    let fields = [("link", token.as_str())];
    let tries = (0..8).map(|_| press(&anyone, "/portal/open", &fields));
    let replies = futures_util::future::join_all(tries).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410, 410, 410, 410, 410]);
}

#[tokio::test]
async fn after_a_minute_a_link_is_gone() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let path = link(&acme, wanted("viewer")).await;
    app.clock.advance(TimeDelta::seconds(60));
    app.anyone().get(&path).await.expect(410);
    let token = path.rsplit('/').next().unwrap();
    press(&app.anyone(), "/portal/open", &[("link", token)]).await.expect(410);
}

#[tokio::test]
async fn nobody_gives_away_a_role_that_may_do_more_than_their_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let reads = [
        "org:read",
        "tenant_keys:read",
        "signing_secrets:read",
        "queues:read",
        "events:read",
        "public_keys:read",
        "audit:read",
        "reports:read",
    ];
    let tries = ["queues:write", "events:write", "reports:write"];
    let of = |scopes: &[&str]| {
        let scopes: Vec<_> = ["org:write"].iter().chain(scopes).copied().collect();
        json!({"name": "links", "scopes": scopes})
    };
    let (_, viewing) = acme.mint_with(of(&reads)).await;
    let (_, trying) = acme.mint_with(of(&[&reads[..], &tries].concat())).await;
    let (_, little) = acme.mint_with(of(&reads[..7])).await;
    let (_, unrelated) = acme.mint_with(json!({"name": "users", "scopes": ["users:read"]})).await;
    for (key, role, status) in [
        (&viewing, "viewer", 201),
        (&viewing, "developer", 403),
        (&viewing, "admin", 403),
        (&trying, "developer", 201),
        (&trying, "admin", 403),
        (&little, "viewer", 403),
        (&unrelated, "viewer", 403),
    ] {
        let reply = app.holder(key).post(LINKS, wanted(role)).await.expect(status);
        if status == 403 {
            assert_eq!(reply.code(), "insufficient_scope", "{role}");
        }
    }
}

#[tokio::test]
async fn a_key_that_administers_nothing_makes_no_links() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, old) = acme.mint().await;
    app.holder(&old).post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200);
    assert_eq!(app.holder(&old).post(LINKS, wanted("viewer")).await.expect(403).code(), "key_superseded");
}

#[tokio::test]
async fn who_is_named_and_where_the_way_back_leads_are_judged() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = "must have 1 to 128 letters, digits and the characters . _ : | -, and be no e-mail address";
    let mut bad = wanted("viewer");
    bad["actor"]["id"] = json!("ada@example.com");
    acme.post(LINKS, bad).await.expect_json(422, &invalid(&["body", "actor", "id"], "enum", id));
    let mut bad = wanted("owner");
    let role = "must be viewer, developer or admin";
    acme.post(LINKS, bad.clone()).await.expect_json(422, &invalid(&["body", "role"], "enum", role));
    bad = wanted("viewer");
    bad["return_url"] = json!("javascript:alert(1)");
    let url = "must be an https URL of at most 2,000 characters, without a user";
    acme.post(LINKS, bad).await.expect_json(422, &invalid(&["body", "return_url"], "value_error", url));
}

#[tokio::test]
async fn the_platform_makes_links_for_any_org() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    let (_, reader) = app.platform(&[PlatformScope::OrgsRead]).await;
    let path = "/internal/orgs/acme/portal-sessions";
    reader.post(path, wanted("admin")).await.expect(403);
    platform.post("/internal/orgs/nobody/portal-sessions", wanted("admin")).await.expect(404);
    let made = platform.post(path, wanted("admin")).await.expect(201).json();
    let url = made["data"]["url"].as_str().unwrap();
    let browser = Browser::open(&app, &url[url.find("/portal").unwrap()..]).await;
    browser.submit("/portal/keys", "/portal/keys", &[("name", "made in the portal")]).await.expect(200);
    let rows = logged(&acme).await;
    let named = |row: &(String, String, Option<String>)| (row.0.clone(), row.1.clone(), row.2.clone());
    let expected = [
        ("org.created", "operator", None),
        ("portal_session.created", "platform", None),
        ("portal_session.opened", "portal", Some("ada")),
        ("tenant_key.created", "portal", Some("ada")),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.map(str::to_owned)));
    assert_eq!(rows.iter().map(named).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_log_with_persons_in_it_verifies() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    browser.submit("/portal/keys", "/portal/keys", &[("name", "x")]).await.expect(200);
    let chain = app.state.keyring.audit();
    let org_id = partner_api::ids::OrgId(acme.id);
    let verify =
        async || partner_api::audit::verify::verify(&app.state.db.pool, &chain, org_id, None).await.unwrap();
    assert_eq!(verify().await.broken, None);
    // Nobody puts a change into somebody else's name.
    app.database.unlock_audit_log().await;
    let mut database = app.database.connect().await;
    sqlx::query("UPDATE audit_log SET actor_id = 'bob' WHERE action = 'tenant_key.created'")
        .execute(&mut database)
        .await
        .unwrap();
    assert_eq!(verify().await.broken.map(|broken| broken.seq), Some(4));
}

#[tokio::test]
async fn a_portal_that_is_switched_off_has_no_links_and_no_pages() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "portal")]).await;
    let acme = app.org("acme").await;
    acme.post(LINKS, wanted("viewer")).await.expect(503);
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    platform.post("/internal/orgs/acme/portal-sessions", wanted("viewer")).await.expect(503);
    for path in ["/portal", "/portal/open/portal_x"] {
        let reply = app.anyone().get(path).await.expect(503);
        assert!(reply.text().contains("The feature portal is switched off"), "{}", reply.text());
    }
}

#[tokio::test]
async fn two_hundred_are_open_at_a_time_and_no_more() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.post(LINKS, wanted("viewer")).await.expect(201);
    sqlx::query(
        "INSERT INTO portal_sessions SELECT (jsonb_populate_record(NULL::portal_sessions, to_jsonb(s)
             || jsonb_build_object('id', gen_random_uuid(), 'link_digest', sha256(gen_random_uuid()::text::bytea)))).*
         FROM portal_sessions s, generate_series(1, 199)",
    )
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let refused = acme.post(LINKS, wanted("viewer")).await.expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", Some("60")));
    app.clock.advance(TimeDelta::seconds(60));
    acme.post(LINKS, wanted("viewer")).await.expect(201);
}
