//! `GET /v1/admin/org/events`: any filter over many events is cheap, and its total is right.

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{EVENTS, service};
use crate::support::{Org, TestApp, nodes};

/// Fills an org's outbox: `waiting` events of users, then a few of each other kind.
async fn filled(app: &TestApp, waiting: i32) -> Org {
    let acme = app.org("acme").await;
    let insert = "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, state, closed_at)
                  SELECT $1, ('019aa586-9000-7' || lpad(to_hex($4), 3, '0') || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                         $5, 'user.created', '{}', $2, $2, $6, CASE WHEN $6 <> 'pending' THEN $2 END
                  FROM generate_series(1, $3) AS n";
    let parts = [
        (waiting, "users", "pending"),
        (3, "users", "delivered"),
        (2, "users", "failed"),
        (4, "credentials", "pending"),
        (5, "credentials", "delivered"),
        (6, "credentials", "failed"),
    ];
    let mut database = app.database.connect().await;
    for (part, (count, stream, state)) in (0..).zip(parts) {
        let fill = sqlx::query(insert).bind(acme.id).bind(app.clock.now()).bind(count).bind::<i32>(part);
        fill.bind(stream).bind(state).execute(&mut database).await.expect("the outbox takes them");
    }
    sqlx::query("ANALYZE events").execute(&mut database).await.expect("statistics");
    acme
}

#[tokio::test]
async fn every_filters_total_is_exact_however_many_events_wait() {
    let app = service().await;
    let acme = filled(&app, 12_500).await;
    for (filter, expected) in [
        ("", 12_520),
        ("stream=users", 12_505),
        ("status=pending", 12_504),
        ("stream=users&status=pending", 12_500),
        ("status=delivered", 8),
        ("status=failed", 8),
        ("stream=credentials", 15),
        ("stream=credentials&status=failed", 6),
        ("stream=users&status=delivered", 3),
    ] {
        let page = acme.get(&format!("{EVENTS}?{filter}&limit=1")).await.expect(200).json();
        assert_eq!(page["pagination"]["total"], expected, "{filter}");
    }
}

#[tokio::test]
async fn pages_of_every_filter_are_the_list_in_order() {
    let app = service().await;
    let acme = filled(&app, 7).await;
    let all = acme.get(&format!("{EVENTS}?limit=100")).await.expect(200).json()["data"].clone();
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 27);
    assert!(all.is_sorted_by_key(|event| event["event_id"].to_string()));
    for stream in ["users", "credentials"] {
        for status in ["pending", "delivered", "failed"] {
            let expected: Vec<Value> = all
                .iter()
                .filter(|event| event["stream"] == stream && event["status"] == status)
                .cloned()
                .collect();
            let path = format!("{EVENTS}?stream={stream}&status={status}");
            let (mut paged, mut skipped) = (Vec::new(), Vec::new());
            let mut cursor = String::new();
            loop {
                let page = acme.get(&format!("{path}&limit=2&cursor={cursor}")).await.expect(200).json();
                paged.extend(page["data"].as_array().expect("a list").clone());
                let Some(next) = page["pagination"]["next_cursor"].as_str() else { break };
                cursor = next.to_owned();
            }
            for offset in 0..expected.len() {
                let page = acme.get(&format!("{path}&limit=1&offset={offset}")).await.expect(200).json();
                skipped.extend(page["data"].as_array().expect("a list").clone());
            }
            assert_eq!((json!(paged), json!(skipped)), (json!(expected), json!(expected)), "{path}");
        }
    }
}

/// The statement is taken from the data that its macro left, and explained with every filter.
#[tokio::test]
async fn no_filter_reads_more_than_it_shows_skips_and_counts() {
    if nodes::is_skipped("it counts the pages that one node reads, which a plan over several does not tell") {
        return;
    }
    let app = service().await;
    let acme = filled(&app, 30_000).await;
    let mut database = app.database.connect().await;
    for (streams, states) in [
        (&["users", "credentials"][..], &["delivered"][..]),
        (&["users"], &["delivered"]),
        (&["users", "credentials"], &["failed"]),
        (&["credentials"], &["pending", "delivered", "failed"]),
        (&["users", "credentials"], &["pending"]),
        (&["users", "credentials"], &["pending", "delivered", "failed"]),
    ] {
        let explained = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", the_statement());
        let row = sqlx::query(sqlx::AssertSqlSafe(explained))
            .bind(acme.id)
            .bind(streams)
            .bind(states)
            .bind(25_i64)
            .bind(0_i64)
            .bind(10_001_i64)
            .bind(uuid::Uuid::nil())
            .fetch_one(&mut database)
            .await
            .expect("a plan");
        let plan: Value = row.get(0);
        let text = plan.to_string();
        assert!(!text.contains("\"Seq Scan\""), "{states:?}: {plan:#}");
        let pages = plan[0]["Plan"]["Shared Hit Blocks"].as_i64().unwrap_or_default()
            + plan[0]["Plan"]["Shared Read Blocks"].as_i64().unwrap_or_default();
        // Of 30,000 events on some 500 pages; counting to 10,001 reads a third of an index, and what is
        // not yet marked visible.
        let most = if states.contains(&"pending") && streams.contains(&"users") { 1_000 } else { 150 };
        assert!(pages <= most, "{streams:?} {states:?}: {pages} pages: {plan:#}");
    }
}

fn the_statement() -> String {
    let directory = format!("{}/.sqlx", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(directory).expect("the query data").flatten();
    let queries = files.filter_map(|file| {
        let text = std::fs::read_to_string(file.path()).ok()?;
        let data: Value = serde_json::from_str(&text).ok()?;
        data["query"].as_str().map(str::to_owned)
    });
    let mut lists = queries.filter(|query| query.contains("LEFT JOIN chosen ON true"));
    lists.next().expect("the statement that lists events")
}
