//! The endpoint takes anyone: what strangers send costs little, and nothing of a partner's share.

use axum::body::Body;
use futures_util::future::join_all;
use partner_api::limits::Limit;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use uuid::Uuid;

use super::{Assertion, TOKEN, app, form, invalid_client, post};
use crate::signatures::{ALICE, MALLORY, register};
use crate::support::exposition::Exposition;
use crate::support::{TestApp, request};

#[tokio::test]
async fn keys_that_nobody_has_are_looked_up_together() {
    let app = app().await;
    let stranger = |_| Assertion::new(&MALLORY, &Uuid::now_v7().to_string()).form();
    let forms: Vec<_> = (0..200).map(stranger).collect();
    let caller = app.anyone();
    for reply in join_all(forms.iter().map(|form| post(&caller, form.clone()))).await {
        invalid_client(&reply);
    }
    let seen = Exposition::parse(&app.operations().get("/metrics").await.expect(200).text());
    let of = |name: &str| seen.value(name, &[("batch", "signer_lookups")]);
    assert_eq!(of("partner_api_batch_size_sum"), 200.0);
    assert!(of("partner_api_batch_size_count") <= 40.0, "{}", of("partner_api_batch_size_count"));
}

#[tokio::test]
async fn whoever_names_an_orgs_key_takes_nothing_of_its_share() {
    let app = TestApp::with(&[("PUBLIC_URL", crate::signatures::URL), ("MAX_IN_FLIGHT", "4")]).await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let others = register(&zeta, &MALLORY, "Authentication").await;
    let share = app.state.limits.shares(Limit::Public);
    let held: Vec<_> = std::iter::from_fn(|| share.try_take(partner_api::ids::OrgId(acme.id))).collect();
    assert_eq!(held.len(), 2);
    invalid_client(&Assertion::new(&MALLORY, &keyid).ask(&app.anyone()).await);
    let good = Assertion::new(&ALICE, &keyid);
    let refused = good.ask(&app.anyone()).await.expect(429);
    assert_eq!(
        (refused.code().as_str(), refused.header("retry-after")),
        ("temporarily_unavailable", Some("1"))
    );
    Assertion::new(&MALLORY, &others).of("zeta").ask(&app.anyone()).await.expect(200);
    drop(held);
    // It was not used up.
    good.ask(&app.anyone()).await.expect(200);
}

#[test]
fn any_bytes_are_answered_as_the_document_says() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, good) = runtime.block_on(async {
        let app = app().await;
        let acme = app.org("acme").await;
        let keyid = register(&acme, &ALICE, "Authentication").await;
        (app, Assertion::new(&ALICE, &keyid).with(json!({"jti": "used"})).form())
    });
    let caller = app.anyone();
    let noise = vec(any::<u8>(), 0..300);
    let damaged = vec((0..good.len(), any::<u8>()), 1..4).prop_map(move |damage| {
        let mut bytes = good.clone().into_bytes();
        damage.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes
    });
    let pairs = vec(("[a-z_]{0,12}", any::<String>()), 0..6).prop_map(|pairs| {
        form_urlencoded::Serializer::new(form("a.b.c")).extend_pairs(pairs).finish().into_bytes()
    });
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let send = |body: Vec<u8>| {
        let head = request("POST", TOKEN).header("content-type", "application/x-www-form-urlencoded");
        let reply = runtime.block_on(caller.send(head, Body::from(body)));
        prop_assert!(matches!(reply.status, 200 | 400 | 401), "{} {}", reply.status, reply.text());
        prop_assert!(reply.status == 200 || reply.json()["error_description"].is_string());
        Ok(())
    };
    runner.run(&prop_oneof![noise, damaged, pairs], send).expect("all are answered");
}
