//! Who may not call, and how: the same on every operation (contract 0).

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;

use super::Sweep;
use crate::support::Caller;

const SOME_ID: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

#[tokio::test]
async fn every_operation_without_credentials_is_unauthorized() {
    let sweep = Sweep::new().await;
    let anyone = sweep.app.anyone();
    refused(&sweep, &anyone, 401, "unauthorized").await;
    refused(&sweep, &anyone.with("authorization", "Bearer x"), 401, "unauthorized").await;
    refused(&sweep, &anyone.with("authorization", "Basic eDp5"), 401, "unauthorized").await;
}

#[tokio::test]
async fn every_operation_with_a_malformed_org_id_is_a_bad_request() {
    let sweep = Sweep::new().await;
    for malformed in ["", "acme", "{3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13}"] {
        refused(&sweep, &sweep.app.anyone().with("orgid", malformed), 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn every_operation_with_two_credentials_is_a_conflict() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    refused(&sweep, &acme.with("authorization", "Bearer x"), 400, "conflicting_credentials").await;
}

#[tokio::test]
async fn every_operation_for_an_unknown_or_suspended_org_is_forbidden() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    sweep.app.suspend(&acme).await;
    refused(&sweep, &acme, 403, "forbidden").await;
    refused(&sweep, &sweep.app.anyone().with("orgid", SOME_ID), 403, "forbidden").await;
}

#[tokio::test]
async fn every_path_names_its_methods_to_those_who_use_another() {
    let sweep = Sweep::new().await;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in sweep.operations() {
        let allowed = methods.entry(operation.path_of(SOME_ID)).or_default();
        allowed.extend((operation.method == "GET").then(|| "HEAD".to_owned()));
        allowed.insert(operation.method);
    }
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ];
    for (path, allowed) in methods {
        for other in known.iter().map(Method::as_str).chain(["PURGE"]).filter(|m| !allowed.contains(*m)) {
            let reply = sweep.app.anyone().bodyless(other, &path).await.expect(405);
            assert_eq!(reply.code(), "method_not_allowed");
            let named = reply.header("allow").expect("it names them").split(',');
            assert_eq!(named.map(|name| name.trim().to_owned()).collect::<BTreeSet<_>>(), allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn head_follows_get_on_every_path() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for operation in sweep.operations().iter().filter(|operation| operation.method == "GET") {
        for caller in [&*acme, &sweep.app.anyone()] {
            let path = operation.path_of(SOME_ID);
            let (get, head) = (caller.get(&path).await, caller.bodyless("HEAD", &path).await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        }
    }
}

/// Every operation refuses the caller alike, whatever else is right or wrong with the request.
async fn refused(sweep: &Sweep, caller: &Caller, status: u16, code: &str) {
    for operation in sweep.operations() {
        let judge = async |path: &str| {
            let reply = sweep.example(caller, &operation, path).await.expect(status);
            assert_eq!(reply.code(), code, "{}", operation.id);
            if status == 401 {
                assert_eq!(reply.header("www-authenticate"), Some("ApiKey realm=\"partner-api\""));
            }
        };
        judge(&operation.path_of(SOME_ID)).await;
        judge(&operation.path_of("nonsense")).await;
    }
}
