//! A query parameter that a route does not know is a typing error, and refused as an unknown field
//! of a body is (contract 1): whoever sends `?page=2` would take the first page for the second.

use axum::http::request::Builder;
use serde_json::{Value, json};

use super::{Sweep, json_request};
use crate::support::document::Operation;
use crate::support::{Org, Reply, TestApp, request};

const SOME_ID: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
const MSG: &str = "is not a parameter of this request";
/// OAuth's errors have no room for a parameter's name.
const OAUTH: &str = "/v1/oauth/token";

#[tokio::test]
async fn an_unknown_query_parameter_is_refused_by_every_operation() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for operation in sweep.document.operations() {
        for name in ["page", "user_id", "page[size]", "$top", "LIMIT", "limit[]"] {
            let reply = ask(&sweep, &acme, &operation, &format!("{name}=2")).await;
            if operation.is_planned() {
                assert_eq!(reply.status, 503);
                continue;
            }
            if operation.path == OAUTH {
                assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"));
                continue;
            }
            assert_eq!(told(&operation, &reply), [(name.to_owned(), MSG.to_owned())], "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_name_that_may_be_a_value_in_the_wrong_place_is_not_repeated() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    let key = format!("tk_test_{}", "s3cr3t7".repeat(7));
    for operation in sweep.document.operations().iter().filter(|operation| !operation.is_planned()) {
        for query in [key.as_str(), "s3cr3t%20s3cr3t=1", "s3cr3t@example.com", "%ff=s3cr3t", "=s3cr3t"] {
            let reply = ask(&sweep, &acme, operation, query).await;
            let named = [("query".to_owned(), MSG.to_owned())];
            assert!(operation.path == OAUTH || told(operation, &reply) == named, "{}", operation.id);
            assert!(!reply.text().contains("s3cr3t"), "{}", reply.text());
        }
    }
}

#[tokio::test]
async fn unknown_parameters_are_told_beside_all_other_problems_and_each_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let reply = acme.patch("/v1/users/x?b=1&limit=1&b=2", json!({"first_name": ""})).await.expect(422);
    let problem = |loc: Value, kind: &str| (loc, kind.to_owned());
    let problems: Vec<_> = reply.json()["detail"]
        .as_array()
        .expect("problems")
        .iter()
        .map(|one| problem(one["loc"].clone(), one["type"].as_str().expect("a type")))
        .collect();
    let expected = [
        problem(json!(["path", "user_id"]), "uuid_parsing"),
        problem(json!(["query", "b"]), "extra_forbidden"),
        problem(json!(["query", "limit"]), "extra_forbidden"),
        problem(json!(["body", "first_name"]), "string_too_short"),
    ];
    assert_eq!(problems, expected);
    // A known one twice is what it was.
    let twice = acme.get("/v1/users?limit=1&limit=2").await.expect(422).json();
    assert_eq!(twice["detail"][0]["msg"], "is given more than once");
}

#[tokio::test]
async fn a_query_of_thousands_of_names_has_a_short_answer() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let names: Vec<_> = (0..10_000).map(|number| format!("n{number}")).collect();
    let reply = acme.get(&format!("/v1/users?{}", names.join("&"))).await.expect(422);
    assert_eq!(reply.json()["detail"].as_array().expect("problems").len(), 50);
    let body: serde_json::Map<_, _> = names.iter().take(900).map(|name| (name.clone(), json!(0))).collect();
    let reply = acme.post("/v1/auth/token", Value::Object(body)).await.expect(422);
    assert_eq!(reply.json()["detail"].as_array().expect("problems").len(), 51);
}

#[tokio::test]
async fn what_is_refused_for_its_query_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users?dry_run=true", json!({"user_id": SOME_ID})).await.expect(422);
    acme.post("/v1/users", json!({"user_id": SOME_ID})).await.expect(201);
    acme.delete(&format!("/v1/users/{SOME_ID}?dry_run=true")).await.expect(422);
    acme.get(&format!("/v1/users/{SOME_ID}")).await.expect(200);
}

/// The operation's example with a query behind its path.
async fn ask(sweep: &Sweep, acme: &Org, operation: &Operation, query: &str) -> Reply {
    let path = format!("{}?{query}", operation.path_of(SOME_ID));
    let is_open = !operation.is_guarded();
    let caller = if is_open { sweep.app.anyone() } else { (**acme).clone() };
    let body = sweep.example_body(operation, "acme");
    let head: Builder = match &body {
        Some(_) => json_request(operation, &path),
        None if operation.takes_lines() => {
            request(&operation.method, &path).header("content-type", "application/x-ndjson")
        }
        None => request(&operation.method, &path),
    };
    sweep.send(&caller, operation, head, body.map_or_else(String::new, |body| body.to_string())).await
}

/// What is wrong with the query, by name, in either shape; `query` where the name is not told.
fn told(operation: &Operation, reply: &Reply) -> Vec<(String, String)> {
    let body = reply.json();
    if operation.path.starts_with("/api/v1/key") {
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{}", operation.id);
        let reasons = body["Error"]["ExtraData"].as_object().expect("reasons").iter();
        let of_query = reasons.filter(|(_, msg)| **msg == MSG);
        return of_query.map(|(name, _)| (name.clone(), MSG.to_owned())).collect();
    }
    assert_eq!(reply.status, 422, "{}: {}", operation.id, reply.text());
    let problems = body["detail"].as_array().expect("problems").iter();
    let of_query = problems.filter(|problem| problem["loc"][0] == "query");
    of_query
        .map(|problem| {
            assert_eq!(problem["type"], "extra_forbidden", "{}: {problem}", operation.id);
            let name = problem["loc"][1].as_str().unwrap_or("query");
            (name.to_owned(), problem["msg"].as_str().expect("a reason").to_owned())
        })
        .collect()
}
