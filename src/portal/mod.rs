//! The portal (contract 17): pages on which a partner's people see and change what their org has. Server-rendered, and
//! whole without scripts.
//!
//! No page decides, validates or stores anything: it asks the API's own operations (`operations`), as a partner's
//! backend would, and shows the answer. What a page needs of a person is said beside its path (`Pages`), and
//! `access` holds everybody to it before a page runs.

mod access;
pub(crate) mod charts;
pub(crate) mod cookie;
mod door;
pub(crate) mod form;
pub(crate) mod layout;
pub(crate) mod operations;
mod pages;
pub(crate) mod parts;
pub(crate) mod sitting;
pub(crate) mod visit;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use self::access::Access;
pub use self::operations::Operations;
use crate::identity::portal::Role;
use crate::page::{self, Place};
use crate::state::App;

/// Everything below `/portal`.
pub fn routes(app: &App, operations: &Operations) -> Router<App> {
    let router = door::routes().merge(style(Place::Portal)).route(LEAVE, leaving(app, operations));
    pages::all().0.into_iter().fold(router, |router, page| {
        let access = Access { app: app.clone(), operations: operations.clone(), role: page.declared.role };
        let path = format!("{}{}", Place::Portal.root(), page.declared.path);
        router.route(&path, page.route.layer(from_fn_with_state(access, access::pass)))
    })
}

/// The way out, for everybody inside.
const LEAVE: &str = "/portal/leave";

fn leaving(app: &App, operations: &Operations) -> MethodRouter<App> {
    let access = Access { app: app.clone(), operations: operations.clone(), role: Role::Viewer };
    post(door::leave).layer(from_fn_with_state(access, access::pass))
}

/// The style of a place's pages, in a file that browsers keep.
pub(crate) fn style(place: Place) -> Router<App> {
    let kept = "public, max-age=31536000, immutable";
    let file =
        async move || ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, kept)], page::STYLE);
    Router::new().route(place.style_path(), get(file))
}

/// A page, and what it takes to have it.
#[derive(Clone, Debug)]
pub struct DeclaredPage {
    /// GET for what is shown, POST for what is done.
    pub method: Method,
    /// Its path below the org's own, as the router has it.
    pub path: &'static str,
    /// The least role.
    pub role: Role,
    /// It is not in the console as well: only the org's own people have it.
    pub is_the_orgs_alone: bool,
}

/// Every page that a session is needed for, but the way out. There are no others: the router is made from this list.
#[must_use]
pub fn declared() -> Vec<DeclaredPage> {
    pages::all().0.into_iter().map(|page| page.declared).collect()
}

/// The pages of an org that the console has as well.
pub(crate) fn shared() -> impl Iterator<Item = (DeclaredPage, MethodRouter<App>)> {
    let pages = pages::all().0.into_iter().filter(|page| !page.declared.is_the_orgs_alone);
    pages.map(|page| (page.declared, page.route))
}

/// What anybody may have: the door, and the style.
pub const OPEN: [(&str, &str); 3] =
    [("GET", "/portal/open/{token}"), ("POST", "/portal/open"), ("GET", Place::Portal.style_path())];

/// Pages, gathered.
struct Pages(Vec<Page>);

struct Page {
    declared: DeclaredPage,
    route: MethodRouter<App>,
}

impl Pages {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// A page that every role sees.
    fn shows<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::GET, path, Role::Viewer, get(handler))
    }

    /// A form's way in, for this role and those above it.
    fn does<H, T>(self, role: Role, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.with(Method::POST, path, role, post(handler))
    }

    /// The page before is for the org's own people alone.
    fn alone(mut self) -> Self {
        self.0.last_mut().expect("a page").declared.is_the_orgs_alone = true;
        self
    }

    fn with(mut self, method: Method, path: &'static str, role: Role, route: MethodRouter<App>) -> Self {
        let declared = DeclaredPage { method, path, role, is_the_orgs_alone: false };
        self.0.push(Page { declared, route });
        self
    }
}
