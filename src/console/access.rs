//! Who may have a page: the one place that asks. A session that lives, of a token that is granted what the page takes,
//! and for a form the proof that it is the session's own.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::SESSION_LIFETIME;
use super::seat::Seated;
use crate::crypto::session_token::{ConsoleToken, SessionToken as _};
use crate::error::{ApiError, Code};
use crate::identity::console::Operator;
use crate::identity::key_scopes::KeyScopes;
use crate::identity::platform::PlatformScope;
use crate::identity::portal::{Role, Visit, Visitor};
use crate::portal::Operations;
use crate::portal::cookie::Cookie;
use crate::portal::form;
use crate::portal::parts::encoded;
use crate::portal::sitting::Sitting;
use crate::portal::visit::Visiting;
use crate::routes::internal::orgs;
use crate::state::App;

/// What a page takes.
#[derive(Clone)]
pub struct Access {
    /// The service.
    pub app: App,
    /// What the page will ask.
    pub operations: Operations,
    /// What the token must be granted.
    pub scope: Option<PlatformScope>,
    /// The page is about the org in its path.
    pub is_of_an_org: bool,
}

/// The parameters of a page's path, if they are text.
type Parameters = Result<RawPathParams, RawPathParamsRejection>;

/// Passes who may have the page.
pub async fn pass(State(access): State<Access>, named: Parameters, request: Request, next: Next) -> Response {
    match admit(&access, named, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn admit(access: &Access, named: Parameters, mut request: Request) -> Result<Request, ApiError> {
    let Access { app, operations, scope, is_of_an_org } = access;
    let cookie = Cookie::of_console(request.headers(), SESSION_LIFETIME);
    let token: ConsoleToken = cookie.read(request.headers()).ok_or(Code::Unauthorized)?;
    let operator = app.identity.operator(&token).await?.ok_or(Code::Unauthorized)?;
    if let Some(scope) = scope {
        operator.platform.require(*scope)?;
    }
    let sitting = Sitting::new(app.clone(), operations.clone(), token.form_token(), request.extensions())
        .for_platform(operator.platform.clone());
    if matches!(*request.method(), Method::POST) {
        form::require_own_site(None, request.headers())?;
        request = form::take(request, &token).await?;
    }
    if *is_of_an_org {
        let named = named.map_err(|_| Code::NotFound)?;
        let (_, org) = named.iter().next().ok_or_else(|| ApiError::internal("a path without an org"))?;
        let visitor = visitor(app, &operator, org).await?;
        let base = format!("/console/orgs/{}", encoded(&visitor.org_key));
        request.extensions_mut().insert(Visiting::in_console(sitting.clone(), visitor, base));
    }
    request.extensions_mut().insert(Seated::new(sitting, operator));
    Ok(request)
}

/// The operator, in front of the pages of the org that is named by its id or its key.
async fn visitor(app: &App, operator: &Operator, org: &str) -> Result<Visitor, ApiError> {
    let org = orgs::store::named(&app.db.pool, org).await?.ok_or(Code::NotFound)?;
    let may_change = operator.platform.may(PlatformScope::OrgsWrite);
    let role = if may_change { Role::Admin } else { Role::Viewer };
    let scopes = role.granted(KeyScopes::ALL);
    Ok(Visitor {
        visit: Visit::of_platform((operator.session_id, operator.platform.token_id), org.id, scopes),
        role,
        name: operator.name.clone(),
        org_name: org.name,
        org_key: org.key,
        is_frozen: org.is_frozen,
        is_suspended: org.is_suspended,
        return_url: None,
        expires_at: operator.expires_at,
    })
}
