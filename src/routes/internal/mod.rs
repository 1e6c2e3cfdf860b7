//! The platform's own side, on the internal listener (contract 15): orgs, streams and events, for services that
//! hold a platform token.

pub mod events;
pub mod orgs;
pub mod streams;
pub mod tokens;
pub mod watch;

use utoipa_axum::router::OpenApiRouter;

use crate::identity::platform::PlatformScope;
use crate::state::App;

/// What the platform's routes ask of a token: to read, and to change.
#[derive(Clone, Copy, Debug)]
pub struct Required {
    /// For GET.
    pub reads: PlatformScope,
    /// For everything else.
    pub changes: PlatformScope,
}

/// The routes, and what each of them asks of a token.
#[must_use]
pub fn routes() -> [(OpenApiRouter<App>, Required); 2] {
    let orgs = Required { reads: PlatformScope::OrgsRead, changes: PlatformScope::OrgsWrite };
    let publish = Required { reads: PlatformScope::EventsPublish, changes: PlatformScope::EventsPublish };
    [(orgs::routes(), orgs), (streams::routes().merge(events::routes()), publish)]
}
