//! The rules of challenges and proofs as pure functions: a key and its newest challenge in, a plan or
//! a refusal out.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::challenge::NewChallenge;
use crate::changes::OrgState;
use crate::error::{ApiError, Code, Loc, Problem, ProblemKind};
use crate::events::cut;
use crate::routes::public_keys::store::Usable;
use crate::routes::public_keys::usage::Usage;

/// Responses to a challenge that are judged.
pub const TRIES: i16 = 5;

/// An org at one revision, and the key of it that was asked for.
#[derive(Clone, Debug)]
pub struct ChallengedOrg {
    /// The org at one revision.
    pub org: OrgState,
    /// The key, dead or alive.
    pub key: Option<ProvableKey>,
}

/// A key, as far as its proof goes.
#[derive(Clone, Debug)]
pub struct ProvableKey {
    /// What it is used with.
    pub row: Usable,
    /// What it was registered for.
    pub usages: Vec<Usage>,
    /// `true` for a pair made here.
    pub is_ours: bool,
    /// The end that was set.
    pub expires_at: DateTime<Utc>,
    /// The instant of its deletion.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its newest challenge, and when that was answered.
    pub challenge: Option<(Uuid, Option<DateTime<Utc>>)>,
}

/// The plan for a key, for one statement.
#[derive(Clone, Debug)]
pub enum ProofPlan {
    /// This challenge takes the place of the one before.
    Ask(NewChallenge),
    /// This challenge was answered now.
    Prove {
        /// The challenge.
        challenge_id: Uuid,
        /// Now.
        at: DateTime<Utc>,
        /// For the event: when the key ends.
        expires_at: DateTime<Utc>,
    },
    /// It was answered then; nothing is written.
    Known(DateTime<Utc>),
}

impl ProvableKey {
    /// Whether it is asked to decrypt; else to sign. Of a key that is for both the former is asked: a secret that
    /// cannot be decrypted is lost, while a signature that cannot be made is missed at once.
    pub fn decrypts(&self) -> bool {
        self.usages.iter().any(|usage| usage.encrypts())
    }
}

impl ChallengedOrg {
    /// The key, if it lives and its private half is the partner's.
    pub fn provable(&self) -> Result<&ProvableKey, ApiError> {
        const MSG: &str = "names a pair that was generated here: its private half never leaves the service, so that \
                           you have nothing to prove";
        self.org.caller.require_administrator()?;
        let key = self.key.as_ref().ok_or(Code::NotFound)?;
        if key.deleted_at.is_some() || key.expires_at <= self.org.now {
            return Err(Code::PublicKeyNotLive.into());
        }
        if key.is_ours {
            let loc = ["path", "UniqueId"].map(|name| Loc::Name(name.into())).to_vec();
            let problem = Problem { loc, msg: MSG.into(), kind: ProblemKind::ValueError, code: None };
            return Err(ApiError::Invalid(vec![problem]));
        }
        Ok(key)
    }

    /// Asks for a proof.
    pub fn ask(&self, new: &NewChallenge) -> Result<ProofPlan, ApiError> {
        self.provable().map(|_| ProofPlan::Ask(new.clone()))
    }

    /// Takes the right answer to a challenge, which proves once and only while it is the newest.
    pub fn prove(&self, answered: Uuid) -> Result<ProofPlan, ApiError> {
        let key = self.provable()?;
        match key.challenge {
            Some((challenge_id, Some(at))) if challenge_id == answered => Ok(ProofPlan::Known(at)),
            Some((challenge_id, None)) if challenge_id == answered => {
                Ok(ProofPlan::Prove { challenge_id, at: cut(self.org.now), expires_at: key.expires_at })
            }
            _ => Err(no_challenge()),
        }
    }
}

/// There is nothing that could be answered.
pub fn no_challenge() -> ApiError {
    let reason = "answers no challenge that is open: there is none, or it has expired, or its 5 tries are used up; \
                  ask for a new one";
    ApiError::new(Code::ProofFailed).detail("Response", "proof_failed", reason.to_owned())
}

/// The response was judged, and is wrong.
pub fn not_the_answer(tries_left: i16) -> ApiError {
    let reason = format!(
        "is not the answer to the newest challenge, which is the text of the message that was encrypted, or a \
         signature in base64 (RSASSA-PSS, SHA-512, salt of 64 bytes); tries left: {tries_left}"
    );
    ApiError::new(Code::ProofFailed).detail("Response", "proof_failed", reason)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};

    use super::super::challenge::Expected;
    use super::*;
    use crate::changes::CallerState;
    use crate::crypto::audit_chain::Head;
    use crate::identity::stage::KeyStage;

    fn at(minute: i64) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn key() -> ProvableKey {
        let text = |text: &str| text.to_owned();
        let (kind, public_key, fingerprint) = (text("RSA"), text("a key"), text("print"));
        ProvableKey {
            row: Usable { unique_id: id(1), kind, public_key, fingerprint },
            usages: vec![Usage::Authentication],
            is_ours: false,
            expires_at: at(60),
            deleted_at: None,
            challenge: Some((id(7), None)),
        }
    }

    fn org(key: Option<ProvableKey>) -> ChallengedOrg {
        ChallengedOrg { org: OrgState::new(Head::default(), at(0)), key }
    }

    fn code<T>(outcome: Result<T, ApiError>) -> &'static str {
        match outcome {
            Ok(_) => "ok",
            Err(ApiError::Invalid(_)) => "400",
            Err(ApiError::Failed(failure)) => failure.code.name(),
        }
    }

    #[test]
    fn only_a_live_key_of_the_partners_is_asked() {
        let new = NewChallenge {
            challenge_id: id(9),
            expected: Expected::SignatureOf("this".into()),
            expires_at: at(10),
        };
        let table = [
            (Some(key()), "ok"),
            (None, "not_found"),
            (Some(ProvableKey { is_ours: true, ..key() }), "400"),
            (Some(ProvableKey { expires_at: at(0), ..key() }), "key_not_live"),
            (Some(ProvableKey { deleted_at: Some(at(-1)), ..key() }), "key_not_live"),
        ];
        for (key, expected) in table {
            let org = org(key.clone());
            assert_eq!((code(org.ask(&new)), code(org.prove(id(7)))), (expected, expected), "{key:?}");
        }
    }

    #[test]
    fn a_superseded_key_asks_and_proves_nothing_and_learns_nothing() {
        let mut org = org(None);
        org.org.caller = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
        assert_eq!((code(org.provable()), code(org.prove(id(7)))), ("key_superseded", "key_superseded"));
    }

    #[test]
    fn the_newest_challenge_proves_once_and_its_winner_hears_the_same_again() {
        let plan = org(Some(key())).prove(id(7)).unwrap();
        assert!(matches!(plan, ProofPlan::Prove { at: now, .. } if now == at(0)), "{plan:?}");
        let proven = ProvableKey { challenge: Some((id(7), Some(at(-3)))), ..key() };
        let plan = org(Some(proven)).prove(id(7)).unwrap();
        assert!(matches!(plan, ProofPlan::Known(then) if then == at(-3)), "{plan:?}");
        for challenge in [None, Some((id(8), None)), Some((id(8), Some(at(-3))))] {
            let other = ProvableKey { challenge, ..key() };
            assert_eq!(code(org(Some(other)).prove(id(7))), "proof_failed", "{challenge:?}");
        }
    }

    #[test]
    fn a_key_that_is_for_both_is_asked_to_decrypt() {
        let asked = |usages: &[Usage]| ProvableKey { usages: usages.to_vec(), ..key() }.decrypts();
        for usage in [Usage::CredentialsDownload, Usage::Reports, Usage::MessageLevelEncryption] {
            assert!(asked(&[usage]) && asked(&[Usage::Authentication, usage]), "{usage:?}");
        }
        for usage in [Usage::Authentication, Usage::ResponseSignature, Usage::Unknown] {
            assert!(!asked(&[usage]), "{usage:?}");
        }
    }
}
