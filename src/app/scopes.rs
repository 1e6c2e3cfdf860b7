//! What a key or a token must be allowed to do for each operation (contract 13.3). The gate reads it where the document
//! does: beside the operation's documentation.

use std::collections::HashMap;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use crate::error::ApiError;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::{self, KeyScope};
use crate::identity::{Caller, Found};
use crate::openapi;
use crate::state::App;

/// Operations that every key may ask for, because what it asks may be about its own rotation, which needs no scope:
/// it rotates itself, and confirms or gives up the successor. Their rules ask for the scope where it is about another.
/// And the brake, which any live key pulls (contract 13.4).
const JUDGED_BY_THEIR_RULES: [&str; 4] =
    ["rotate_tenant_key", "confirm_tenant_key_rotation", "revoke_tenant_key", "freeze_administration"];

/// The scopes of a feature's operations.
#[derive(Debug)]
pub struct RequiredScopes(HashMap<String, Vec<(Method, Requirement)>>);

#[derive(Clone, Copy, Debug)]
enum Requirement {
    Scope(KeyScope),
    JudgedByItsRule,
}

impl RequiredScopes {
    /// Those that the operations of these routes declare.
    pub fn declared(document: &OpenApi) -> Self {
        let of_path =
            |item: &PathItem| operations(item).map(|(method, o)| (method, Requirement::of(o))).collect();
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), of_path(item))).collect())
    }

    /// Passes whoever is allowed what the request asks for; members are, by the routes that take them.
    ///
    /// # Errors
    /// 403 `insufficient_scope`.
    pub fn require(&self, app: &App, found: &Found<Caller>, request: &Request) -> Result<(), ApiError> {
        let Caller::Partner(partner) = found.caller else { return Ok(()) };
        let key = found.key.as_deref();
        let held = key.map_or(partner.scopes, |key| key.rights.scopes);
        if held.is_all() {
            return Ok(());
        }
        let Requirement::Scope(scope) = self.of(request)? else { return Ok(()) };
        if held.has(scope) {
            return Ok(());
        }
        let policy = key.map_or(Enforcement::Enforce, |key| key.rights.policy);
        app.metrics.identity.beyond_scopes(policy.name());
        match (key, policy) {
            (Some(key), Enforcement::Report) => {
                app.identity.report_scope(key, scope);
                Ok(())
            }
            _ => key_scopes::require(held, scope.into()),
        }
    }

    /// What the operation that was matched declares. HEAD follows GET.
    fn of(&self, request: &Request) -> Result<Requirement, ApiError> {
        let asked = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let route = request.extensions().get::<MatchedPath>().and_then(|route| self.0.get(route.as_str()));
        let found = route.into_iter().flatten().find(|(method, _)| method == asked);
        found
            .map(|(_, requirement)| *requirement)
            .ok_or_else(|| ApiError::internal("a route without a scope"))
    }
}

impl Requirement {
    fn of(operation: &Operation) -> Self {
        let id = operation.operation_id.as_deref().unwrap_or_default();
        if JUDGED_BY_THEIR_RULES.contains(&id) {
            return Self::JudgedByItsRule;
        }
        Self::Scope(openapi::required_scope(operation))
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}
