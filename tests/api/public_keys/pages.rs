//! The pages of `GET /api/v1/key/list/{OwnerCode}`: a hundred keys at most, and no more of their text
//! than a mebibyte.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{KEYS, not_valid};
use crate::support::{Org, TestApp};

const WITH_DEAD: &str = "includeExpired=true";

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let ids = dead_keys(&app, &acme, 250, 100).await;
    dead_keys(&app, &zeta, 3, 100).await;
    let pages = pages(&acme).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(pages.concat(), ids);
}

#[tokio::test]
async fn a_full_last_page_says_that_it_is_the_last() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    dead_keys(&app, &acme, 100, 100).await;
    let page = page(&acme, WITH_DEAD).await;
    assert_eq!((page["Items"].as_array().expect("items").len(), &page["Next"]), (100, &Value::Null));
    // Dead keys make no pages of their own.
    acme.get(&format!("{KEYS}/list/acme")).await.expect_json(200, &json!({"Items": [], "Next": null}));
}

#[tokio::test]
async fn large_keys_make_short_pages() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ids = dead_keys(&app, &acme, 40, 54 * 1024).await;
    let pages = pages(&acme).await;
    // 18 times 54 KiB are 972 KiB.
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [18, 18, 4]);
    assert_eq!(pages.concat(), ids);
    let reply = acme.get(&format!("{KEYS}/list/acme?{WITH_DEAD}")).await.expect(200);
    assert!(reply.body.len() < 1_100_000, "{}", reply.body.len());
}

#[tokio::test]
async fn a_key_that_is_larger_than_a_page_has_one_for_itself() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ids = dead_keys(&app, &acme, 2, 1_500_000).await;
    assert_eq!(pages(&acme).await, [vec![ids[0].clone()], vec![ids[1].clone()]]);
}

#[tokio::test]
async fn what_is_no_next_is_refused_and_anothers_is_a_place_in_ones_own_list() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    dead_keys(&app, &acme, 101, 100).await;
    let refused = not_valid(json!({"next": "must be empty, or Next of the page before"}));
    for bad in ["x", "AQ", "2", "%00", "null"] {
        acme.get(&format!("{KEYS}/list/acme?next={bad}")).await.expect_json(400, &refused);
    }
    let next = page(&acme, WITH_DEAD).await["Next"].as_str().expect("there is more").to_owned();
    let reply = zeta.get(&format!("{KEYS}/list/zeta?{WITH_DEAD}&next={next}")).await;
    reply.expect_json(200, &json!({"Items": [], "Next": null}));
    zeta.get(&format!("{KEYS}/list/acme?next={next}")).await.expect(404);
    assert_eq!(page(&acme, &format!("{WITH_DEAD}&next=")).await["Next"], next.as_str());
}

/// The ids of all pages.
async fn pages(org: &Org) -> Vec<Vec<String>> {
    let (mut pages, mut query) = (Vec::new(), WITH_DEAD.to_owned());
    loop {
        let page = page(org, &query).await;
        let id = |item: &Value| item["UniqueId"].as_str().expect("an id").to_owned();
        pages.push(page["Items"].as_array().expect("items").iter().map(id).collect());
        let Some(next) = page["Next"].as_str() else { return pages };
        query = format!("{WITH_DEAD}&next={next}");
    }
}

async fn page(org: &Org, query: &str) -> Value {
    org.get(&format!("{KEYS}/list/{}?{query}", org.key)).await.expect(200).json()
}

/// Keys that ended long ago, with a text of this length; some at the same instant. Gives their ids in
/// the order of the list.
async fn dead_keys(app: &TestApp, org: &Org, count: i32, length: i32) -> Vec<String> {
    let made: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO public_keys (org_id, unique_id, usages, type, public_key, fingerprint, algorithm, created_at,
                                  expires_at, expiry_set_at, expiry_told)
         SELECT $1, gen_random_uuid(), '{Reports}', 'PGP', repeat('x', $3), n::text, 'Ed25519',
                '2026-01-01'::timestamptz + (n / 2) * interval '1 second', '2026-02-01', '2026-01-01', 0
         FROM generate_series(1, $2) AS n RETURNING unique_id",
    )
    .bind(org.id)
    .bind(count)
    .bind(length)
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("they are made");
    assert_eq!(made.len(), usize::try_from(count).expect("a count"));
    sqlx::query_scalar(
        "SELECT unique_id::text FROM public_keys WHERE org_id = $1 ORDER BY created_at, unique_id",
    )
    .bind(org.id)
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("they are there")
}
