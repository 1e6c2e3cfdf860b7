//! Many at once.

use serde_json::json;
use tokio::task::JoinSet;

use super::{KEYS, ROTATE, holder, shown};
use crate::support::{Caller, TestApp};

/// Sends the same request many times at once; gives what came of each.
async fn at_once(callers: Vec<Caller>, path: &'static str, body: serde_json::Value) -> Vec<String> {
    let mut posts = JoinSet::new();
    for caller in callers {
        let body = body.clone();
        posts.spawn(async move {
            let reply = caller.post(path, body).await;
            if reply.status < 300 { "done".to_owned() } else { reply.code() }
        });
    }
    let mut outcomes = posts.join_all().await;
    outcomes.sort_unstable();
    outcomes
}

#[tokio::test]
async fn of_fifty_rotations_at_once_one_makes_a_successor() {
    for grace in [3600, 0] {
        let mut app = TestApp::new().await;
        app.listen().await;
        let acme = app.org("acme").await;
        let key = holder(&app, &acme).await;
        let gateway = acme.with("x-tenant-key-id", &key.id);
        for caller in [&key.caller, &gateway] {
            caller.get("/v1/features").await.expect(200);
        }
        let callers = [key.caller.clone(), gateway].into_iter().cycle().take(50).collect();
        let outcomes = at_once(callers, ROTATE, json!({"grace_period_seconds": grace})).await;

        let done = outcomes.iter().filter(|outcome| *outcome == "done").count();
        assert_eq!(done, 1, "{outcomes:?}");
        let lost = |outcome: &&String| *outcome == "key_already_rotated";
        let late = |outcome: &&String| *outcome == "unauthorized" && grace == 0;
        let refused = outcomes.iter().filter(|o| lost(o) || late(o)).count();
        assert_eq!(refused, 49, "{outcomes:?}");
        let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM tenant_keys")
            .fetch_one(&mut app.database.connect().await)
            .await
            .expect("the database answers");
        assert_eq!(keys, 2);
        assert!(shown(&acme, &key.id).await["rotated_to"].is_string());
    }
}

#[tokio::test]
async fn of_twenty_keys_minted_at_once_ten_are() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);
    let outcomes = at_once(vec![(*acme).clone(); 20], KEYS, json!({"name": "one of many"})).await;
    assert_eq!(outcomes, [["done"; 10].as_slice(), &["too_many_live_keys"; 10]].concat());
}
