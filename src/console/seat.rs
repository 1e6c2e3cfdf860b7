//! Somebody in the console.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::store;
use crate::error::ApiError;
use crate::identity::console::Operator;
use crate::identity::platform::PlatformScope;
use crate::portal::form::Form;
use crate::portal::sitting::Sitting;

/// Somebody in the console. As a handler's argument it is the proof that access was judged.
#[derive(Clone)]
pub struct Seated(Arc<(Sitting, Operator)>);

impl Seated {
    /// Whoever sits there.
    pub fn new(sitting: Sitting, operator: Operator) -> Self {
        Self(Arc::new((sitting, operator)))
    }

    /// The session, and whose it is.
    pub fn operator(&self) -> &Operator {
        &self.0.1
    }

    /// Whether a page should offer what takes this.
    pub fn may(&self, scope: PlatformScope) -> bool {
        self.operator().platform.may(scope)
    }

    /// Returns `true` for a form that is sent for the first time. For what the platform's operations do again when they
    /// are asked again, and show once.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn spend(&self, form: &Form) -> Result<bool, ApiError> {
        Ok(store::spend(&self.app().db.pool, self.operator().session_id, &form.once()).await?)
    }
}

impl Deref for Seated {
    type Target = Sitting;

    fn deref(&self) -> &Sitting {
        &self.0.0
    }
}

impl<S: Sync> FromRequestParts<S> for Seated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let seated = parts.extensions.get::<Self>().cloned();
        seated.ok_or_else(|| ApiError::internal("a page is mounted without its access"))
    }
}
