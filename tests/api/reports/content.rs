//! Fetching a content: all of it or a part, chunk by chunk.

use axum::body::Body;
use axum::http::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt as _;
use partner_api::http::content_digest::ContentDigest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{ask, make, partner, populate};
use crate::support::{Org, TestApp, envelope};

/// An org with a report of several chunks; gives the path of its content.
async fn with_content(app: &TestApp) -> (Org, String) {
    let (acme, _) = partner(app, "acme", "pgp-curve.asc").await;
    populate(app, &acme, 7_500).await;
    let path = ask(&acme, json!({"type": "users", "format": "csv"})).await;
    assert_eq!(make(app).await, 1);
    assert!(super::number(app, "SELECT count(*) FROM report_chunks").await >= 2);
    (acme, format!("{path}/content"))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn digest(response: &Response<Body>) -> Option<[u8; 32]> {
    response.extensions().get::<ContentDigest>().map(|digest| digest.0)
}

#[tokio::test]
async fn the_whole_content_says_what_it_is_and_how_long() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let whole = acme.get(&path).await.expect(200);
    let etag = format!("\"{}\"", hex::encode(sha256(&whole.body)));
    for (header, expected) in [
        ("content-type", "application/pgp-encrypted"),
        ("content-length", whole.body.len().to_string().as_str()),
        ("content-disposition", "attachment; filename=\"users-20261121T080000Z.csv.pgp\""),
        ("accept-ranges", "bytes"),
        ("etag", &etag),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(whole.header(header), Some(expected), "{header}");
    }
    let head = acme.bodyless("HEAD", &path).await.expect(200);
    assert_eq!((head.body.len(), head.header("etag")), (0, Some(etag.as_str())));
    assert_eq!(head.header("content-length"), whole.header("content-length"));
    assert_eq!(digest(&acme.open(&path).await), Some(sha256(&whole.body)));
}

#[tokio::test]
async fn an_rsa_keys_content_is_lines_of_jose() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "audit_log"})).await;
    make(&app).await;
    let whole = super::content(&acme, &path).await;
    assert_eq!(whole.header("content-type"), Some("application/jose"));
    let name = "attachment; filename=\"audit_log-20261121T080000Z.ndjson.jose\"";
    assert_eq!(whole.header("content-disposition"), Some(name));
}

#[tokio::test]
async fn what_broke_off_goes_on_by_ranges() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let whole = acme.get(&path).await.expect(200).body;
    let length = whole.len();
    // Across the border of two chunks, within one, up to the end, all.
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=524280-524300", 524_280, 524_300),
        ("bytes=524288-524288", 524_288, 524_288),
        ("bytes=1000-", 1000, length - 1),
        ("bytes=-7", length - 7, length - 1),
        ("bytes=0-", 0, length - 1),
        ("bytes=5-99999999999", 5, length - 1),
    ] {
        let part = acme.with("range", range).get(&path).await.expect(206);
        assert!(part.body == whole[first..=last], "{range}: {}", part.body.len());
        let expected = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.header("content-range"), Some(expected.as_str()), "{range}");
        assert_eq!(part.header("content-length"), Some((last - first + 1).to_string().as_str()), "{range}");
        // Its digest costs reading it twice.
        assert_eq!(digest(&acme.with("range", range).open(&path).await), None);
    }
}

#[tokio::test]
async fn a_signed_content_has_the_digest_of_what_is_sent() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let pair = json!({"OwnerCode": "acme", "Usage": ["ResponseSignature"], "Type": "RSA", "Length": 2048,
                      "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    acme.post("/api/v1/key/generate", pair).await.expect(200);
    let expected = |bytes: &[u8]| format!("sha-256=:{}:", BASE64_STANDARD.encode(sha256(bytes)));
    for whenever in [false, true] {
        let caller = if whenever {
            acme.patch("/v1/admin/org", json!({"sign_responses": true})).await.expect(200);
            (*acme).clone()
        } else {
            acme.with("accept-signature", "sig=()")
        };
        let whole = caller.get(&path).await.expect(200);
        let part = caller.with("range", "bytes=5-600000").get(&path).await.expect(206);
        for reply in [whole, part] {
            assert_eq!(reply.header("content-digest"), Some(expected(&reply.body).as_str()), "{whenever}");
            assert!(reply.header("signature").is_some(), "{whenever}");
        }
    }
}

#[tokio::test]
async fn who_accepts_jose_needs_no_further_key_for_a_content() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let whole = acme.get(&path).await.expect(200).body;
    let accepting = acme.with("accept", "application/jose, application/pgp-encrypted");
    assert!(accepting.get(&path).await.expect(200).body == whole);
}

#[tokio::test]
async fn a_range_of_another_content_or_of_nothing_is_not_sent() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let whole = acme.get(&path).await.expect(200);
    let (length, etag) = (whole.body.len(), whole.header("etag").expect("a tag").to_owned());
    let ranged = acme.with("range", "bytes=0-9");
    assert_eq!(ranged.with("if-range", &etag).get(&path).await.expect(206).body.len(), 10);
    assert_eq!(ranged.with("if-range", "\"another\"").get(&path).await.expect(200).body.len(), length);
    assert_eq!(acme.with("range", "bytes=0-1,4-5").get(&path).await.expect(200).body.len(), length);
    assert_eq!(ranged.bodyless("HEAD", &path).await.expect(200).header("content-range"), None);
    let beyond = acme.with("range", format!("bytes={length}-")).get(&path).await;
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{length}").as_str()));
    let message = "The range begins after the end of the content.";
    beyond.expect_json(416, &envelope("range_not_satisfiable", message));
}

#[tokio::test]
async fn a_slow_client_holds_no_connection_to_the_database() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let whole = acme.get(&path).await.expect(200).body;
    let mut bodies = Vec::new();
    let mut taken = Vec::new();
    // More than there are connections.
    for _ in 0..20 {
        let mut body = acme.open(&path).await.into_body();
        taken = body.frame().await.expect("a frame").expect("no error").into_data().expect("data").to_vec();
        assert!(taken.len() <= 512 * 1024 && taken.len() < whole.len());
        bodies.push(body);
    }
    acme.get("/v1/users").await.expect(200);
    let rest = bodies.pop().expect("one").collect().await.expect("it comes").to_bytes();
    taken.extend(rest);
    assert!(taken == whole);
}

#[tokio::test]
async fn a_content_that_is_deleted_meanwhile_breaks_off_short_of_its_length() {
    let app = TestApp::new().await;
    let (acme, path) = with_content(&app).await;
    let mut body = acme.open(&path).await.into_body();
    drop(body.frame().await.expect("a frame"));
    acme.delete(path.trim_end_matches("/content")).await.expect(204);
    partner_api::background::retention::step(&app.state).await.expect("it deletes");
    assert!(body.frame().await.expect("an end").is_err());
    acme.get(&path).await.expect(404);
}

#[tokio::test]
async fn what_is_not_ready_is_a_conflict_and_names_no_content() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = format!("{}/content", ask(&acme, json!({"type": "users"})).await);
    let message = "The report has no content yet, or could not be made; see its status.";
    acme.get(&path).await.expect_json(409, &envelope("report_not_ready", message));
    make(&app).await;
    acme.get(&path).await.expect(200);
    let (zeta, _) = partner(&app, "zeta", "rsa3072.spki.pem").await;
    zeta.get(&path).await.expect(404);
}
