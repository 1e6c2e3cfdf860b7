//! What holds for every answer (contract 1).

use serde_json::json;

use crate::support::{Caller, TestApp, envelope, request};

#[tokio::test]
async fn a_well_formed_request_id_comes_back_in_the_header_and_in_the_error() {
    let app = TestApp::new().await;
    let longest = "x".repeat(128);
    for id in ["a", "2026-11-21_08.00.00", &longest] {
        let reply = named(&app, &[id]).get("/v1/users").await.expect(401);
        assert_eq!(reply.header("x-request-id"), Some(id));
        assert_eq!(reply.json()["error"]["request_id"], id);
    }
}

#[tokio::test]
async fn any_other_request_id_is_replaced_by_a_new_uuid() {
    let app = TestApp::new().await;
    let too_long = "x".repeat(129);
    let mut seen = Vec::new();
    for ids in [&[][..], &[""], &["a b"], &["a/b"], &["\u{e9}"], &["<script>"], &["a", "b"], &[&too_long]] {
        let reply = named(&app, ids).get("/v1/users").await.expect(401);
        let id = reply.header("x-request-id").expect("there is always one").to_owned();
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
        assert_eq!(reply.json()["error"]["request_id"], id);
        assert!(!seen.contains(&id));
        seen.push(id);
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for path in
        ["/v1/features", "/v1/nonsense", "/", "/docs", "/errors", "/openapi.json", "/livez", "/readyz"]
    {
        assert_eq!(acme.get(path).await.header("x-request-id"), Some("test"), "{path}");
    }
    assert_eq!(app.operations().get("/metrics").await.header("x-request-id"), Some("test"));
}

#[tokio::test]
async fn a_trace_context_changes_nothing_whether_good_or_bad() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let without = acme.get("/v1/features").await;
    for trace in ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "", "\u{e9}", "ff-0-0-0"] {
        let reply = acme.with("traceparent", trace).with("tracestate", trace).get("/v1/features").await;
        assert_eq!((reply.status, &reply.headers, &reply.body), (200, &without.headers, &without.body));
    }
}

#[tokio::test]
async fn nothing_under_v1_or_api_is_stored_by_a_cache() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for (method, path, status) in [
        ("GET", "/v1/features", 200),
        ("GET", "/v1/users", 200),
        ("POST", "/v1/users", 422),
        ("GET", "/v1/admin/org/members", 503),
        ("GET", "/v1/users/x", 422),
        ("GET", "/v1/nonsense", 404),
        ("GET", "/v1", 404),
        ("GET", "/api", 404),
        ("GET", "/api/v1/key/x/y/z", 404),
        ("DELETE", "/v1/features", 405),
    ] {
        let reply = acme.bodyless(method, path).await.expect(status);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{method} {path}");
        let reply = app.anyone().bodyless(method, path).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{method} {path} without credentials");
    }
}

#[tokio::test]
async fn public_key_routes_have_an_error_shape_of_their_own() {
    let app = TestApp::new().await;
    let error = |code, message| {
        json!({"TraceId": "test", "Error": {
            "Code": code, "Message": message, "AdditionalInfo": "", "ExtraData": {},
        }})
    };
    let unauthorized = error("unauthorized", "Credentials are missing or not valid.");
    app.anyone().get("/api/v1/key/x").await.expect_json(401, &unauthorized);
    let wrong_method =
        error("method_not_allowed", "This resource does not support that method; see the Allow header.");
    let reply = app.anyone().bodyless("PURGE", "/api/v1/key").await;
    assert_eq!(reply.header("allow"), Some("POST"));
    reply.expect_json(405, &wrong_method);
    let not_found = error("not_found", "There is no such resource.");
    app.anyone().get("/api/v1/key/x/y/z").await.expect_json(404, &not_found);
    app.anyone()
        .get("/api/v1/keys")
        .await
        .expect_json(404, &envelope("not_found", "There is no such resource."));
}

#[tokio::test]
async fn head_follows_get() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for path in
        ["/v1/features", "/v1/users", "/v1/users?limit=0", "/v1/nonsense", "/v1/admin/org/members", "/docs"]
    {
        let (get, head) = (acme.get(path).await, acme.bodyless("HEAD", path).await);
        assert_eq!((head.status, head.text()), (get.status, String::new()), "{path}");
        let same = ["content-type", "cache-control", "retry-after", "x-request-id"];
        assert!(same.iter().all(|name| head.header(name) == get.header(name)), "{path}: {:?}", head.headers);
    }
}

#[tokio::test]
async fn a_body_is_json_in_utf_8_and_says_so() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let unsupported =
        envelope("unsupported_media_type", "The request body must be sent as application/json.");
    let post = async |headers: &[(&str, &str)]| {
        let head = headers
            .iter()
            .fold(request("POST", "/v1/users"), |head, (name, value)| head.header(*name, *value));
        acme.send(head, "{}").await
    };
    for good in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
        "application/json ; profile=x",
    ] {
        post(&[("content-type", good)]).await.expect(422);
    }
    for bad in [
        "",
        "json",
        "text/json",
        "text/plain",
        "application/jsonp",
        "application/problem+json",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "*/*",
        "\u{e9}",
    ] {
        post(&[("content-type", bad)]).await.expect_json(415, &unsupported);
    }
    post(&[]).await.expect_json(415, &unsupported);
    let json = ("content-type", "application/json");
    post(&[json, json]).await.expect_json(415, &unsupported);
    post(&[json, ("content-encoding", "gzip")]).await.expect_json(415, &unsupported);
}

#[tokio::test]
async fn a_body_may_have_64_kib_and_not_a_byte_more() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let too_large = envelope("payload_too_large", "The request body is too large.");
    let of_size = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    acme.raw("POST", "/v1/users", of_size(64 * 1024)).await.expect(422);
    acme.raw("POST", "/v1/users", of_size(64 * 1024 + 1)).await.expect_json(413, &too_large);
    acme.raw("PATCH", "/v1/users/x", of_size(1_000_000)).await.expect_json(413, &too_large);
    let announced = request("POST", "/v1/users").header("content-type", "application/json");
    acme.send(announced.header("content-length", "65537"), "{}").await.expect_json(413, &too_large);
}

#[tokio::test]
async fn the_media_type_is_judged_before_the_size() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.send(request("POST", "/v1/users").header("content-type", "text/plain"), vec![b' '; 70_000])
        .await
        .expect(415);
}

#[tokio::test]
async fn a_body_where_none_is_due_is_not_looked_at() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for body in [&b"\xff"[..], &[b' '; 70_000]] {
        acme.send(request("GET", "/v1/users").header("content-type", "text/plain"), body.to_vec())
            .await
            .expect(200);
    }
}

/// A caller who sends these request ids.
fn named(app: &TestApp, ids: &[&str]) -> Caller {
    ids.iter().fold(app.anyone().without("x-request-id"), |caller, id| caller.with("x-request-id", id))
}
