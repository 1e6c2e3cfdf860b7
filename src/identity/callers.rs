//! Whoever calls, as the handlers get to know them.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use super::members::Member;
use super::orgs::MessagePolicy;
use super::signatures::Signer;
use super::stage::KeyStage;
use crate::error::ApiError;
use crate::ids::{KeyId, OrgId};

/// A partner's backend. As a handler's argument it is the proof that the gate was passed: a
/// route mounted outside the gate fails on its first request.
#[derive(Clone, Copy, Debug)]
pub struct Partner {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that authenticated, where one is known.
    pub key_id: Option<KeyId>,
    /// What that key may do, as memory knows it: at most a second old.
    pub stage: KeyStage,
    /// The public key that verified the request's signature, if it was signed.
    pub signed_by: Option<Uuid>,
    /// The public key that got the token which the request was sent with (contract 16), if it was.
    pub token_key: Option<Uuid>,
    /// What its org wants of signatures, as memory knows it: at most a second old.
    pub policy: MessagePolicy,
}

impl Partner {
    /// The public key that authenticated, by a signature or by a token: its id stands for the caller where there is
    /// no tenant key. What must be signed asks for `signed_by`.
    #[must_use]
    pub fn public_key(&self) -> Option<Uuid> {
        self.signed_by.or(self.token_key)
    }

    /// Passes who may do what a key in its grace window may not (contract 4), where a second makes
    /// no difference. What changes an org decides on what it reads of the key.
    ///
    /// # Errors
    /// 403 `key_superseded` or `key_not_confirmed`.
    pub fn require_administrator(self) -> Result<(), ApiError> {
        self.stage.require_administrator()
    }
}

/// Whoever may call a route that takes members as well; see [`Access`].
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// A partner's backend.
    Partner(Partner),
    /// One of its users.
    Member(Member),
}

impl Caller {
    /// The tenant.
    #[must_use]
    pub fn org_id(&self) -> OrgId {
        match self {
            Self::Partner(partner) => partner.org_id,
            Self::Member(member) => member.org_id,
        }
    }

    /// What its org wants of signatures.
    #[must_use]
    pub fn policy(&self) -> MessagePolicy {
        match self {
            Self::Partner(partner) => partner.policy,
            Self::Member(member) => member.policy,
        }
    }

    /// The key that authenticated, where one did.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        if let Self::Partner(partner) = self { partner.key_id } else { None }
    }
}

/// A caller, and what its signature leaves to be settled.
#[derive(Clone, Debug)]
pub struct Identified {
    /// Whoever calls.
    pub caller: Caller,
    /// Whoever signed.
    pub signer: Option<Signer>,
}

/// The callers that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Partners' backends.
    Partners,
    /// And their users, with a token.
    PartnersAndMembers,
}

impl<S: Sync> FromRequestParts<S> for Partner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::Partner(partner) => Ok(partner),
            Caller::Member(_) => Err(ApiError::internal("a route that takes members expects a partner")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get().copied();
        caller.ok_or_else(|| ApiError::internal("a route is mounted outside the gate"))
    }
}
