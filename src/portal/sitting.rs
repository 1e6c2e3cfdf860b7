//! Somebody in front of a page: the request they sent, and how the page asks for operations in their name.

use axum::http::{Extensions, Method};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::operations::{Answer, Ask, Operations, Refused};
use crate::features::{Feature, FeatureState};
use crate::identity::client::ClientAddress;
use crate::identity::platform::Platform;
use crate::identity::portal::Visit;
use crate::request_id::{RequestId, TraceContext};
use crate::state::App;

/// Somebody in front of a page.
#[derive(Clone)]
pub struct Sitting {
    app: App,
    operations: Operations,
    form_token: String,
    visit: Option<Visit>,
    platform: Option<Platform>,
    request_id: Option<RequestId>,
    trace: Option<TraceContext>,
    client: Option<ClientAddress>,
}

impl Sitting {
    /// Whoever sent the request with these extensions, in a session whose forms carry `form_token`. In nobody's name
    /// yet.
    #[must_use]
    pub fn new(app: App, operations: Operations, form_token: String, sent: &Extensions) -> Self {
        let (request_id, trace, client) = (sent.get().cloned(), sent.get().copied(), sent.get().copied());
        Self { app, operations, form_token, visit: None, platform: None, request_id, trace, client }
    }

    /// In the name of somebody who visits an org.
    #[must_use]
    pub fn visiting(self, visit: Visit) -> Self {
        Self { visit: Some(visit), ..self }
    }

    /// In the name of the platform.
    #[must_use]
    pub fn for_platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// The service.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What the session's forms carry.
    #[must_use]
    pub fn form_token(&self) -> &str {
        &self.form_token
    }

    /// The instant that the page is about.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// Whether a feature's operations can be asked for.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.app.features.status(feature) == FeatureState::Live
    }

    /// Puts what this process knows of the person and the request into a request of a page's own.
    pub fn introduce(&self, extensions: &mut Extensions) {
        self.visit.clone().map(|visit| extensions.insert(visit));
        self.platform.clone().map(|platform| extensions.insert(platform));
        self.request_id.clone().map(|id| extensions.insert(id));
        self.trace.map(|trace| extensions.insert(trace));
        self.client.map(|client| extensions.insert(client));
    }

    /// Reads something.
    ///
    /// # Errors
    /// What the operation refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        self.send(Ask { method: Method::GET, path, body: None, once: None }).await?.read()
    }

    /// Reads the `data` of something.
    ///
    /// # Errors
    /// What the operation refuses.
    pub async fn data<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        Ok(self.get::<Data<T>>(path).await?.data)
    }

    /// Has something done.
    ///
    /// # Errors
    /// What the operation refuses.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, Refused> {
        self.operations.answer(self, ask).await
    }

    /// Has something done that a POST with this body does, once for each form.
    ///
    /// # Errors
    /// What the operation refuses.
    pub async fn post(&self, path: &str, body: Value, once: &str) -> Result<Answer, Refused> {
        self.send(Ask { method: Method::POST, path, body: Some(body), once: Some(once) }).await
    }

    /// The operations themselves, for answers that are no JSON.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
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
    pub pagination: Position,
}

/// Where in a list a page is.
#[derive(Deserialize)]
pub struct Position {
    /// How many entries there are, of many about.
    pub total: i64,
    /// Where the next page starts.
    #[serde(default)]
    pub next_cursor: Option<String>,
}
