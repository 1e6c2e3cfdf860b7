//! The portal (contract 17): pages on which a partner's people see and change what their org has. Server-rendered, and
//! whole without scripts.
//!
//! No page decides, validates or stores anything: it asks the API's own operations (`operations`), as a partner's
//! backend would, and shows the answer. What a page needs of a person is said beside its path (`Pages`), and
//! `access` holds everybody to it before a page runs.

mod access;
mod charts;
mod cookie;
mod door;
mod form;
mod layout;
mod operations;
mod pages;
mod parts;
mod visit;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use self::access::Access;
pub use self::operations::Operations;
use crate::error::page;
use crate::identity::portal::Role;
use crate::state::App;

/// Everything below `/portal`.
pub fn routes(app: &App, operations: &Operations) -> Router<App> {
    let style = async || {
        let kept = "public, max-age=31536000, immutable";
        ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, kept)], page::STYLE)
    };
    let router = door::routes().route(page::STYLE_PATH, get(style));
    pages::all().0.into_iter().fold(router, |router, page| {
        let access = Access { app: app.clone(), operations: operations.clone(), role: page.declared.role };
        router.route(page.declared.path, page.route.layer(from_fn_with_state(access, access::pass)))
    })
}

/// A page, and what it takes to have it.
#[derive(Clone, Debug)]
pub struct DeclaredPage {
    /// GET for what is shown, POST for what is done.
    pub method: Method,
    /// Its path, as the router has it.
    pub path: &'static str,
    /// The least role.
    pub role: Role,
}

/// Every page that a session is needed for. There are no others: the router is made from this list.
#[must_use]
pub fn declared() -> Vec<DeclaredPage> {
    pages::all().0.into_iter().map(|page| page.declared).collect()
}

/// What anybody may have: the door, the way out for whom has no session any more, and the style.
pub const OPEN: [(&str, &str); 3] =
    [("GET", "/portal/open/{token}"), ("POST", "/portal/open"), ("GET", page::STYLE_PATH)];

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

    fn with(mut self, method: Method, path: &'static str, role: Role, route: MethodRouter<App>) -> Self {
        self.0.push(Page { declared: DeclaredPage { method, path, role }, route });
        self
    }
}
