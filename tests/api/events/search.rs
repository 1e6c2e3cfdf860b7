//! The search of all queues (architecture 4): what is due is found among many queues, held ones and orgs without any.

use chrono::TimeDelta;
use partner_api::background::publisher;

use super::{partner, publish, service};
use crate::support::TestApp;

/// As if 60 orgs had registered the endpoint of the one there is, with `events` of another process: `(n, attempts)`
/// gives the org number `n` an event that was tried so many times, and is due.
async fn crowd(app: &TestApp, events: &str) {
    let statements = format!(
        "INSERT INTO orgs (id, key, name, created_at)
             SELECT gen_random_uuid(), 'other-' || n, 'Other', now() FROM generate_series(1, 60) AS n;
         INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
             SELECT o.id, q.stream, q.type, q.settings, q.created_at, q.updated_at
             FROM orgs o, event_queues q WHERE o.key LIKE 'other-%';
         INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, attempts)
             SELECT o.id, gen_random_uuid(), 'users', 'user.created', '{{}}', '2026-11-21', '2026-11-21', e.attempts
             FROM orgs o JOIN (VALUES {events}) AS e (n, attempts) ON o.key = 'other-' || e.n"
    );
    run(app, &statements).await;
}

async fn run(app: &TestApp, statement: &str) {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
    statement.execute(&mut app.database.connect().await).await.expect("it runs");
}

#[tokio::test]
async fn what_is_due_is_found_among_queues_that_have_nothing() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    crowd(&app, "(7, 0), (8, 0), (31, 0), (60, 0)").await;
    assert_eq!(publish(&app).await, 4);
    assert_eq!(publish(&app).await, 0);
}

#[tokio::test]
async fn retries_are_found_and_queues_that_have_both_count_once() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    crowd(&app, "(7, 2), (8, 0), (8, 1), (31, 1)").await;
    assert_eq!(publish(&app).await, 4);
}

#[tokio::test]
async fn a_retry_waits_for_its_time_and_hides_none_that_is_due() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    crowd(&app, "(7, 2), (8, 1), (31, 1)").await;
    let later = "UPDATE events SET next_attempt_at = '2026-11-21 08:00:01+00' WHERE attempts = 2";
    run(&app, later).await;
    assert_eq!(publish(&app).await, 2);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(publish(&app).await, 1);
}

#[tokio::test]
async fn events_without_a_queue_hide_none_that_have_one() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    let all: Vec<_> = (1..=60).map(|n| format!("({n}, {})", n % 2)).collect();
    crowd(&app, &all.join(", ")).await;
    run(&app, "DELETE FROM event_queues q USING orgs o WHERE o.id = q.org_id AND o.key LIKE 'other-%' AND o.key !~ '[05]$'").await;
    assert_eq!(publish(&app).await, 12);
}

#[tokio::test]
async fn queues_that_others_hold_or_that_stand_still_are_left_and_those_beside_them_are_found() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    let all: Vec<_> = (1..=60).map(|n| format!("({n}, {})", n % 2)).collect();
    crowd(&app, &all.join(", ")).await;
    let taken = "UPDATE event_queues q SET holder = '0192f0c1-2345-7abc-8def-0123456789ab', held_until = '2026-11-21 08:00:10+00'
                 FROM orgs o WHERE o.id = q.org_id AND o.key ~ '[1234]$';
                 UPDATE event_queues q SET paused_at = '2026-11-21', pause_reason = 'requested' FROM orgs o WHERE o.id = q.org_id AND o.key ~ '[56]$'";
    run(&app, taken).await;
    assert_eq!(publish(&app).await, 24);
    app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(publish(&app).await, 24, "the holds of whoever died have ended");
}

#[tokio::test]
async fn a_publisher_that_searches_again_and_again_finds_each_queue_every_time() {
    let app = service().await;
    let _acme = partner(&app, "acme").await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    for round in 1..=3 {
        let some: Vec<_> = (1..=60).filter(|n| n % 7 == round).map(|n| format!("({n}, 0)")).collect();
        if round == 1 {
            crowd(&app, &some.join(", ")).await;
        } else {
            let events = format!(
                "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
                     SELECT o.id, gen_random_uuid(), 'users', 'user.created', '{{}}', '2026-11-21', '2026-11-21'
                     FROM orgs o JOIN (VALUES {}) AS e (n, attempts) ON o.key = 'other-' || e.n",
                some.join(", ")
            );
            run(&app, &events).await;
        }
        let all_tried = async || {
            let left: i64 =
                sqlx::query_scalar("SELECT count(*) FROM events WHERE attempts = 0 AND stream = 'users'")
                    .fetch_one(&mut app.database.connect().await)
                    .await
                    .expect("a count");
            (left == 0).then_some(())
        };
        crate::support::within(std::time::Duration::from_secs(10), "all are tried", all_tried).await;
    }
    stop.send_replace(true);
    publisher.await.expect("it ends well");
}
