//! The way in and out. A link is opened by a button, not by being looked at: previews of chats and scanners of mail
//! follow links, and would use it up. The button is also what lets the cookie be `SameSite=Strict`: the navigation that
//! follows comes from a page of this site.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::cookie::Cookie;
use super::form::{self, Form};
use super::layout;
use super::operations::Refused;
use super::visit::Visiting;
use crate::changes::RequestAuthor;
use crate::crypto::session_token::{PortalToken, SessionToken as _};
use crate::error::ApiError;
use crate::features::Feature;
use crate::page::Place;
use crate::routes::portal_sessions;
use crate::state::App;

/// The field with the link's token.
const LINK: &str = "link";

/// `/portal/open` and below.
pub fn routes() -> Router<App> {
    Router::new().route("/portal/open/{token}", get(show)).route("/portal/open", post(open))
}

/// The link, as it is followed: nothing has happened yet, and it says nothing of whose portal it is.
async fn show(State(app): State<App>, Path(token): Path<String>) -> Result<Response, ApiError> {
    app.require_live(Feature::Portal)?;
    let link = match PortalToken::parse(&token) {
        Some(token) => portal_sessions::find_link(&app, &token).await?.map(|_| token),
        None => None,
    };
    Ok(link.map_or_else(gone, |token| {
        let body = html! {
            h1 { "Open the portal" }
            p { "This link opens it once. You stay signed in for 30 minutes." }
            form method="post" action="/portal/open" {
                input type="hidden" name=(LINK) value=(token.expose());
                button.primary type="submit" { "Open the portal" }
            }
        };
        layout::alone(Place::Portal, StatusCode::OK, "Open the portal", &body)
    }))
}

/// The button: a session, with a token that nobody has seen before.
async fn open(
    State(app): State<App>,
    RequestAuthor(author): RequestAuthor,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    app.require_live(Feature::Portal)?;
    form::require_own_site(Some(&app.config.public_url), &headers)?;
    let form = Form::read(request).await?;
    let Some(link) = form.get(LINK).and_then(PortalToken::parse) else { return Ok(gone()) };
    let Some(session) = portal_sessions::open(&app, author, &link).await? else { return Ok(gone()) };
    // Whoever sat here before has left.
    let cookie = Cookie::of_portal(&app);
    if let Some(before) = cookie.read::<PortalToken>(&headers)
        && let Some(visitor) = app.identity.visitor(&before).await?
    {
        end(&app, &visitor.visit).await?;
    }
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie.set(&session)), (LOCATION, "/portal".into())])
        .into_response())
}

/// Ends the session.
pub async fn leave(visiting: Visiting) -> Result<Response, Refused> {
    let app = visiting.app();
    end(app, &visiting.visitor().visit).await?;
    let back = visiting.visitor().return_url.as_deref();
    let body = html! {
        h1 { "You have left the portal" }
        p { "The session is over, on this computer and everywhere." }
        @if let Some(back) = back { p { a.button.primary href=(back) rel="noreferrer" { "Back to where you came from" } } }
    };
    let page = layout::alone(Place::Portal, StatusCode::OK, "You have left the portal", &body);
    Ok(([(SET_COOKIE, Cookie::of_portal(app).clear())], page).into_response())
}

async fn end(app: &App, visit: &crate::identity::portal::Visit) -> Result<(), ApiError> {
    let (org_id, now) = (visit.partner.org_id, app.clock.now());
    Ok(portal_sessions::store::end(&app.db.pool, org_id, visit.session_id, now).await?)
}

fn gone() -> Response {
    let body: Markup = html! {
        h1 { "This link opens nothing" }
        p { "It was used already, or its minute is over. Open the portal anew from where you opened it." }
        p { a.button href="/portal" { "I am in the portal already" } }
    };
    layout::alone(Place::Portal, StatusCode::GONE, "This link opens nothing", &body)
}
