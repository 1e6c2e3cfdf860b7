//! Requests, memory, batches, connections, workers, readiness, the process.

use std::sync::atomic::Ordering;

use partner_api::background::probe;
use partner_api::ids::OrgId;
use serde_json::json;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{create_users, scrape, value, with_queue};
use crate::support::{TestApp, within};

#[tokio::test]
async fn no_label_names_anybody_and_every_name_keeps_the_conventions() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = with_queue(&app).await;
    let user_id = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
    let ada = json!({"user_id": user_id, "first_name": "Ada", "email": "ada@example.com"});
    acme.post("/v1/users", ada).await.expect(201);
    acme.get(&format!("/v1/users/{user_id}?s3cr3t=s3cr3t")).await.expect(422);
    acme.bodyless("S3CR3T", "/v1/users").await.expect(405);
    acme.get("/v1/s3cr3t").await.expect(404);
    app.anyone().with("taih-tenant-key", "tk_test_s3cr3t").get("/v1/users").await.expect(401);
    partner_api::background::publisher::step(&app.state).await.unwrap();

    let seen = scrape(&app).await;

    for family in seen.families.keys() {
        assert!(["partner_api_", "process_"].iter().any(|prefix| family.starts_with(prefix)), "{family}");
    }
    for sample in &seen.samples {
        for (label, value) in &sample.labels {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_./{}-+".contains(&b);
            assert!(value.len() <= 60 && value.bytes().all(is_plain), "{label}={value}");
            let words = value.split(['/', '.']);
            assert!(words.into_iter().all(|word| Uuid::try_parse(word).is_err()), "{label}={value}");
            for private in [user_id, "ada", "s3cr3t", "acme", "example.com", "tk_", "127.0.0.1", "whsec"] {
                assert!(!value.to_lowercase().contains(private), "{label}={value}");
            }
        }
    }
}

#[tokio::test]
async fn memory_tells_what_it_knew_from_what_it_had_to_ask() {
    let mut app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);
    assert_eq!(orgs(&app, "untrusted").await, 1.0);
    assert_eq!(value(&app, "partner_api_cache_trusted", &[]).await, 0.0);

    app.listen().await;
    assert_eq!(value(&app, "partner_api_cache_trusted", &[]).await, 1.0);
    for _ in 0..3 {
        app.trusted().await;
        acme.get("/v1/features").await.expect(200);
    }
    let stranger = app.anyone().with("orgid", Uuid::from_u128(7).to_string());
    for _ in 0..2 {
        stranger.get("/v1/features").await.expect(403);
    }
    // Whether memory is believed is a matter of heartbeats, so some may have gone past it.
    let [hit, refused, miss] =
        [orgs(&app, "hit").await, orgs(&app, "refused").await, orgs(&app, "miss").await];
    assert!(hit >= 1.0 && miss >= 1.0, "{hit} {refused} {miss}");
    assert_eq!(hit + refused + miss + orgs(&app, "untrusted").await, 6.0, "each question is counted once");
    assert!(value(&app, "partner_api_cache_entries", &[("cache", "orgs")]).await >= 1.0);
}

#[tokio::test]
async fn a_key_is_looked_up_in_a_batch_and_then_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let made = acme.post("/v1/admin/org/tenant-keys", json!({"name": "one"})).await.expect(201).json();
    let key = made["data"]["secret"].as_str().unwrap();
    let (partner, gateway) =
        (app.anyone().with("taih-tenant-key", key), app.operations().with("taih-tenant-key", key));
    partner.get("/v1/features").await.expect(200);
    gateway.get("/internal/auth/verify").await.expect(200);

    let seen = scrape(&app).await;
    assert_eq!(seen.value("partner_api_cache_lookups_total", &[("cache", "keys_by_digest")]), 2.0);
    assert!(seen.value("partner_api_batch_size_count", &[("batch", "key_lookups")]) >= 1.0);
    assert_eq!(seen.value("partner_api_batch_waiting", &[("batch", "key_lookups")]), 0.0);
}

#[tokio::test]
async fn users_that_are_created_are_counted_in_their_batches() {
    let app = TestApp::new().await;
    create_users(&app.org("acme").await, 4).await;
    let seen = scrape(&app).await;
    let inserts = [("batch", "user_inserts")];
    assert_eq!(seen.value("partner_api_batch_size_sum", &inserts), 4.0);
    assert_eq!(seen.value("partner_api_batch_size_count", &inserts), 4.0);
}

#[tokio::test]
async fn connections_to_the_database_are_counted_and_running_out_of_them_is() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (pool, max) = (&app.state.db.pool, 5);
    let mut held = Vec::new();
    for _ in 0..max {
        held.push(pool.acquire().await.unwrap());
    }
    let in_use = [("pool", "requests"), ("state", "in_use")];
    let seen = scrape(&app).await;
    assert_eq!(seen.value("partner_api_database_connections", &in_use), 5.0);
    assert_eq!(seen.value("partner_api_database_connections_max", &[("pool", "requests")]), 5.0);

    acme.get("/v1/users").await.expect(503);
    assert_eq!(value(&app, "partner_api_database_connection_timeouts_total", &[]).await, 1.0);
}

#[tokio::test]
async fn requests_that_run_are_counted_as_they_come_and_go() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "16")]).await;
    let public = [("lane", "public")];
    assert_eq!(value(&app, "partner_api_http_requests_in_flight", &public).await, 0.0);
    assert_eq!(value(&app, "partner_api_http_requests_in_flight_limit", &public).await, 16.0);
    assert_eq!(value(&app, "partner_api_http_requests_in_flight_limit", &[("lane", "bulk")]).await, 2.0);

    let server = app.serve().await;
    let connection = TcpStream::connect(server.public).await.unwrap();
    let open = async |count| {
        (value(&app, "partner_api_connections", &[("listener", "public")]).await == count).then_some(())
    };
    within(std::time::Duration::from_secs(5), "the connection is counted", async || open(1.0).await).await;
    drop(connection);
    within(std::time::Duration::from_secs(5), "and its end", async || open(0.0).await).await;
    server.stop().await;
}

#[tokio::test]
async fn work_is_counted_while_it_runs_waits_and_is_turned_away() {
    let app = TestApp::new().await;
    let pairs = [("work", "key_pairs")];
    let (finish, wait) = std::sync::mpsc::channel::<()>();
    let state = app.state.clone();
    let running = tokio::spawn(async move {
        state.workers.make_pair(OrgId(Uuid::nil()), move || wait.recv().is_ok()).await
    });
    let runs = async || (value(&app, "partner_api_work_running", &pairs).await == 1.0).then_some(());
    within(std::time::Duration::from_secs(5), "the work runs", runs).await;
    assert_eq!(value(&app, "partner_api_work_refused_total", &pairs).await, 0.0);

    finish.send(()).unwrap();
    assert!(running.await.unwrap().unwrap());
    let rests = async || (value(&app, "partner_api_work_running", &pairs).await == 0.0).then_some(());
    within(std::time::Duration::from_secs(5), "it is over", rests).await;
}

#[tokio::test]
async fn readiness_is_a_number_and_its_reason_a_label() {
    let app = TestApp::new().await;
    let ready = async || value(&app, "partner_api_ready", &[]).await;
    let because = async |reason| value(&app, "partner_api_not_ready", &[("reason", reason)]).await;
    assert_eq!((ready().await, because("starting").await), (0.0, 1.0));

    probe::probe(&app.state, -700).await;
    assert_eq!((ready().await, because("starting").await), (1.0, 0.0));
    assert_eq!(value(&app, "partner_api_database_clock_offset_seconds", &[]).await, -0.7);
    assert_eq!(value(&app, "partner_api_migrations_pending", &[]).await, 0.0);
    assert_eq!(value(&app, "partner_api_database_probe_duration_seconds_count", &[]).await, 1.0);

    let undo = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(undo).execute(&mut app.database.connect().await).await.unwrap();
    probe::probe(&app.state, 0).await;
    assert_eq!((ready().await, because("migrations_pending").await), (0.0, 1.0));
    assert_eq!(value(&app, "partner_api_migrations_pending", &[]).await, 1.0);

    app.state.draining.store(true, Ordering::Release);
    assert_eq!((because("migrations_pending").await, because("draining").await), (0.0, 1.0));
}

#[tokio::test]
async fn the_process_tells_its_age_its_size_and_its_version() {
    let app = TestApp::new().await;
    let seen = scrape(&app).await;
    assert_eq!(seen.value("process_start_time_seconds", &[]), app.clock.now().timestamp() as f64);
    assert!(seen.value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(seen.value("process_open_fds", &[]) >= 3.0);
    assert!(seen.value("process_max_fds", &[]) >= seen.value("process_open_fds", &[]));
    assert!(seen.value("process_cpu_seconds_total", &[]) > 0.0);
    assert_eq!(seen.value("partner_api_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

async fn orgs(app: &TestApp, answer: &str) -> f64 {
    value(app, "partner_api_cache_lookups_total", &[("cache", "orgs"), ("answer", answer)]).await
}
