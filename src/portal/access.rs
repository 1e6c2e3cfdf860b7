//! Who may have a page: the one place that asks. A session that lives, of a role that suffices, and for a form the proof
//! that it is the session's own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::cookie::Cookie;
use super::operations::Operations;
use super::visit::{Sitting, Visiting};
use super::{form, parts};
use crate::crypto::session_token::{PortalToken, SessionToken as _};
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::identity::Caller;
use crate::identity::portal::Role;
use crate::limits::Limit;
use crate::limits::shares;
use crate::state::App;

/// What a page takes.
#[derive(Clone)]
pub struct Access {
    /// The service.
    pub app: App,
    /// What the page will ask.
    pub operations: Operations,
    /// The least role.
    pub role: Role,
}

/// Passes who may have the page. It counts against the org's share, as its backend's requests do.
pub async fn pass(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (visiting, request) = match admit(&access, request).await {
        Ok(admitted) => admitted,
        Err(error) => return error.into_response(),
    };
    let partner = visiting.visitor().visit.partner;
    let Some(share) = access.app.limits.shares(Limit::Public).try_take(partner.org_id) else {
        access.app.metrics.http.over_share(Limit::Public);
        return ApiError::from(Code::RateLimited).into_response();
    };
    let mut response = shares::serving(partner.org_id, next.run(request)).await;
    response.extensions_mut().insert(Arc::new(share));
    // For the access line.
    response.extensions_mut().insert(Caller::Partner(partner));
    response
}

async fn admit(access: &Access, request: Request) -> Result<(Visiting, Request), ApiError> {
    let Access { app, operations, role } = access;
    app.require_live(Feature::Portal)?;
    let token: PortalToken = Cookie::of_portal(app).read(request.headers()).ok_or(Code::Unauthorized)?;
    let visitor = app.identity.visitor(&token).await?.ok_or(Code::Unauthorized)?;
    if visitor.role < *role {
        return Err(ApiError::with_message(Code::Forbidden, parts::takes(*role)));
    }
    let sitting = Sitting::new(app.clone(), operations.clone(), token.form_token(), request.extensions());
    let visiting = Visiting::in_portal(sitting, visitor);
    let mut request = request;
    if matches!(*request.method(), Method::POST) {
        form::require_own_site(Some(&app.config.public_url), request.headers())?;
        request = form::take(request, &token).await?;
    }
    request.extensions_mut().insert(visiting.clone());
    Ok((visiting, request))
}
