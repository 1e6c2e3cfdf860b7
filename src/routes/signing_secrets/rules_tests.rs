//! The rules of contract 5 and 13.1, one promise a test.

use chrono::TimeZone as _;

use super::*;
use crate::changes::CallerState;
use crate::crypto::audit_chain::Head;
use crate::identity::stage::KeyStage;

fn at(hour: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 0, 0, 0).unwrap() + TimeDelta::hours(hour)
}

const NOW: i64 = 100;

fn secret(n: u128, ends: Option<i64>) -> SigningSecret {
    SigningSecret {
        id: Uuid::from_u128(n),
        source: "server".into(),
        created_at: at(0),
        expires_at: ends.map(at),
        revoked_at: None,
        version: 1,
        pending: None,
    }
}

fn at_once(grace: TimeDelta) -> SecretRotation {
    SecretRotation { grace, confirm_within: None }
}

fn org(secrets: Vec<SigningSecret>) -> OrgSecrets {
    OrgSecrets { org: OrgState::new(Head::default(), at(NOW)), secrets }
}

fn code<T>(outcome: Result<T, ApiError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(ApiError::Invalid(_)) => "422",
        Err(ApiError::Failed(failure)) => failure.code.name(),
    }
}

const NEW: Uuid = Uuid::from_u128(999);

#[test]
fn the_first_secret_has_no_previous_one() {
    let plan = org(vec![]).rotate(NEW, at_once(TimeDelta::hours(1))).unwrap();
    assert_eq!((plan.ended, plan.added), (None, Some(NEW)));
}

#[test]
fn the_previous_secret_signs_along_and_earlier_deadlines_stay() {
    let plan = org(vec![secret(1, Some(NOW + 5)), secret(2, None)])
        .rotate(NEW, at_once(TimeDelta::hours(1)))
        .unwrap();
    let ended = plan.ended.unwrap();
    assert_eq!((ended.id, ended.expires_at, ended.revoked_at), (Uuid::from_u128(2), Some(at(NOW + 1)), None));
}

#[test]
fn no_grace_ends_the_previous_secret_as_a_state() {
    let plan = org(vec![secret(2, None)]).rotate(NEW, at_once(TimeDelta::zero())).unwrap();
    assert_eq!(plan.ended.unwrap().revoked_at, Some(at(NOW)));
}

#[test]
fn five_may_live_counted_after_the_change() {
    let mut secrets: Vec<_> = (1..=4).map(|n| secret(n, Some(NOW + 2))).collect();
    secrets.push(secret(5, None));
    let full = org(secrets.clone());
    assert_eq!(code(full.rotate(NEW, at_once(TimeDelta::hours(1)))), "too_many_live_secrets");
    assert_eq!(code(full.rotate(NEW, at_once(TimeDelta::zero()))), "ok");
    secrets[0].expires_at = Some(at(NOW));
    assert_eq!(code(org(secrets).rotate(NEW, at_once(TimeDelta::hours(1)))), "ok");
}

#[test]
fn a_previous_secret_can_be_ended_early_and_the_current_one_cannot() {
    let org = org(vec![secret(1, Some(NOW + 5)), secret(2, None), secret(3, Some(NOW))]);
    let ended = org.revoke(Uuid::from_u128(1)).unwrap().unwrap().ended.unwrap();
    assert_eq!(ended.revoked_at, Some(at(NOW)));
    assert_eq!(org.revoke(Uuid::from_u128(3)).unwrap(), None);
    assert_eq!(code(org.revoke(Uuid::from_u128(2))), "cannot_revoke_current");
    assert_eq!(code(org.revoke(Uuid::from_u128(9))), "not_found");
}

#[test]
fn a_superseded_key_writes_no_secrets() {
    let mut org = org(vec![secret(2, None)]);
    org.org.caller = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
    assert_eq!(code(org.rotate(NEW, at_once(TimeDelta::zero()))), "key_superseded");
    assert_eq!(code(org.revoke(Uuid::from_u128(9))), "key_superseded");
}

fn waiting(n: u128, until: i64) -> SigningSecret {
    let (secret_id, confirm_by) = (Uuid::from_u128(1), at(until));
    let pending = Some(PendingSecret { secret_id, confirm_by, grace_seconds: 3_600 });
    SigningSecret { pending, ..secret(n, Some(until)) }
}

#[test]
fn a_secret_that_waits_leaves_the_current_one_in_its_place() {
    let wanted = SecretRotation { grace: TimeDelta::hours(1), confirm_within: Some(TimeDelta::hours(2)) };
    let plan = org(vec![secret(1, None)]).rotate(NEW, wanted).unwrap();
    assert_eq!((plan.ended, plan.added), (None, Some(NEW)));
    assert_eq!(plan.waits.unwrap().confirm_by, at(NOW + 2));
    let first = org(vec![]).rotate(NEW, wanted).unwrap();
    assert_eq!((first.waits, first.kind), (None, EventType::SigningSecretRotated));
    let second = org(vec![secret(1, None), waiting(2, NOW + 1)]);
    assert_eq!(code(second.rotate(NEW, wanted)), "rotation_pending");
    assert_eq!(code(second.rotate(NEW, at_once(TimeDelta::zero()))), "rotation_pending");
    assert_eq!(code(org(vec![secret(1, None), waiting(2, NOW)]).rotate(NEW, wanted)), "ok");
}

#[test]
fn a_confirmation_puts_it_in_place_and_giving_up_leaves_no_trace() {
    let org = org(vec![secret(1, None), waiting(2, NOW + 1), waiting(3, NOW)]);
    let plan = org.confirm(Uuid::from_u128(2)).unwrap();
    assert_eq!(plan.ended.clone().unwrap().expires_at, Some(at(NOW + 1)));
    assert_eq!(plan.confirmed.clone().unwrap().expires_at, None);
    let (id, ..) = plan.subject().unwrap();
    assert_eq!(id, Uuid::from_u128(2));
    assert_eq!(code(org.confirm(Uuid::from_u128(1))), "rotation_not_pending");
    assert_eq!(code(org.confirm(Uuid::from_u128(3))), "key_not_live");
    assert_eq!(code(org.confirm(NEW)), "not_found");
    let given_up = org.revoke(Uuid::from_u128(2)).unwrap().unwrap();
    assert_eq!(given_up.kind, EventType::SigningSecretRotationAbandoned);
    assert_eq!(org.abandon(Uuid::from_u128(2)).unwrap(), None);
    assert_eq!(
        org.abandon(Uuid::from_u128(3)).unwrap().unwrap().kind,
        EventType::SigningSecretRotationAbandoned
    );
}
