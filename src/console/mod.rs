//! The console (contract 17): pages on which the platform's people see all orgs, and act for each. Server-rendered, and
//! whole without scripts, as the portal, whose pages of an org it has as well.
//!
//! No page decides, validates or stores anything: it asks the platform's own operations and those of the API, in the
//! name of the platform token that the session was opened with. What a page needs of that token is said beside its path
//! (`Pages`), and `access` holds everybody to it before a page runs.

mod access;
mod door;
mod layout;
mod pages;
mod seat;
pub mod store;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use chrono::TimeDelta;

use self::access::Access;
use crate::identity::platform::PlatformScope;
use crate::page::Place;
use crate::portal::{self, Operations};
use crate::state::App;

/// How long a session lasts.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long one is remembered after its end.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(1);
/// Where an org's pages are.
const ORG: &str = "/console/orgs/{org}";

/// Everything below `/console`.
pub fn routes(app: &App, operations: &Operations) -> Router<App> {
    let router = door::routes().merge(portal::style(Place::Console));
    all().into_iter().fold(router, |router, page| {
        let Page { declared: DeclaredPage { path, scope, is_of_an_org, .. }, route } = page;
        let access = Access { app: app.clone(), operations: operations.clone(), scope, is_of_an_org };
        router.route(&path, route.layer(from_fn_with_state(access, access::pass)))
    })
}

/// A page, and what it takes to have it.
#[derive(Clone, Debug)]
pub struct DeclaredPage {
    /// GET for what is shown, POST for what is done.
    pub method: Method,
    /// Its path, as the router has it.
    pub path: String,
    /// What the platform token must be granted; `None` where any will do.
    pub scope: Option<PlatformScope>,
    /// It is about the org in its path.
    pub is_of_an_org: bool,
}

/// Every page that a session is needed for. There are no others: the router is made from this list.
#[must_use]
pub fn declared() -> Vec<DeclaredPage> {
    all().into_iter().map(|page| page.declared).collect()
}

/// What anybody may have: the way in, and the style.
pub const OPEN: [(&str, &str); 3] =
    [("GET", door::LOGIN), ("POST", door::LOGIN), ("GET", Place::Console.style_path())];

struct Page {
    declared: DeclaredPage,
    route: MethodRouter<App>,
}

/// The console's own pages, and those of an org that the portal has as well.
fn all() -> Vec<Page> {
    let shared = portal::shared().map(|(page, route)| Page {
        declared: DeclaredPage {
            scope: Some(scope_of(&page.method)),
            path: format!("{ORG}{}", page.path),
            method: page.method,
            is_of_an_org: true,
        },
        route,
    });
    pages::all().0.into_iter().chain(shared).collect()
}

/// What a page about orgs takes, as the operations that it asks for do.
fn scope_of(method: &Method) -> PlatformScope {
    if *method == Method::GET { PlatformScope::OrgsRead } else { PlatformScope::OrgsWrite }
}

/// Pages, gathered.
struct Pages(Vec<Page>);

impl Pages {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// A page for whose token is granted this.
    fn shows<H, T>(self, scope: Option<PlatformScope>, path: &str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::GET, path.to_owned(), scope, false, get(handler))
    }

    /// A form's way in, likewise.
    fn does<H, T>(self, scope: Option<PlatformScope>, path: &str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::POST, path.to_owned(), scope, false, post(handler))
    }

    /// A page about an org.
    fn shows_of_an_org<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::GET, format!("{ORG}{path}"), Some(PlatformScope::OrgsRead), true, get(handler))
    }

    /// A form's way in, to change something of an org.
    fn does_to_an_org<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::POST, format!("{ORG}{path}"), Some(PlatformScope::OrgsWrite), true, post(handler))
    }

    fn with(
        mut self,
        method: Method,
        path: String,
        scope: Option<PlatformScope>,
        is_of_an_org: bool,
        route: MethodRouter<App>,
    ) -> Self {
        self.0.push(Page { declared: DeclaredPage { method, path, scope, is_of_an_org }, route });
        self
    }
}
