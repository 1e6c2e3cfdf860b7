//! The checks before the platform's own routes (contract 15): a platform token, and what it may do.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::error::ApiError;
use crate::identity::platform::Platform;
use crate::routes::internal::Required;
use crate::state::App;

/// The checks before some of the platform's routes.
#[derive(Clone)]
pub struct PlatformGate {
    /// The service.
    pub app: App,
    /// What they ask of a token.
    pub required: Required,
}

/// Passes a request on, or refuses it before the body is read.
pub async fn pass(
    State(PlatformGate { app, required }): State<PlatformGate>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // The console's own pages say who sits there; nobody can send that.
    let platform = match request.extensions_mut().remove::<Platform>() {
        Some(platform) => platform,
        None => app.identity.platform(request.headers()).await?,
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    platform.require(if is_read { required.reads } else { required.changes })?;
    request.extensions_mut().insert(platform);
    Ok(next.run(request).await)
}
