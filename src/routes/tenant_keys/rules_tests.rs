//! The rules of contract 4, one promise a test.

use chrono::TimeZone as _;

use super::*;
use crate::changes::CallerState;
use crate::crypto::audit_chain::Head;

fn at(hour: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 0, 0, 0).unwrap() + TimeDelta::hours(hour)
}

const NOW: i64 = 100;

fn id(n: u128) -> KeyId {
    KeyId(uuid::Uuid::from_u128(n))
}

fn key(n: u128) -> StoredTenantKey {
    StoredTenantKey {
        id: id(n),
        name: format!("key {n}"),
        prefix: "tk_test_abcdef".into(),
        created_at: at(0),
        last_used_at: None,
        tokens_issued: 0,
        dead_uses: 0,
        dead_used_at: None,
        expires_at: None,
        rotated_at: None,
        rotated_to: None,
        revoked_at: None,
    }
}

fn superseded(n: u128) -> StoredTenantKey {
    StoredTenantKey {
        expires_at: Some(at(NOW + 1)),
        rotated_at: Some(at(NOW - 1)),
        rotated_to: Some(id(n + 100)),
        ..key(n)
    }
}

fn org(keys: Vec<StoredTenantKey>, caller: Option<u128>) -> OrgTenantKeys {
    let caller = keys.iter().find(|key| caller.map(id) == Some(key.id)).map(|key| CallerState {
        key_id: Some(key.id),
        is_live: key.is_live(at(NOW)),
        is_superseded: key.is_superseded(),
    });
    let caller = caller.unwrap_or(CallerState::KEYLESS);
    OrgTenantKeys { org: OrgState { caller, ..OrgState::new(Head::default(), at(NOW)) }, keys }
}

fn fresh() -> Fresh {
    Fresh { id: id(999), prefix: "tk_test_fresh0".into() }
}

fn rotation(key_id: Option<u128>, grace_hours: i64) -> Rotation {
    Rotation { key_id: key_id.map(id), grace: TimeDelta::hours(grace_hours), expires_at: None }
}

fn code<T>(outcome: Result<T, ApiError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(ApiError::Invalid(_)) => "422",
        Err(ApiError::Failed(failure)) => failure.code.name(),
    }
}

#[test]
fn the_old_key_lives_on_for_the_grace_window_and_names_its_successor() {
    let plan = org(vec![key(1)], Some(1)).rotate(&rotation(None, 24), &fresh()).unwrap();
    let (old, new) = (plan.changed.unwrap(), plan.added.unwrap());
    assert_eq!(old.expires_at, Some(at(NOW + 24)));
    assert_eq!((old.rotated_at, old.rotated_to, old.revoked_at), (Some(at(NOW)), Some(id(999)), None));
    assert_eq!((new.name.as_str(), new.expires_at, new.created_at), ("key 1", None, at(NOW)));
}

#[test]
fn no_grace_ends_the_old_key_as_a_state() {
    let plan = org(vec![key(1)], Some(1)).rotate(&rotation(None, 0), &fresh()).unwrap();
    assert_eq!(plan.changed.unwrap().revoked_at, Some(at(NOW)));
}

#[test]
fn the_grace_window_never_outlasts_the_keys_own_expiry_and_the_successor_gets_the_same_lifetime() {
    let old = StoredTenantKey { expires_at: Some(at(NOW + 2)), ..key(1) };
    let plan = org(vec![old], Some(1)).rotate(&rotation(None, 24), &fresh()).unwrap();
    assert_eq!(plan.changed.unwrap().expires_at, Some(at(NOW + 2)));
    assert_eq!(plan.added.unwrap().expires_at, Some(at(NOW + NOW + 2)));
}

#[test]
fn the_named_key_is_rotated_else_the_callers_else_the_only_one() {
    let keys = vec![key(1), key(2), superseded(3)];
    let rotated = |caller, named| {
        let plan = org(keys.clone(), caller).rotate(&rotation(named, 1), &fresh())?;
        Ok::<_, ApiError>(plan.changed.unwrap().id)
    };
    assert_eq!(rotated(Some(1), Some(2)).unwrap(), id(2));
    assert_eq!(rotated(Some(1), None).unwrap(), id(1));
    assert_eq!(code(rotated(None, None)), "ambiguous_tenant_key");
    assert_eq!(code(rotated(None, Some(9))), "not_found");
    let only = org(vec![key(1), superseded(3)], None).rotate(&rotation(None, 1), &fresh()).unwrap();
    assert_eq!(only.changed.unwrap().id, id(1));
    assert_eq!(code(org(vec![], None).rotate(&rotation(None, 1), &fresh())), "ambiguous_tenant_key");
}

#[test]
fn a_key_is_rotated_once_and_only_while_it_lives() {
    let revoked = StoredTenantKey { revoked_at: Some(at(1)), ..key(4) };
    let expired = StoredTenantKey { expires_at: Some(at(NOW)), ..key(5) };
    let keys = vec![key(1), superseded(3), revoked, expired];
    let rotate = |caller, named| code(org(keys.clone(), caller).rotate(&rotation(named, 1), &fresh()));
    assert_eq!(rotate(Some(1), Some(3)), "key_already_rotated");
    assert_eq!(rotate(Some(3), None), "key_already_rotated");
    assert_eq!(rotate(Some(3), Some(1)), "key_already_rotated");
    assert_eq!(rotate(Some(1), Some(4)), "key_not_live");
    assert_eq!(rotate(Some(1), Some(5)), "key_not_live");
    assert_eq!(rotate(Some(4), None), "unauthorized");
    assert_eq!(rotate(Some(5), Some(1)), "unauthorized");
}

#[test]
fn the_loser_of_a_rotation_without_grace_hears_that_the_key_was_rotated() {
    let dead = StoredTenantKey { revoked_at: Some(at(NOW)), expires_at: Some(at(NOW)), ..superseded(1) };
    assert_eq!(code(org(vec![dead], Some(1)).rotate(&rotation(None, 0), &fresh())), "key_already_rotated");
}

#[test]
fn a_key_in_its_grace_window_administers_nothing() {
    let org = org(vec![key(1), superseded(3)], Some(3));
    assert_eq!(code(org.mint("x", None, &fresh())), "key_superseded");
    assert_eq!(code(org.update(id(1), Some("x"), &Patch::Keep)), "key_superseded");
    assert_eq!(code(org.update(id(9), Some("x"), &Patch::Keep)), "key_superseded");
    assert_eq!(code(org.revoke(id(1))), "key_superseded");
}

#[test]
fn a_caller_that_has_ended_since_it_authenticated_changes_nothing() {
    for ended in [key(3), superseded(3)] {
        let org = org(vec![key(1), StoredTenantKey { revoked_at: Some(at(NOW)), ..ended }], Some(3));
        assert_eq!(code(org.mint("x", None, &fresh())), "unauthorized");
        assert_eq!(code(org.update(id(1), Some("x"), &Patch::Keep)), "unauthorized");
        assert_eq!(code(org.revoke(id(1))), "unauthorized");
    }
}

#[test]
fn ten_keys_may_live_and_the_refusal_names_the_next_expiry() {
    let mut keys: Vec<_> = (1..=10).map(key).collect();
    keys[3].expires_at = Some(at(NOW + 7));
    keys.push(StoredTenantKey { revoked_at: Some(at(1)), ..key(11) });
    let full = org(keys, Some(1));
    let Err(ApiError::Failed(refusal)) = full.mint("x", None, &fresh()) else { panic!("must be refused") };
    assert_eq!(refusal.code.name(), "too_many_live_keys");
    assert_eq!(refusal.details[0].message, "2026-11-25T11:00:00Z");
    assert_eq!(code(full.rotate(&rotation(None, 1), &fresh())), "too_many_live_keys");
    assert_eq!(code(full.rotate(&rotation(None, 0), &fresh())), "ok");
    let room = org((1..=9).map(key).collect(), Some(1));
    assert_eq!(code(room.mint("x", None, &fresh())), "ok");
}

#[test]
fn a_running_grace_window_is_shortened_or_extended_to_seven_days_after_the_rotation() {
    let org = org(vec![key(1), superseded(3)], Some(1));
    let set = |hour| code(org.update(id(3), None, &Patch::Set(at(hour))));
    assert_eq!(set(NOW + 2), "ok");
    assert_eq!(set(NOW - 1 + 7 * 24), "ok");
    assert_eq!(set(NOW + 7 * 24), "422");
    assert_eq!(code(org.update(id(3), None, &Patch::Clear)), "422");
    assert_eq!(code(org.update(id(1), None, &Patch::Clear)), "ok");
}

#[test]
fn a_dead_key_never_comes_back() {
    let expired = StoredTenantKey { expires_at: Some(at(NOW)), ..key(5) };
    let org = org(vec![key(1), expired], Some(1));
    assert_eq!(code(org.update(id(5), None, &Patch::Clear)), "key_not_live");
    assert_eq!(code(org.update(id(9), None, &Patch::Clear)), "not_found");
    assert_eq!(org.revoke(id(5)).unwrap(), None);
}

#[test]
fn a_key_cannot_revoke_itself() {
    let org = org(vec![key(1), key(2)], Some(1));
    assert_eq!(code(org.revoke(id(1))), "cannot_revoke_self");
    assert_eq!(org.revoke(id(2)).unwrap().unwrap().changed.unwrap().revoked_at, Some(at(NOW)));
}
