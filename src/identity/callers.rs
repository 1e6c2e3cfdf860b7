//! Whoever calls, as the handlers get to know them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use super::key_scopes::KeyScopes;
use super::keys::KeyRecord;
use super::members::Member;
use super::orgs::OrgRecord;
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
    /// What its key or its token grants, likewise; everything where there is neither.
    pub scopes: KeyScopes,
    /// The public key that verified the request's signature, if it was signed.
    pub signed_by: Option<Uuid>,
    /// The public key that got the token which the request was sent with (contract 16), if it was.
    pub token_key: Option<Uuid>,
}

impl Partner {
    /// The holder of a tenant key, or whom the gateway names without one.
    pub(super) fn found(org_id: OrgId, key: Option<Arc<KeyRecord>>, org: Arc<OrgRecord>) -> Found<Self> {
        let stage = key.as_ref().map_or(KeyStage::Current, |key| key.stage);
        let key_id = key.as_ref().map(|key| key.key_id);
        let scopes = key.as_ref().map_or(KeyScopes::ALL, |key| key.rights.granted());
        let caller = Self { org_id, key_id, stage, scopes, signed_by: None, token_key: None };
        Found { caller, org, key }
    }

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

    /// The key that authenticated, where one did.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        if let Self::Partner(partner) = self { partner.key_id } else { None }
    }
}

/// A caller with the records that it was found by, as memory knows them: at most a second old.
#[derive(Clone, Debug)]
pub struct Found<C> {
    /// Whoever calls.
    pub caller: C,
    /// Its org.
    pub org: Arc<OrgRecord>,
    /// The tenant key that authenticated, sent or named by the gateway, where one is known.
    pub key: Option<Arc<KeyRecord>>,
}

impl<C> Found<C> {
    /// The same, seen as another kind of caller.
    pub(super) fn map<D>(self, kind: impl FnOnce(C) -> D) -> Found<D> {
        Found { caller: kind(self.caller), org: self.org, key: self.key }
    }
}

/// What is known of a request before anything is decided on it.
#[derive(Clone, Debug)]
pub struct Identified {
    /// Whoever calls.
    pub found: Found<Caller>,
    /// Whoever signed: what its signature leaves to be settled.
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
