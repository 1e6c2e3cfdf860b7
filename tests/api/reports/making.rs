//! Making reports: from one moment's state, by one of many, whatever happens meanwhile.

use std::time::Duration;

use chrono::TimeDelta;
use partner_api::background::{reports, retention};
use partner_api::state::App;
use partner_api::telemetry::AccessLog;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ask, content, create_user, make, number, open, partner, populate, rows, shown};
use crate::support::{Org, TestApp, within};

const CURVE: (&str, &str) = ("pgp-curve.asc", "pgp-curve.key.asc");
const CHUNKS: &str = "SELECT count(*) FROM report_chunks";

/// Another process on the same database.
fn replica(app: &TestApp) -> App {
    let (config, keyring) = (app.state.config.clone(), app.state.keyring.clone());
    App::new(config, app.clock.clone(), app.database.db(), keyring, AccessLog::off())
}

fn step_beside(app: &App) -> JoinHandle<usize> {
    let app = app.clone();
    tokio::spawn(async move { reports::step(&app).await.expect("it looks") })
}

/// Lets nobody write a chunk for as long as it lives.
struct Barrier(PgConnection);

impl Barrier {
    async fn raise(app: &TestApp) -> Self {
        let mut connection = app.database.connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE report_chunks IN SHARE MODE")
            .execute(&mut connection)
            .await
            .expect("a lock");
        Self(connection)
    }

    /// Waits until somebody stands before it. Other databases of the server are copies, whose tables have the same
    /// numbers.
    async fn reached(&mut self, by: i64) {
        let waiting = async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                 WHERE d.datname = current_database() AND relation = 'report_chunks'::regclass AND NOT granted",
            )
            .fetch_one(&mut self.0)
            .await
            .expect("a number");
            (waiting >= by).then_some(())
        };
        within(Duration::from_secs(30), "a chunk is about to be written", waiting).await;
    }

    async fn lower(self) {
        self.0.close().await.expect("it ends");
    }
}

/// An org with a report of several chunks that waits.
async fn with_report(app: &TestApp, key: &str) -> (Org, String) {
    let (org, _) = partner(app, key, CURVE.0).await;
    populate(app, &org, 7_500).await;
    let path = ask(&org, json!({"type": "users"})).await;
    (org, path)
}

async fn opens_whole(org: &Org, path: &str) {
    let text = open(&content(org, path).await.body, CURVE.1);
    assert_eq!(rows(&text).len(), 7_500);
}

#[tokio::test]
async fn what_happens_while_it_is_made_is_not_in_it_and_its_progress_is_shown() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let first: uuid::Uuid = sqlx::query_scalar("SELECT user_id FROM users ORDER BY created_at LIMIT 1")
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("a user");
    let mut barrier = Barrier::raise(&app).await;
    let making = step_beside(&app.state);
    barrier.reached(1).await;
    app.clock.advance(TimeDelta::seconds(1));
    create_user(&acme, "late").await;
    acme.patch(&format!("/v1/users/{first}"), json!({"first_name": "changed"})).await.expect(204);
    acme.delete(&format!("/v1/users/{first}")).await.expect(204);
    let running = shown(&acme, &path).await;
    assert_eq!((&running["status"], &running["rows"]), (&json!("running"), &json!(0)));
    barrier.lower().await;
    assert_eq!(making.await.expect("no panic"), 1);
    let text = open(&content(&acme, &path).await.body, CURVE.1);
    assert_eq!(rows(&text).len(), 7_500);
    assert!(text.contains("\"first 1\""), "{}", &text[..400]);
    assert!(!text.contains("late") && !text.contains("changed"));
}

#[tokio::test]
async fn progress_grows_chunk_by_chunk() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    // What is told after each chunk.
    let statements = [
        "CREATE TABLE public.seen (row_count bigint, byte_count bigint, total bigint)",
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.seen VALUES (NEW.row_count, NEW.byte_count, NEW.total);
             RETURN NEW;
         END $$",
        "CREATE TRIGGER see AFTER UPDATE ON reports FOR EACH ROW
             WHEN (NEW.byte_count > OLD.byte_count) EXECUTE FUNCTION see()",
    ];
    for statement in statements {
        app.database.execute(statement).await;
    }
    assert_eq!(make(&app).await, 1);
    let seen: Vec<(i64, i64, i64)> = sqlx::query_as("SELECT * FROM public.seen ORDER BY byte_count")
        .fetch_all(&mut app.database.connect().await)
        .await
        .expect("rows");
    assert!(seen.len() >= 2 && seen.iter().all(|(.., total)| *total == 7_500), "{seen:?}");
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{seen:?}");
    assert!(seen[0].0 > 0 && seen[0].1 == 512 * 1024, "{seen:?}");
    let report = shown(&acme, &path).await;
    assert_eq!((&report["rows"], &report["progress"]), (&json!(7_500), &json!(1.0)));
}

#[tokio::test]
async fn two_replicas_make_one_report_once() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let replicas = [app.state.clone(), replica(&app), replica(&app)];
    let steps: Vec<_> = replicas.iter().map(step_beside).collect();
    let mut claimed = 0;
    for step in steps {
        claimed += step.await.expect("no panic");
    }
    assert_eq!(claimed, 1);
    assert_eq!(number(&app, "SELECT attempt::bigint FROM reports").await, 1);
    opens_whole(&acme, &path).await;
}

#[tokio::test]
async fn a_report_whose_maker_was_killed_is_begun_again_when_its_lease_ends() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    assert_eq!(make(&app).await, 1);
    // As `kill -9` between two chunks leaves it.
    let ends = app.clock.now() + TimeDelta::seconds(40);
    app.database
        .execute(&format!(
            "DELETE FROM report_chunks WHERE position > 0;
             UPDATE reports SET state = 'running', lease = '0192f0c1-2345-7abc-8def-0123456789ab', due_at = '{ends}',
                 sha256 = NULL, ready_at = NULL, expires_at = NULL, row_count = 100, byte_count = 524288"
        ))
        .await;
    app.clock.advance(TimeDelta::seconds(19));
    let other = replica(&app);
    assert_eq!(reports::step(&other).await.expect("it looks"), 0);
    app.clock.advance(TimeDelta::seconds(21));
    assert_eq!(reports::step(&other).await.expect("it looks"), 1);
    opens_whole(&acme, &path).await;
    assert_eq!(number(&app, "SELECT count(DISTINCT attempt) FROM report_chunks").await, 1);
    assert_eq!(number(&app, "SELECT failures::bigint FROM reports").await, 1);
}

#[tokio::test]
async fn whoever_lost_the_lease_mixes_nothing_in() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let mut barrier = Barrier::raise(&app).await;
    let slow = step_beside(&app.state);
    barrier.reached(1).await;
    app.clock.advance(TimeDelta::seconds(41));
    let quick = step_beside(&replica(&app));
    barrier.reached(2).await;
    barrier.lower().await;
    assert_eq!((slow.await.expect("no panic"), quick.await.expect("no panic")), (1, 1));
    opens_whole(&acme, &path).await;
    assert_eq!(number(&app, "SELECT min(attempt)::bigint FROM report_chunks").await, 2);
}

#[tokio::test]
async fn a_maker_that_is_told_to_stop_hands_back_at_once_and_that_is_no_failure() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let mut barrier = Barrier::raise(&app).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(reports::run(app.state.clone(), stopped));
    barrier.reached(1).await;
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(3), running).await.expect("it stops").expect("no panic");
    assert_eq!(shown(&acme, &path).await["status"], "queued");
    assert_eq!(number(&app, "SELECT failures::bigint FROM reports").await, 0);
    barrier.lower().await;
    assert_eq!(reports::step(&replica(&app)).await.expect("it looks"), 1);
    opens_whole(&acme, &path).await;
}

#[tokio::test]
async fn a_service_makes_what_it_is_asked_for_and_stops_in_time() {
    let app = TestApp::new().await;
    let serving = app.serve().await;
    let (acme, path) = with_report(&app, "acme").await;
    let ready = async || (shown(&acme, &path).await["status"] == "ready").then_some(());
    within(Duration::from_secs(20), "it is made", ready).await;
    serving.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_three_times_and_then_it_has_failed() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let statements = [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON report_chunks FOR EACH ROW EXECUTE FUNCTION fail()",
    ];
    for statement in statements {
        app.database.execute(statement).await;
    }
    for wait in [0, 10, 60] {
        app.clock.advance(TimeDelta::seconds(wait) - TimeDelta::milliseconds(1));
        if wait > 0 {
            assert_eq!(make(&app).await, 0, "{wait}");
            assert_eq!(shown(&acme, &path).await["status"], "queued");
        }
        app.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(make(&app).await, 1, "{wait}");
    }
    let report = shown(&acme, &path).await;
    assert_eq!(report["status"], "failed");
    assert_eq!(report["reason"], "it could not be made in three attempts");
    assert_eq!(event(&app, "report.failed").await["report_id"], report["report_id"]);
    acme.get(&format!("{path}/content")).await.expect(409);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(make(&app).await, 0);
}

#[tokio::test]
async fn a_key_that_ends_before_or_while_it_is_made_fails_the_report_at_once() {
    let app = TestApp::new().await;
    for during in [false, true] {
        let (acme, key) = partner(&app, &format!("acme-{during}"), CURVE.0).await;
        populate(&app, &acme, 7_500).await;
        let path = ask(&acme, json!({"type": "users"})).await;
        let ended = async || drop(acme.delete(&format!("/api/v1/key/{key}")).await.expect(204));
        if during {
            let mut barrier = Barrier::raise(&app).await;
            let making = step_beside(&app.state);
            barrier.reached(1).await;
            ended().await;
            barrier.lower().await;
            assert_eq!(making.await.expect("no panic"), 1);
        } else {
            ended().await;
            assert_eq!(make(&app).await, 1);
        }
        let report = shown(&acme, &path).await;
        assert_eq!(report["status"], "failed", "{report}");
        assert_eq!(report["reason"], "the public key that it was to be encrypted to has ended");
        retention::step(&app.state).await.expect("it deletes");
        assert_eq!(number(&app, CHUNKS).await, 0);
    }
}

#[tokio::test]
async fn a_report_that_is_deleted_while_it_is_made_is_gone() {
    let app = TestApp::new().await;
    let (acme, path) = with_report(&app, "acme").await;
    let mut barrier = Barrier::raise(&app).await;
    let making = step_beside(&app.state);
    barrier.reached(1).await;
    acme.delete(&path).await.expect(204);
    acme.get(&path).await.expect(404);
    // Another one of the org's need not wait for it.
    let other = ask(&acme, json!({"type": "audit_log"})).await;
    barrier.lower().await;
    assert_eq!(making.await.expect("no panic"), 2);
    assert_eq!(shown(&acme, &other).await["status"], "ready");
    retention::step(&app.state).await.expect("it deletes");
    assert_eq!((number(&app, CHUNKS).await, number(&app, "SELECT count(*) FROM reports").await), (1, 1));
}

#[tokio::test]
async fn one_orgs_reports_wait_for_each_other_and_not_anothers_for_all_of_them() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let (zeta, _) = partner(&app, "zeta", "rsa3072.spki.pem").await;
    let mut paths = Vec::new();
    for org in [&acme, &acme, &acme, &zeta] {
        paths.push(ask(org, json!({"type": "audit_log"})).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    let mut barrier = Barrier::raise(&app).await;
    let first = step_beside(&app.state);
    barrier.reached(1).await;
    // The only one that another may take.
    let second = step_beside(&replica(&app));
    barrier.reached(2).await;
    assert_eq!(reports::step(&replica(&app)).await.expect("it looks"), 0);
    let statuses = async || {
        let mut statuses = Vec::new();
        for (org, path) in [&acme, &acme, &acme, &zeta].into_iter().zip(&paths) {
            statuses.push(shown(org, path).await["status"].as_str().expect("a status").to_owned());
        }
        statuses
    };
    assert_eq!(statuses().await, ["running", "queued", "queued", "running"]);
    barrier.lower().await;
    assert_eq!(first.await.expect("no panic") + second.await.expect("no panic"), 4);
    assert_eq!(statuses().await, ["ready"; 4]);
}

#[tokio::test]
async fn nothing_of_a_report_lies_in_the_database_in_clear() {
    const MARKER: &str = "Marker-7f3a";
    let app = TestApp::new().await;
    for (name, public) in [("acme", CURVE.0), ("beta", "rsa2048.spki.pem")] {
        let (org, _) = partner(&app, name, public).await;
        create_user(&org, MARKER).await;
        ask(&org, json!({"type": "users"})).await;
    }
    assert_eq!(make(&app).await, 2);
    assert_eq!(number(&app, "SELECT count(*) FROM users WHERE first_name = 'Marker-7f3a'").await, 2);
    for query in [
        "SELECT count(*) FROM report_chunks WHERE position('Marker-7f3a'::bytea IN bytes) > 0",
        "SELECT count(*) FROM reports r WHERE r::text LIKE '%Marker-7f3a%'",
        "SELECT count(*) FROM events e WHERE e::text LIKE '%Marker-7f3a%'",
    ] {
        assert_eq!(number(&app, query).await, 0, "{query}");
    }
}

/// What the only event of a type says.
async fn event(app: &TestApp, kind: &str) -> Value {
    let body: String = sqlx::query_scalar("SELECT body FROM events WHERE type = $1")
        .bind(kind)
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("one event");
    serde_json::from_str::<Value>(&body).expect("JSON")["data"].clone()
}
