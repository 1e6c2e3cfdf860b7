//! The rules of contract 4, one promise a test.

use chrono::TimeZone as _;

use super::*;
use crate::changes::CallerState;
use crate::crypto::audit_chain::Head;
use crate::identity::key_scopes::KeyScope;

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
        pending: None,
        origin: KeyOrigin::Made,
        leak: None,
        rights: KeyRights::UNRESTRICTED,
        networks: AllowedNetworks::ANY,
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
        stage: key.stage(),
        scopes: key.rights.granted(),
        is_frozen: false,
    });
    let caller = caller.unwrap_or(CallerState::KEYLESS);
    OrgTenantKeys { org: OrgState { caller, ..OrgState::new(Head::default(), at(NOW)) }, keys }
}

fn fresh() -> Fresh {
    Fresh { id: id(999), prefix: "tk_test_fresh0".into() }
}

fn minting() -> Minting {
    Minting::unrestricted("x")
}

fn named(name: &str) -> UpdateTenantKey {
    UpdateTenantKey { name: Some(name.into()), ..ending(Patch::Keep) }
}

fn ending(expires_at: Patch<DateTime<Utc>>) -> UpdateTenantKey {
    let allowed_networks = Patch::Keep;
    UpdateTenantKey {
        name: None,
        expires_at,
        scopes: None,
        scope_policy: None,
        allowed_networks,
        network_policy: None,
    }
}

fn rotation(key_id: Option<u128>, grace_hours: i64) -> Rotation {
    Rotation {
        key_id: key_id.map(id),
        grace: TimeDelta::hours(grace_hours),
        expires_at: None,
        activation: Activation::Immediate,
        confirm_within: TimeDelta::hours(24),
        rights: RightsChange::default(),
        networks: NetworkChange::NONE,
    }
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
    let (old, new) = (&plan.changed[0], plan.added.as_ref().unwrap());
    assert_eq!(old.expires_at, Some(at(NOW + 24)));
    assert_eq!((old.rotated_at, old.rotated_to, old.revoked_at), (Some(at(NOW)), Some(id(999)), None));
    assert_eq!((new.name.as_str(), new.expires_at, new.created_at), ("key 1", None, at(NOW)));
}

#[test]
fn no_grace_ends_the_old_key_as_a_state() {
    let plan = org(vec![key(1)], Some(1)).rotate(&rotation(None, 0), &fresh()).unwrap();
    assert_eq!(plan.changed[0].revoked_at, Some(at(NOW)));
}

#[test]
fn the_grace_window_never_outlasts_the_keys_own_expiry_and_the_successor_gets_the_same_lifetime() {
    let old = StoredTenantKey { expires_at: Some(at(NOW + 2)), ..key(1) };
    let plan = org(vec![old], Some(1)).rotate(&rotation(None, 24), &fresh()).unwrap();
    assert_eq!(plan.changed[0].expires_at, Some(at(NOW + 2)));
    assert_eq!(plan.added.unwrap().expires_at, Some(at(NOW + NOW + 2)));
}

#[test]
fn the_named_key_is_rotated_else_the_callers_else_the_only_one() {
    let keys = vec![key(1), key(2), superseded(3)];
    let rotated = |caller, named| {
        let plan = org(keys.clone(), caller).rotate(&rotation(named, 1), &fresh())?;
        Ok::<_, ApiError>(plan.changed[0].id)
    };
    assert_eq!(rotated(Some(1), Some(2)).unwrap(), id(2));
    assert_eq!(rotated(Some(1), None).unwrap(), id(1));
    assert_eq!(code(rotated(None, None)), "ambiguous_tenant_key");
    assert_eq!(code(rotated(None, Some(9))), "not_found");
    let only = org(vec![key(1), superseded(3)], None).rotate(&rotation(None, 1), &fresh()).unwrap();
    assert_eq!(only.changed[0].id, id(1));
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
    assert_eq!(code(org.mint(&minting(), &fresh())), "key_superseded");
    assert_eq!(code(org.update(id(1), &named("x"))), "key_superseded");
    assert_eq!(code(org.update(id(9), &named("x"))), "key_superseded");
    assert_eq!(code(org.revoke(id(1))), "key_superseded");
}

#[test]
fn a_caller_that_has_ended_since_it_authenticated_changes_nothing() {
    for ended in [key(3), superseded(3)] {
        let org = org(vec![key(1), StoredTenantKey { revoked_at: Some(at(NOW)), ..ended }], Some(3));
        assert_eq!(code(org.mint(&minting(), &fresh())), "unauthorized");
        assert_eq!(code(org.update(id(1), &named("x"))), "unauthorized");
        assert_eq!(code(org.revoke(id(1))), "unauthorized");
    }
}

#[test]
fn ten_keys_may_live_and_the_refusal_names_the_next_expiry() {
    let mut keys: Vec<_> = (1..=10).map(key).collect();
    keys[3].expires_at = Some(at(NOW + 7));
    keys.push(StoredTenantKey { revoked_at: Some(at(1)), ..key(11) });
    let full = org(keys, Some(1));
    let Err(ApiError::Failed(refusal)) = full.mint(&minting(), &fresh()) else { panic!("must be refused") };
    assert_eq!(refusal.code.name(), "too_many_live_keys");
    assert_eq!(refusal.details[0].message, "2026-11-25T11:00:00Z");
    assert_eq!(code(full.rotate(&rotation(None, 1), &fresh())), "too_many_live_keys");
    assert_eq!(code(full.rotate(&rotation(None, 0), &fresh())), "ok");
    let room = org((1..=9).map(key).collect(), Some(1));
    assert_eq!(code(room.mint(&minting(), &fresh())), "ok");
}

#[test]
fn a_running_grace_window_is_shortened_or_extended_to_seven_days_after_the_rotation() {
    let org = org(vec![key(1), superseded(3)], Some(1));
    let set = |hour| code(org.update(id(3), &ending(Patch::Set(at(hour)))));
    assert_eq!(set(NOW + 2), "ok");
    assert_eq!(set(NOW - 1 + 7 * 24), "ok");
    assert_eq!(set(NOW + 7 * 24), "422");
    assert_eq!(code(org.update(id(3), &ending(Patch::Clear))), "422");
    assert_eq!(code(org.update(id(1), &ending(Patch::Clear))), "ok");
}

#[test]
fn a_dead_key_never_comes_back() {
    let expired = StoredTenantKey { expires_at: Some(at(NOW)), ..key(5) };
    let org = org(vec![key(1), expired], Some(1));
    assert_eq!(code(org.update(id(5), &ending(Patch::Clear))), "key_not_live");
    assert_eq!(code(org.update(id(9), &ending(Patch::Clear))), "not_found");
    assert_eq!(org.revoke(id(5)).unwrap(), None);
}

#[test]
fn a_key_cannot_revoke_itself() {
    let org = org(vec![key(1), key(2)], Some(1));
    assert_eq!(code(org.revoke(id(1))), "cannot_revoke_self");
    assert_eq!(org.revoke(id(2)).unwrap().unwrap().changed[0].revoked_at, Some(at(NOW)));
}

fn waiting(n: u128, old: u128, until: i64) -> StoredTenantKey {
    let pending = Pending {
        key_id: id(old),
        activation: Activation::OnConfirm,
        confirm_by: at(until),
        grace_seconds: 3_600,
        ends_at: None,
    };
    StoredTenantKey { expires_at: Some(at(until)), pending: Some(pending), ..key(n) }
}

fn starting(key_id: Option<u128>) -> Rotation {
    Rotation { activation: Activation::OnConfirm, ..rotation(key_id, 1) }
}

#[test]
fn a_rotation_that_waits_leaves_the_old_key_as_it_was() {
    let old = StoredTenantKey { expires_at: Some(at(NOW + 500)), ..key(1) };
    let plan = org(vec![old], Some(1)).rotate(&starting(None), &fresh()).unwrap();
    let new = plan.added.unwrap();
    assert!(plan.changed.is_empty());
    // It ends with its wait, and gets the old key's lifetime with the confirmation.
    assert_eq!(new.expires_at, Some(at(NOW + 24)));
    let pending = new.pending.unwrap();
    assert_eq!((pending.key_id, pending.confirm_by), (id(1), at(NOW + 24)));
    assert_eq!((pending.ends_at, pending.grace_seconds), (Some(at(NOW + NOW + 500)), 3_600));
}

#[test]
fn one_rotation_of_a_key_waits_at_a_time_until_its_time_is_over() {
    let keys = vec![key(1), waiting(2, 1, NOW + 1)];
    let refused = |caller, key_id| code(org(keys.clone(), caller).rotate(&starting(key_id), &fresh()));
    assert_eq!(refused(Some(1), None), "rotation_pending");
    assert_eq!(refused(None, Some(2)), "rotation_pending");
    assert_eq!(refused(Some(2), None), "key_not_confirmed");
    let org = org(vec![key(1), waiting(2, 1, NOW)], Some(1));
    assert_eq!(code(org.rotate(&starting(None), &fresh())), "ok");
}

#[test]
fn a_confirmation_begins_the_old_keys_grace_window() {
    for caller in [None, Some(1), Some(2)] {
        let plan = org(vec![key(1), waiting(2, 1, NOW + 1)], caller).confirm(id(2)).unwrap();
        let [new, old] = &plan.changed[..] else { panic!("two keys") };
        assert_eq!((new.expires_at, &new.pending), (None, &None));
        assert_eq!((old.expires_at, old.rotated_to), (Some(at(NOW + 1)), Some(id(2))));
        assert_eq!(plan.kind, EventType::TenantKeyRotated);
    }
    let confirm = |keys, caller, n| code(org(keys, caller).confirm(id(n)));
    let waits = || waiting(2, 1, NOW + 1);
    assert_eq!(confirm(vec![key(1), waits()], None, 9), "not_found");
    assert_eq!(confirm(vec![key(1), waits()], None, 1), "rotation_not_pending");
    assert_eq!(confirm(vec![key(1), waiting(2, 1, NOW)], None, 2), "key_not_live");
    assert_eq!(confirm(vec![key(1), waits(), superseded(3)], Some(3), 2), "key_superseded");
    assert_eq!(
        confirm(vec![key(1), waits(), key(3), waiting(4, 3, NOW + 1)], Some(4), 2),
        "key_not_confirmed"
    );
}

#[test]
fn what_waits_can_be_given_up_by_itself_and_by_others_and_leaves_no_trace() {
    let keys = || vec![key(1), waiting(2, 1, NOW + 1)];
    for caller in [None, Some(1), Some(2)] {
        let plan = org(keys(), caller).revoke(id(2)).unwrap().unwrap();
        assert_eq!(plan.kind, EventType::TenantKeyRotationAbandoned);
        assert_eq!((plan.changed.len(), plan.changed[0].revoked_at), (1, Some(at(NOW))));
    }
    assert_eq!(code(org(keys(), Some(2)).revoke(id(1))), "key_not_confirmed");
    assert_eq!(org(keys(), None).abandon(id(2)).unwrap(), None, "it may still be confirmed");
    let late = org(vec![key(1), waiting(2, 1, NOW)], None);
    assert_eq!(late.abandon(id(2)).unwrap().unwrap().kind, EventType::TenantKeyRotationAbandoned);
    assert_eq!(late.abandon(id(1)).unwrap(), None);
}

#[test]
fn who_ends_the_old_key_has_the_successor_take_its_place() {
    let plan = org(vec![key(1), waiting(2, 1, NOW + 1)], None).revoke(id(1)).unwrap().unwrap();
    let [new, old] = &plan.changed[..] else { panic!("two keys") };
    assert_eq!((new.pending.clone(), old.revoked_at), (None, Some(at(NOW))));
    assert_eq!(plan.kind, EventType::TenantKeyRotated);
}

#[test]
fn the_end_of_what_waits_comes_with_its_confirmation() {
    let org = org(vec![key(1), waiting(2, 1, NOW + 5)], None);
    let changed = |end| org.update(id(2), &ending(end)).unwrap().changed[0].clone();
    let sooner = changed(Patch::Set(at(NOW + 2)));
    assert_eq!((sooner.expires_at, sooner.pending.unwrap().ends_at), (Some(at(NOW + 2)), Some(at(NOW + 2))));
    let later = changed(Patch::Set(at(NOW + 9)));
    assert_eq!((later.expires_at, later.pending.unwrap().ends_at), (Some(at(NOW + 5)), Some(at(NOW + 9))));
    assert_eq!(changed(Patch::Clear).expires_at, Some(at(NOW + 5)));
}

/// A key that may do this, and is held to it.
fn narrow(n: u128, scopes: &[KeyScope]) -> StoredTenantKey {
    StoredTenantKey { rights: KeyRights::of(scopes.iter().copied().collect()), ..key(n) }
}

#[test]
fn whoever_asks_hears_of_its_scopes_before_it_hears_of_others() {
    use KeyScope::{TenantKeysWrite, UsersRead};
    let keys = vec![key(1), narrow(2, &[UsersRead]), narrow(3, &[TenantKeysWrite])];
    for (caller, other, scope) in [(2, 1, "insufficient_scope"), (3, 1, "insufficient_scope"), (1, 2, "ok")] {
        let org = org(keys.clone(), Some(caller));
        assert_eq!(code(org.rotate(&rotation(Some(other), 1), &fresh())), scope);
        assert_eq!(code(org.update(id(other), &named("x"))), scope);
        assert_eq!(code(org.revoke(id(other))), scope);
        assert_eq!(code(org.rotate(&rotation(None, 1), &fresh())), "ok");
    }
    // A key that there is not is none that may do more.
    assert_eq!(code(org(keys.clone(), Some(3)).revoke(id(9))), "not_found");
    assert_eq!(code(org(keys, Some(2)).revoke(id(9))), "insufficient_scope");
}

#[test]
fn only_the_two_keys_of_a_rotation_settle_it_without_the_scope() {
    let waits = StoredTenantKey {
        pending: Some(Pending {
            key_id: id(1),
            activation: Activation::OnConfirm,
            confirm_by: at(NOW + 1),
            grace_seconds: 60,
            ends_at: None,
        }),
        ..narrow(2, &[KeyScope::UsersRead])
    };
    let keys = vec![narrow(1, &[KeyScope::UsersRead]), waits, narrow(3, &[KeyScope::UsersRead])];
    for (caller, confirms, ends) in
        [(1, "ok", "ok"), (2, "ok", "ok"), (3, "insufficient_scope", "insufficient_scope")]
    {
        let org = org(keys.clone(), Some(caller));
        assert_eq!((code(org.confirm(id(2))), code(org.revoke(id(2)))), (confirms, ends), "{caller}");
    }
    // Ending the old key lets the new one out, which is for whoever may do as much.
    let wider = StoredTenantKey { rights: KeyRights::UNRESTRICTED, ..keys[1].clone() };
    let manager = narrow(3, &[KeyScope::UsersRead, KeyScope::TenantKeysWrite]);
    let org_of =
        |waits: &StoredTenantKey| org(vec![keys[0].clone(), waits.clone(), manager.clone()], Some(3));
    assert_eq!(code(org_of(&keys[1]).revoke(id(1))), "ok");
    assert_eq!(code(org_of(&wider).revoke(id(1))), "insufficient_scope");
    // The old key is nobody's to end for that.
    assert_eq!(code(org(keys, Some(1)).revoke(id(3))), "insufficient_scope");
}
