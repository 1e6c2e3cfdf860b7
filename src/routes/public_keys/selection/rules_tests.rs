use chrono::{TimeDelta, TimeZone as _};

use super::*;

use Usage::{Authentication, CredentialsDownload, MessageLevelEncryption, Reports, ResponseSignature};

const NOT_PROVEN: &str = "which REQUIRE_KEY_PROOF asks for";

fn day(day: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap() + TimeDelta::days(day)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Registered on day `n - 10`, ends on day 30.
fn key(n: u128, usage: Usage) -> Candidate {
    Candidate {
        unique_id: id(n),
        fingerprint: format!("print {n}"),
        usages: vec![usage],
        is_ours: false,
        created_at: day(n as i64 - 10),
        expires_at: day(30),
        deleted_at: None,
        proven_at: None,
    }
}

fn pair(n: u128, usage: Usage) -> Candidate {
    Candidate { is_ours: true, ..key(n, usage) }
}

fn deleted(n: u128, on: i64) -> Candidate {
    Candidate { deleted_at: Some(day(on)), expires_at: day(on), ..key(n, Reports) }
}

fn proven(n: u128, on: i64) -> Candidate {
    Candidate { proven_at: Some(day(on)), ..key(n, Reports) }
}

const fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Moment {
    Moment { at, now, is_proof_required: false }
}

/// The choice for partners' keys of the usage `Reports`, asked about a day of which today is 0.
fn reports(keys: &[Candidate], at: i64, is_proof_required: bool) -> (Option<Uuid>, String) {
    let moment = Moment { is_proof_required, ..moment(day(at), day(0)) };
    let selected = select(keys, moment).swap_remove(0);
    assert_eq!((selected.purpose.usage, selected.purpose.is_ours), (Reports, false));
    (selected.key.map(|key| key.unique_id), selected.reason)
}

#[track_caller]
fn chooses(keys: &[Candidate], at: i64, expected: Option<u128>, reason: &str) {
    assert_eq!(reports(keys, at, false), (expected.map(id), reason.to_owned()), "on day {at}");
}

#[track_caller]
fn chooses_proven(keys: &[Candidate], at: i64, expected: Option<u128>, reason: &str) {
    assert_eq!(reports(keys, at, true), (expected.map(id), reason.to_owned()), "on day {at}");
}

#[test]
fn each_usage_has_its_holders_and_unknown_has_none() {
    let found = select(&[], moment(day(0), day(0)));
    let purposes: Vec<_> = found.iter().map(|of| (of.purpose.usage, of.purpose.is_ours)).collect();
    assert_eq!(
        purposes,
        [
            (Reports, false),
            (Authentication, false),
            (MessageLevelEncryption, false),
            (MessageLevelEncryption, true),
            (CredentialsDownload, false),
            (ResponseSignature, true),
        ]
    );
    let reasons: Vec<_> = found.iter().map(|of| of.reason.as_str()).collect();
    let (key, pair) = ("no key was registered", "no pair was generated");
    assert_eq!(reasons, [key, key, key, pair, key, pair]);
}

#[test]
fn a_key_serves_only_as_what_it_was_registered_for_and_by_whoever_holds_it() {
    let keys = [
        pair(1, Reports),
        key(2, ResponseSignature),
        key(3, MessageLevelEncryption),
        pair(4, MessageLevelEncryption),
        Candidate { usages: vec![Authentication, CredentialsDownload], ..key(5, Reports) },
        key(6, Usage::Unknown),
    ];
    let found = select(&keys, moment(day(0), day(0)));
    let chosen: Vec<_> = found.iter().map(|of| of.key.map(|key| key.unique_id)).collect();
    assert_eq!(chosen, [None, Some(id(5)), Some(id(3)), Some(id(4)), Some(id(5)), None]);
}

#[test]
fn of_several_the_one_registered_last_is_used() {
    chooses(&[key(1, Reports)], 0, Some(1), "the only live key");
    chooses(
        &[key(2, Reports), key(3, Reports), key(1, Reports)],
        0,
        Some(3),
        "registered last of 3 live keys",
    );
    let twins = [Candidate { unique_id: id(9), ..key(2, Reports) }, key(2, Reports)];
    chooses(&twins, 0, Some(9), "registered last of 2 live keys");
}

#[test]
fn what_a_message_may_name_is_said_where_there_are_several() {
    let reason =
        |keys: &[Candidate], place: usize| select(keys, moment(day(0), day(0))).swap_remove(place).reason;
    let both = |usage| [key(1, usage), key(2, usage)];
    assert_eq!(
        reason(&both(Authentication), 1),
        "registered last of 2 live keys; a signature names its key, and each of them verifies"
    );
    assert_eq!(
        reason(&both(CredentialsDownload), 4),
        "registered last of 2 live keys; deliver_to may name another one"
    );
    let pairs = |usage| [pair(1, usage), pair(2, usage)];
    assert_eq!(
        reason(&pairs(MessageLevelEncryption), 3),
        "generated last of 2 live pairs; a message names its key, and each of them opens"
    );
    assert_eq!(reason(&pairs(ResponseSignature), 5), "generated last of 2 live pairs");
    assert_eq!(reason(&[pair(1, ResponseSignature)], 5), "the only live pair");
}

#[test]
fn ends_and_registrations_count_at_the_time_that_is_asked_about() {
    let short = Candidate { expires_at: day(5), ..key(9, Reports) };
    let keys = [key(1, Reports), short];
    for (at, chosen, reason) in [
        (-10, None, "no key was registered"),
        (-9, Some(1), "the only live key"),
        (-1, Some(9), "registered last of 2 live keys"),
        (4, Some(9), "registered last of 2 live keys"),
        (5, Some(1), "the only live key"),
        (30, None, "the last one, 00000000-0000-0000-0000-000000000001, expires on 2026-12-21T08:00:00.000Z"),
    ] {
        chooses(&keys, at, chosen, reason);
    }
    let expired = [Candidate { expires_at: day(0), ..key(1, Reports) }];
    let reason = "the last one, 00000000-0000-0000-0000-000000000001, expired on 2026-11-21T08:00:00.000Z";
    chooses(&expired, 0, None, reason);
}

#[test]
fn a_deletion_is_a_state_from_now_on_and_an_instant_in_the_past() {
    let reason =
        "the last one, 00000000-0000-0000-0000-000000000001, was deleted on 2026-11-20T08:00:00.000Z";
    let keys = [deleted(1, -1)];
    chooses(&keys, -2, Some(1), "the only live key");
    chooses(&keys, -1, None, reason);
    chooses(&keys, 0, None, reason);
    chooses(&keys, 9, None, reason);
    // By a clock that is fast.
    let ahead = Candidate { expires_at: day(30), ..deleted(1, 1) };
    assert_eq!(reports(&[ahead], 0, false).0, None);
}

#[test]
fn a_key_of_a_clock_that_is_fast_is_used_at_once() {
    chooses(&[Candidate { created_at: day(1), ..key(1, Reports) }], 0, Some(1), "the only live key");
}

#[test]
fn where_proofs_are_required_an_unproven_key_of_the_partners_is_passed_over() {
    let newer = |n| key(n, Reports);
    let one = "00000000-0000-0000-0000-000000000001";
    chooses_proven(&[newer(1)], 0, None, &format!("{one} is not proven yet, {NOT_PROVEN}"));
    let two = [newer(1), Candidate { created_at: day(-20), ..newer(2) }];
    let reason = format!("none of 2 live keys is proven yet, {NOT_PROVEN}; the last is {one}");
    chooses_proven(&two, 0, None, &reason);
    let reason =
        format!("the only live and proven key; one registered later is not proven yet, {NOT_PROVEN}");
    chooses_proven(&[proven(1, -1), newer(2)], 0, Some(1), &reason);
    let reason = format!(
        "registered last of 2 live and proven keys; 2 registered later are not proven yet, {NOT_PROVEN}"
    );
    chooses_proven(&[proven(1, -1), proven(2, -1), newer(3), newer(4)], 0, Some(2), &reason);
    chooses_proven(&[newer(1), proven(2, -1)], 0, Some(2), "the only live and proven key");
    // Without the requirement it makes no difference, and pairs made here need no proof.
    chooses(&[proven(1, -1), newer(2)], 0, Some(2), "registered last of 2 live keys");
    let moment = Moment { is_proof_required: true, ..moment(day(0), day(0)) };
    assert!(select(&[pair(1, ResponseSignature)], moment)[5].key.is_some());
}

#[test]
fn a_proof_counts_from_when_it_was_given() {
    let one = "00000000-0000-0000-0000-000000000001";
    let keys = [proven(1, -1)];
    chooses_proven(&keys, -2, None, &format!("{one} is not proven yet, {NOT_PROVEN}"));
    chooses_proven(&keys, -1, Some(1), "the only live key");
    chooses_proven(&keys, 9, Some(1), "the only live key");
}
