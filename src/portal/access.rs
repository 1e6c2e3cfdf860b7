//! Who may have a page: the one place that asks. A session that lives, of a role that suffices, and for a form the proof
//! that it is the session's own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::form::{self, Form};
use super::operations::Operations;
use super::visit::Visiting;
use super::{cookie, parts};
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
    let token = cookie::read(app, request.headers()).ok_or(Code::Unauthorized)?;
    let visitor = app.identity.visitor(&token).await?.ok_or(Code::Unauthorized)?;
    if visitor.role < *role {
        return Err(ApiError::with_message(Code::Forbidden, parts::takes(*role)));
    }
    let visiting =
        Visiting::new(app.clone(), operations.clone(), visitor, token.form_token(), request.extensions());
    if !matches!(*request.method(), Method::POST) {
        let mut request = request;
        request.extensions_mut().insert(visiting.clone());
        return Ok((visiting, request));
    }
    form::require_own_site(app, request.headers())?;
    let (head, body) = request.into_parts();
    let (mut left, _) = Request::new(()).into_parts();
    left.headers.clone_from(&head.headers);
    let form = Form::read(Request::from_parts(left, body)).await?;
    if !form.get(form::TOKEN).is_some_and(|sent| token.is_form_token(sent)) {
        return Err(form::foreign());
    }
    let mut request = Request::from_parts(head, axum::body::Body::empty());
    request.extensions_mut().insert(visiting.clone());
    request.extensions_mut().insert(form);
    Ok((visiting, request))
}
