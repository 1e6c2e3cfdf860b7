//! Who changed what. The row is written by the statement of the change, so neither is ever there
//! without the other; `orgs.revision` numbers the rows without gaps.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::ApiError;
use crate::http::request_id::RequestId;
use crate::identity::Partner;

/// Who makes a change, and through which request.
#[derive(Clone, Debug)]
pub struct Author {
    actor: Actor,
    request_id: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Actor {
    Operator,
    Gateway,
    TenantKey(Uuid),
}

impl Author {
    /// Somebody at the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: Actor::Operator, request_id: None }
    }

    /// The `actor` column.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        match self.actor {
            Actor::Operator => "operator",
            Actor::Gateway => "gateway",
            Actor::TenantKey(_) => "tenant_key",
        }
    }

    /// The `key_id` column.
    #[must_use]
    pub fn key_id(&self) -> Option<Uuid> {
        if let Actor::TenantKey(id) = self.actor { Some(id) } else { None }
    }

    /// The `request_id` column.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl<S: Sync> FromRequestParts<S> for Author {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let partner = Partner::from_request_parts(parts, state).await?;
        let actor = partner.key_id.map_or(Actor::Gateway, |key_id| Actor::TenantKey(key_id.0));
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
        Ok(Self { actor, request_id })
    }
}
