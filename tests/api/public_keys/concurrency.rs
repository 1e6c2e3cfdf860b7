//! Many at once.

use serde_json::json;
use tokio::task::JoinSet;

use super::{KEYS, listed, path, register, rsa};
use crate::support::TestApp;

#[tokio::test]
async fn of_equal_registrations_at_once_one_is_made() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    acme.get(&format!("{KEYS}/list/acme")).await.expect(200);
    let mut posts = JoinSet::new();
    for file in ["rsa2048.spki.pem", "rsa3072.pkcs1.pem"].into_iter().cycle().take(8) {
        let (caller, body) = ((*acme).clone(), rsa(&acme, file));
        posts.spawn(async move {
            let reply = caller.post(KEYS, body).await;
            if reply.status == 200 { "made".to_owned() } else { reply.code() }
        });
    }
    let mut outcomes = posts.join_all().await;

    outcomes.sort_unstable();
    assert_eq!(outcomes, [["duplicate_key"; 6].as_slice(), &["made"; 2]].concat());
    assert_eq!(listed(&acme, "?includeExpired=true").await.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_deleted_and_moved_at_once_is_deleted() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    for _ in 0..5 {
        let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
        let (one, two) = ((*acme).clone(), (*acme).clone());
        let (deleted, moved) = (path(&id), super::expiration_path(&id));
        let end = json!({"ExpirationUtc": "2029-01-01T00:00:00Z"});
        let (deleted, moved) = tokio::join!(one.delete(&deleted), two.json("PUT", &moved, end));
        deleted.expect(204);
        assert!(moved.status == 200 || moved.code() == "key_not_live", "{}", moved.text());
        let shown = acme.get(&path(&id)).await.expect(200).json();
        assert_eq!(shown["ExpirationUtc"], "2026-11-21T08:00:00.000Z");
    }
    assert!(listed(&acme, "").await.is_empty());
}
