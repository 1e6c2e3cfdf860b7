//! What a key or a token must be allowed to do for each operation (contract 13.3). The gate reads it where the document
//! does: beside the operation's documentation.

use std::collections::HashMap;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use crate::error::ApiError;
use crate::identity::key_scopes::{self, KeyRights, KeyScope};
use crate::identity::keys::KeyRecord;
use crate::identity::usage::Judgement;
use crate::identity::{Caller, Found};
use crate::ids::parse_uuid;
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
struct Requirement {
    scope: KeyScope,
    is_judged_by_its_rule: bool,
}

/// The scope that a request needs, and whether its key or token has it.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    pub scope: KeyScope,
    pub judgement: Judgement,
}

impl RequiredScopes {
    /// Those that the operations of these routes declare.
    pub fn declared(document: &OpenApi) -> Self {
        let of_path =
            |item: &PathItem| operations(item).map(|(method, o)| (method, Requirement::of(o))).collect();
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), of_path(item))).collect())
    }

    /// What a request needs of its key or token. Members need nothing: their routes take them.
    ///
    /// # Errors
    /// A failure of ours, where the route declares nothing.
    pub fn need(&self, found: &Found<Caller>, request: &Request) -> Result<Option<Need>, ApiError> {
        let Caller::Partner(partner) = found.caller else { return Ok(None) };
        let key = found.key.as_deref();
        let rights = key.map_or(KeyRights::of(partner.scopes), |key| key.rights);
        let Requirement { scope, is_judged_by_its_rule } = self.of(request)?;
        let judgement = rights.judge(scope);
        // What a key does with another; what its rule refuses is not known yet.
        let is_known = !is_judged_by_its_rule
            || (judgement != Judgement::Refused && names_another(request.uri().path(), key));
        Ok(is_known.then_some(Need { scope, judgement }))
    }

    /// The scope that the matched operation declares.
    ///
    /// # Errors
    /// A failure of ours, where it declares none.
    pub fn scope_of(&self, request: &Request) -> Result<KeyScope, ApiError> {
        self.of(request).map(|requirement| requirement.scope)
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

impl Need {
    /// Passes whoever may; what is only reported is counted and told.
    ///
    /// # Errors
    /// 403 `insufficient_scope`.
    pub fn settle(self, app: &App, found: &Found<Caller>) -> Result<(), ApiError> {
        let metrics = &app.metrics.identity.beyond_scopes;
        match (self.judgement, &found.key) {
            (Judgement::Allowed, _) => Ok(()),
            (Judgement::Reported, key) => {
                metrics.reported.inc();
                key.iter().for_each(|key| app.identity.report_scope(key, self.scope));
                Ok(())
            }
            (Judgement::Refused, _) => {
                metrics.refused.inc();
                Err(key_scopes::insufficient(self.scope.into()))
            }
        }
    }
}

/// Returns `true` if the path names a key, and not the one that was sent.
fn names_another(path: &str, key: Option<&KeyRecord>) -> bool {
    let mut named = path.split('/').filter_map(parse_uuid);
    named.any(|id| key.is_none_or(|key| key.key_id.0 != id))
}

impl Requirement {
    fn of(operation: &Operation) -> Self {
        let id = operation.operation_id.as_deref().unwrap_or_default();
        let is_judged_by_its_rule = JUDGED_BY_THEIR_RULES.contains(&id);
        Self { scope: openapi::required_scope(operation), is_judged_by_its_rule }
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
