//! `partner_api.publish_event`: an event in a transaction of the platform's own.

use partner_api::background::publisher;
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{PUBLISH, listed, named, with_orders};
use crate::support::webhook::Receiver;
use crate::support::{Org, TestApp};

const CALL: &str = "SELECT partner_api.publish_event($1, 'orders', 'order.noted', $2::json)";

async fn publish(db: &mut PgConnection, org: &Org, rest: &str) -> Result<String, String> {
    let call = format!("SELECT partner_api.publish_event('{}', {rest})", org.id);
    let row = sqlx::query(sqlx::AssertSqlSafe(call)).fetch_one(db).await;
    row.map(|row| row.get(0)).map_err(|error| {
        let error = error.as_database_error().expect("Postgres refuses").code();
        error.expect("a code").into_owned()
    })
}

/// A connection as a role that may do no more than publish.
async fn publisher_of(app: &TestApp) -> PgConnection {
    let role = format!("platform_{}", app.database.name());
    app.database
        .execute(&format!("CREATE ROLE {role} LOGIN; GRANT partner_api_publisher TO {role}; ALTER ROLE {role} SET search_path = nowhere"))
        .await;
    let options = app.database.options().username(&role);
    let connection = PgConnection::connect_with(&options).await.expect("it connects");
    app.database.execute("SELECT 1").await;
    connection
}

#[tokio::test]
async fn the_event_exists_if_and_only_if_the_transaction_commits() {
    let (app, _) = with_orders().await;
    let acme = app.org("acme").await;
    let receiver = Receiver::start().await;
    let (_, secret) = acme.make_signing_secret(0).await;
    acme.register_webhook("orders", &receiver.url).await;
    let mut db = publisher_of(&app).await;
    let data = "{ \"z\" : 1.0,\"a\":1e3 }";
    for (end, count) in [("ROLLBACK", 0), ("COMMIT", 1)] {
        db.execute("BEGIN").await.expect("it begins");
        let id: String =
            sqlx::query(CALL).bind(acme.id).bind(data).fetch_one(&mut db).await.expect("it publishes").get(0);
        db.execute(end).await.expect("it ends");
        let seen = listed(&acme).await;
        assert_eq!(seen.len(), count, "{end}");
        assert!(seen.iter().all(|event| event["event_id"] == id), "{end}");
    }
    // The function has the database's clock; the test's stands still before it.
    app.clock.advance(chrono::TimeDelta::days(3650));
    publisher::step(&app.state).await.expect("it looks");
    let arrived = receiver.take();
    assert!(
        arrived[0].body.ends_with(&format!(r#","org_id":"{}","data":{data}}}"#, acme.id)),
        "{}",
        arrived[0].body
    );
    assert!(arrived[0].signatures().contains(&arrived[0].signature_with(&secret).as_str()));
    let timestamp = arrived[0].json()["timestamp"].as_str().expect("an instant").to_owned();
    assert!(chrono::DateTime::parse_from_rfc3339(&timestamp).is_ok(), "{timestamp}");
}

#[tokio::test]
async fn its_role_may_call_it_and_nothing_else() {
    let (app, _) = with_orders().await;
    let acme = app.org("acme").await;
    let mut db = publisher_of(&app).await;
    publish(&mut db, &acme, "'orders', 'order.noted', '{}'").await.expect("it may");
    for refused in [
        "SELECT * FROM public.events",
        "INSERT INTO public.events DEFAULT VALUES",
        "SELECT * FROM public.streams",
        "SELECT * FROM public.orgs",
        "SELECT nextval('public.events_seq')",
        "CREATE TABLE partner_api.x ()",
    ] {
        let refused = db.execute(refused).await.expect_err(refused);
        assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{refused}");
    }
    // Nor may a role that was given nothing call it.
    let role = format!("nobody_{}", app.database.name());
    app.database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let mut nobody =
        PgConnection::connect_with(&app.database.options().username(&role)).await.expect("it connects");
    assert_eq!(publish(&mut nobody, &acme, "'orders', 'order.noted', '{}'").await, Err("42501".to_owned()));
}

#[tokio::test]
async fn it_finds_our_tables_whatever_the_caller_calls_by_their_names() {
    let (app, _) = with_orders().await;
    let acme = app.org("acme").await;
    let mut db = publisher_of(&app).await;
    // As whoever owns the function would have to be tricked.
    db.execute("CREATE TEMP TABLE events (LIKE pg_class); CREATE TEMP TABLE orgs (id uuid)")
        .await
        .expect("its own tables");
    publish(&mut db, &acme, "'orders', 'order.noted', '{}'").await.expect("it publishes");
    assert_eq!(listed(&acme).await.len(), 1);
}

#[tokio::test]
async fn it_raises_for_whatever_http_refuses_but_the_schema() {
    let (app, _) = with_orders().await;
    let acme = app.org("acme").await;
    let mut db = publisher_of(&app).await;
    let long = "x".repeat(192 * 1024);
    for refused in [
        "'invoices', 'order.noted', '{}'",
        "'users', 'user.created', '{}'",
        "'orders', 'order.late', '{}'",
        "NULL, 'order.noted', '{}'",
        "'orders', NULL, '{}'",
        "'orders', 'order.noted', NULL",
        "'orders', 'order.noted', '[]'",
        "'orders', 'order.noted', '1'",
        &format!("'orders', 'order.noted', '{{\"a\":\"{long}\"}}'"),
        "'orders', 'order.noted', '{}', ''",
        "'orders', 'order.noted', '{}', E'a\\nb'",
        "'orders', 'order.noted', '{}', event_id => ''",
        "'orders', 'order.noted', '{}', event_id => 'evt_1'",
        "'orders', 'order.noted', '{}', subject => repeat('x', 201)",
    ] {
        assert_eq!(
            publish(&mut db, &acme, refused).await,
            Err("22023".to_owned()),
            "{}",
            &refused[..refused.len().min(80)]
        );
    }
    assert_eq!(publish(&mut db, &acme, "'orders', 'order.noted', '{'").await, Err("22P02".to_owned()));
    let gone =
        format!("SELECT partner_api.publish_event('{}', 'orders', 'order.noted', '{{}}')", uuid::Uuid::nil());
    let gone = sqlx::query(sqlx::AssertSqlSafe(gone)).fetch_one(&mut db).await.expect_err("no such org");
    assert_eq!(gone.as_database_error().and_then(|e| e.code()).as_deref(), Some("23503"));
    publish(&mut db, &acme, "'orders', 'order.paid', '{\"amount\": -1}', 'a subject'")
        .await
        .expect("a schema cannot be asked");
    assert_eq!(listed(&acme).await.len(), 1);
}

#[tokio::test]
async fn the_same_event_id_is_the_same_event_over_http_and_in_sql() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let mut db = publisher_of(&app).await;
    let own = "evt_019aa58690007000800000000000000c";
    for id in ["4711", own] {
        let call = format!("'orders', 'order.noted', '{{}}', event_id => '{id}'");
        let first = publish(&mut db, &acme, &call).await.expect("it publishes");
        assert_eq!(publish(&mut db, &acme, &call).await, Ok(first.clone()));
        let over_http = platform.post(PUBLISH, named("acme", id)).await.expect(200).json();
        assert_eq!(over_http["data"]["event_id"], Value::from(first.clone()));
        assert_eq!(id == own, first == own);
    }
    assert_eq!(listed(&acme).await.len(), 2);
    let ids: Vec<_> = listed(&acme)
        .await
        .iter()
        .map(|event| event["event_id"].as_str().expect("an id").to_owned())
        .collect();
    let version = |id: &str| id.as_bytes()[4 + 12];
    assert!(ids.iter().all(|id| version(id) == b'7'), "{ids:?}");
}
