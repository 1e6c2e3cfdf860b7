use chrono::{TimeDelta, TimeZone as _};

use super::*;
use crate::changes::CallerState;
use crate::crypto::audit_chain::Head;
use crate::identity::stage::KeyStage;

fn at(hour: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap() + TimeDelta::hours(hour)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn key(n: u128, ends: i64) -> StoredPublicKey {
    StoredPublicKey {
        unique_id: id(n),
        fingerprint: format!("print {n}"),
        created_at: at(-1),
        expires_at: at(ends),
        deleted_at: None,
        authenticates: false,
        is_proven: false,
    }
}

fn org(keys: Vec<StoredPublicKey>) -> OrgPublicKeys {
    let org = OrgState::new(Head::default(), at(0));
    OrgPublicKeys { org, owner_code: "acme".to_owned(), must_sign: false, keys }
}

fn code<T>(outcome: Result<T, ApiError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(ApiError::Invalid(_)) => "400",
        Err(ApiError::Failed(failure)) => failure.code.name(),
    }
}

fn register(org: &OrgPublicKeys, fingerprint: &str) -> &'static str {
    code(org.register("acme", id(99), fingerprint, at(9)))
}

#[test]
fn the_owner_is_the_caller() {
    assert_eq!(register(&org(vec![]), "new"), "ok");
    assert_eq!(code(org(vec![]).register("zeta", id(1), "new", at(9))), "not_found");
}

#[test]
fn a_key_is_alive_once_and_may_come_again_when_it_is_dead() {
    let deleted = StoredPublicKey { deleted_at: Some(at(-1)), ..key(2, 5) };
    let org = org(vec![key(1, 5), deleted, key(3, 0)]);
    assert_eq!(register(&org, "print 1"), "duplicate_key");
    assert_eq!(register(&org, "print 2"), "ok");
    assert_eq!(register(&org, "print 3"), "ok");
}

#[test]
fn a_hundred_may_live() {
    let mut keys: Vec<_> = (0..100).map(|n| key(n, 5)).collect();
    assert_eq!(register(&org(keys.clone()), "new"), "too_many_keys");
    assert_eq!(register(&org(keys.clone()), "print 7"), "duplicate_key");
    keys[0].expires_at = at(0);
    assert_eq!(register(&org(keys), "new"), "ok");
}

#[test]
fn a_live_keys_end_moves_and_a_dead_key_never_comes_back() {
    let org = org(vec![key(1, 5), key(2, 0)]);
    let plan = org.set_expiration(id(1), at(7)).unwrap();
    assert_eq!((plan.expires_at, plan.deleted_at), (at(7), None));
    assert_eq!(code(org.set_expiration(id(2), at(7))), "key_not_live");
    assert_eq!(code(org.set_expiration(id(3), at(7))), "not_found");
}

#[test]
fn deleting_ends_a_key_now_and_once() {
    let org = org(vec![key(1, 5), key(2, 0)]);
    let plan = org.delete(Some(id(1)), false).unwrap().unwrap();
    assert_eq!((plan.expires_at, plan.deleted_at), (at(0), Some(at(0))));
    assert_eq!(org.delete(Some(id(2)), false).unwrap(), None);
    assert_eq!(code(org.delete(Some(id(3)), false)), "not_found");
    assert_eq!(code(org.delete(None, false)), "not_found");
}

#[test]
fn a_superseded_key_changes_nothing_and_learns_nothing() {
    let mut org = org(vec![]);
    org.org.caller = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
    assert_eq!(code(org.register("zeta", id(1), "new", at(9))), "key_superseded");
    assert_eq!(code(org.set_expiration(id(9), at(9))), "key_superseded");
    assert_eq!(code(org.delete(None, false)), "key_superseded");
}

#[test]
fn the_last_key_that_signs_is_not_ended_while_signatures_are_required() {
    let signs = |n, ends| StoredPublicKey { authenticates: true, ..key(n, ends) };
    let mut org = OrgPublicKeys { must_sign: true, ..org(vec![signs(1, 5), key(2, 5), signs(3, -1)]) };
    assert_eq!(code(org.delete(Some(id(1)), false)), "last_authentication_key");
    assert_eq!(code(org.delete(Some(id(2)), false)), "ok", "it signs nothing");
    assert_eq!(code(org.delete(Some(id(3)), false)), "ok", "it had ended already");
    org.keys.push(signs(4, 5));
    assert_eq!(code(org.delete(Some(id(1)), false)), "ok", "there is another");
    org.keys.pop();
    org.must_sign = false;
    assert_eq!(code(org.delete(Some(id(1)), false)), "ok");
}

#[test]
fn where_proofs_are_required_only_a_proven_key_counts_as_one_that_signs() {
    let signs = |n, is_proven| StoredPublicKey { authenticates: true, is_proven, ..key(n, 5) };
    let org = OrgPublicKeys { must_sign: true, ..org(vec![signs(1, true), signs(2, false)]) };
    assert_eq!(code(org.delete(Some(id(1)), true)), "last_authentication_key");
    assert_eq!(code(org.delete(Some(id(2)), true)), "ok", "it signs nothing yet");
    assert_eq!(code(org.delete(Some(id(1)), false)), "ok", "the other one signs as well");
}
