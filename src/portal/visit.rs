//! Somebody on a page: who it is, the request they sent, and how the page asks for operations in their name.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::operations::{Answer, Ask, Operations, Refused};
use crate::error::ApiError;
use crate::features::{Feature, FeatureState};
use crate::identity::client::ClientAddress;
use crate::identity::portal::{Role, Visitor};
use crate::request_id::{RequestId, TraceContext};
use crate::state::App;

/// Somebody on a page. As a handler's argument it is the proof that access was judged.
#[derive(Clone)]
pub struct Visiting(Arc<Known>);

struct Known {
    app: App,
    operations: Operations,
    visitor: Visitor,
    form_token: String,
    request_id: Option<RequestId>,
    trace: Option<TraceContext>,
    client: Option<ClientAddress>,
}

impl Visiting {
    /// A person with a session, by the request with these extensions.
    pub fn new(
        app: App,
        operations: Operations,
        visitor: Visitor,
        form_token: String,
        sent: &Extensions,
    ) -> Self {
        let (request_id, trace, client) = (sent.get().cloned(), sent.get().copied(), sent.get().copied());
        Self(Arc::new(Known { app, operations, visitor, form_token, request_id, trace, client }))
    }

    /// The service.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// The person and the session.
    pub fn visitor(&self) -> &Visitor {
        &self.0.visitor
    }

    /// What the session's forms carry.
    pub fn form_token(&self) -> &str {
        &self.0.form_token
    }

    /// The instant that the page is about.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.app.clock.now()
    }

    /// Whether a page should offer what takes this role.
    pub fn may(&self, role: Role) -> bool {
        self.0.visitor.role >= role
    }

    /// Whether a feature's operations can be asked for.
    pub fn has(&self, feature: Feature) -> bool {
        self.0.app.features.status(feature) == FeatureState::Live
    }

    /// Puts what this process knows of the person and the request into a request of a page's own.
    pub fn introduce(&self, extensions: &mut Extensions) {
        let known = &*self.0;
        extensions.insert(known.visitor.visit.clone());
        known.request_id.clone().map(|id| extensions.insert(id));
        known.trace.map(|trace| extensions.insert(trace));
        known.client.map(|client| extensions.insert(client));
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        self.send(Ask { method: Method::GET, path, body: None, once: None }).await?.read()
    }

    /// Reads the `data` of something.
    pub async fn data<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        Ok(self.get::<Data<T>>(path).await?.data)
    }

    /// Has something done.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, Refused> {
        self.0.operations.answer(self, ask).await
    }

    /// Has something done that a POST with this body does, once for each form.
    pub async fn post(&self, path: &str, body: Value, once: &str) -> Result<Answer, Refused> {
        self.send(Ask { method: Method::POST, path, body: Some(body), once: Some(once) }).await
    }

    /// The operations themselves, for answers that are no JSON.
    pub fn operations(&self) -> &Operations {
        &self.0.operations
    }
}

impl<S: Sync> FromRequestParts<S> for Visiting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let visiting = parts.extensions.get::<Self>().cloned();
        visiting.ok_or_else(|| ApiError::internal("a page is mounted without its access"))
    }
}

/// What most replies are in.
#[derive(Deserialize)]
pub struct Data<T> {
    /// The thing itself.
    pub data: T,
}

/// A page of a list.
#[derive(Deserialize)]
pub struct Listed<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where in the list it is.
    pub pagination: Place,
}

/// Where in a list a page is.
#[derive(Deserialize)]
pub struct Place {
    /// How many entries there are, of many about.
    pub total: i64,
    /// Where the next page starts.
    #[serde(default)]
    pub next_cursor: Option<String>,
}
