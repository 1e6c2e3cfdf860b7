//! Somebody in front of an org's pages: of its own in the portal, of the platform's in the console.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

pub use super::sitting::{Data, Listed, Sitting};
use crate::error::{ApiError, Code};
use crate::identity::portal::{Role, Visitor};
use crate::page::Place;

/// Somebody in front of an org's pages. As a handler's argument it is the proof that access was judged.
#[derive(Clone)]
pub struct Visiting(Arc<Known>);

struct Known {
    sitting: Sitting,
    visitor: Visitor,
    place: Place,
    base: String,
}

impl Visiting {
    /// Whoever sits there, in the portal.
    #[must_use]
    pub fn in_portal(sitting: Sitting, visitor: Visitor) -> Self {
        let (sitting, base) = (sitting.visiting(visitor.visit.clone()), Place::Portal.root().to_owned());
        Self(Arc::new(Known { sitting, visitor, place: Place::Portal, base }))
    }

    /// Whoever sits there, in the console, where this org's pages are below `base`.
    #[must_use]
    pub fn in_console(sitting: Sitting, visitor: Visitor, base: String) -> Self {
        let sitting = sitting.visiting(visitor.visit.clone());
        Self(Arc::new(Known { sitting, visitor, place: Place::Console, base }))
    }

    /// The person and the session.
    #[must_use]
    pub fn visitor(&self) -> &Visitor {
        &self.0.visitor
    }

    /// Where the pages are shown.
    #[must_use]
    pub fn place(&self) -> Place {
        self.0.place
    }

    /// The path of another page of this org: `rest` begins with a slash, or is empty.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.0.base)
    }

    /// Whether a page should offer what takes this role.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.0.visitor.role >= role
    }

    /// The same for what the org's own people do alone: nothing that shows a secret goes through the platform's hands.
    #[must_use]
    pub fn may_alone(&self, role: Role) -> bool {
        self.0.place == Place::Portal && self.may(role)
    }
}

impl Deref for Visiting {
    type Target = Sitting;

    fn deref(&self) -> &Sitting {
        &self.0.sitting
    }
}

impl<S: Sync> FromRequestParts<S> for Visiting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let visiting = parts.extensions.get::<Self>().cloned();
        visiting.ok_or_else(|| ApiError::internal("a page is mounted without its access"))
    }
}

/// What a page's path names: its last parameter. In the console the org goes before it.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Code::NotFound)?;
        let last = parameters.iter().last().map(|(_, value)| value.to_owned());
        last.map(Self).ok_or_else(|| ApiError::internal("a path without a parameter"))
    }
}
