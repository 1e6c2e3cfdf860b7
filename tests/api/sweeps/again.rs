//! Every POST can be sent again with an `Idempotency-Key` (contract 7), but for two.

use axum::body::Body;

use super::{Sweep, json_request};

const EXEMPT: [&str; 4] =
    ["/v1/auth/token", "/v1/auth/signature/check", "/v1/users/bulk", "/v1/admin/org/portal-sessions"];

#[tokio::test]
async fn every_post_that_is_sent_again_is_answered_again() {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for operation in sweep.operations() {
        let documented = operation.spec["parameters"].as_array().into_iter().flatten();
        let is_documented = documented.into_iter().any(|parameter| parameter["name"] == "idempotency-key");
        let takes_key = operation.method == "POST" && !EXEMPT.contains(&operation.path.as_str());
        assert_eq!(is_documented, takes_key, "{}", operation.id);
        if !takes_key || operation.is_planned() {
            continue;
        }
        let org = sweep.equipped_org(&format!("org-{tried}")).await;
        let path = sweep.named(&org, &operation).await.theirs;
        let caller = org.with("idempotency-key", format!("sweep-0123456789abcdef-{tried}"));
        let body = sweep.example_body(&operation, &org.key);
        let send = async || {
            let body = body.as_ref().map_or(Body::empty(), |body| Body::from(body.to_string()));
            sweep.send(&caller, &operation, json_request(&operation, &path), body).await
        };
        let first = send().await;
        assert!((200..300).contains(&first.status), "{}: {}", operation.id, first.text());
        assert_eq!(first.header("idempotent-replayed"), None, "{}", operation.id);
        let again = send().await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{}: {}", operation.id, again.text());
        assert_eq!((again.status, again.body), (first.status, first.body), "{}", operation.id);
        tried += 1;
    }
    assert!(tried >= 9, "the document has lost its POSTs: {tried}");
}
