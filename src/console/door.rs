//! The way in and out. A platform token is shown once, in a form; the session has a token of its own, and the platform's
//! is kept nowhere.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;

use super::SESSION_LIFETIME;
use super::seat::Seated;
use super::store::{self, NewSession};
use crate::crypto::session_token::ConsoleToken;
use crate::error::{ApiError, Code, Failure};
use crate::identity::client::ClientAddress;
use crate::identity::console::Operator;
use crate::identity::platform::Platform;
use crate::identity::usage::SourceNetwork;
use crate::ids::new_row_id;
use crate::page::Place;
use crate::portal::cookie::Cookie;
use crate::portal::form::{self, Form};
use crate::portal::layout;
use crate::portal::operations::Refused;
use crate::portal::parts;
use crate::state::App;

/// Where the way in is.
pub const LOGIN: &str = "/console/login";
/// The field with the platform token.
const TOKEN: &str = "token";

/// `/console/login`.
pub fn routes() -> Router<App> {
    Router::new().route(LOGIN, get(show).post(enter))
}

/// The form, for whoever is not inside.
async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    Ok(match seated(&app, &headers).await? {
        Some(_) => parts::go(Place::Console.root()),
        None => form_page(StatusCode::OK),
    })
}

/// Who sits at this browser, if anybody does.
async fn seated(app: &App, headers: &HeaderMap) -> Result<Option<Operator>, ApiError> {
    match Cookie::of_console(headers, SESSION_LIFETIME).read::<ConsoleToken>(headers) {
        Some(token) => Ok(app.identity.operator(&token).await?),
        None => Ok(None),
    }
}

fn form_page(status: StatusCode) -> Response {
    let is_refused = status.is_client_error();
    let body = html! {
        h1 { "The console" }
        p { "For the platform's people. A platform token leads in, and what it may do can be done here." }
        @if is_refused {
            div.notice.bad role="alert" { p { "That is no platform token which lives. Nothing more is said of it." } }
        }
        form method="post" action=(LOGIN) {
            div.field.wrong[is_refused] {
                label for="f-token" { "Platform token" }
                p.hint #f-token-hint { "Made with partner-api token create. It is kept nowhere; you stay signed in for an hour." }
                input #f-token name=(TOKEN) type="password" required autocomplete="off" spellcheck="false"
                    aria-describedby="f-token-hint" aria-invalid=[is_refused.then_some("true")];
            }
            button.primary type="submit" { "Sign in" }
        }
    };
    let title = if is_refused { "Error: Sign in to the console" } else { "Sign in to the console" };
    layout::alone(Place::Console, status, title, &body)
}

/// Takes a platform token, and gives a session in its place. Whatever is wrong with one is answered alike; tokens are
/// found by a keyed hash, so that no time tells how much of one was right.
async fn enter(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    form::require_own_site(None, &headers)?;
    let address = request.extensions().get().map(|ClientAddress(address)| *address);
    app.console_logins
        .take(SourceNetwork::of(address), app.clock.now())
        .map_err(|seconds| ApiError::new(Code::RateLimited).retry_after(seconds))?;
    let form = Form::read(request).await?;
    let shown = app.identity.platform_by(form.get(TOKEN).unwrap_or_default().trim()).await;
    let platform = match shown {
        Ok(platform) => platform,
        Err(ApiError::Failed(Failure { code: Code::Unauthorized, .. })) => {
            tracing::warn!(
                client = address.map(tracing::field::display),
                "a login to the console was refused"
            );
            return Ok(form_page(StatusCode::UNAUTHORIZED));
        }
        Err(error) => return Err(error),
    };
    // Whoever sat here before has left.
    if let Some(before) = seated(&app, &headers).await? {
        store::end(&app.db.pool, before.session_id, app.clock.now()).await?;
    }
    let session = open(&app, &platform).await?;
    tracing::info!(token_id = %platform.token_id, client = address.map(tracing::field::display), "somebody entered the console");
    let cookie = Cookie::of_console(&headers, SESSION_LIFETIME).set(&session);
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, Place::Console.root().into())])
        .into_response())
}

/// A session, with a token that nobody has seen before.
async fn open(app: &App, platform: &Platform) -> Result<ConsoleToken, ApiError> {
    let (token, now) = (ConsoleToken::generate(), app.clock.now());
    let new = NewSession {
        id: new_row_id(),
        token_digest: app.keyring.hash(&token).digest,
        platform_token_id: platform.token_id,
        expires_at: now + SESSION_LIFETIME,
    };
    store::insert(&app.db.pool, &new, now).await?;
    Ok(token)
}

/// Ends the session.
pub async fn leave(seated: Seated, headers: HeaderMap) -> Result<Response, Refused> {
    let (app, id) = (seated.app(), seated.operator().session_id);
    store::end(&app.db.pool, id, app.clock.now()).await.map_err(ApiError::from)?;
    let body = html! {
        h1 { "You have left the console" }
        p { "The session is over, on this computer and everywhere." }
        p { a.button href=(LOGIN) { "Sign in again" } }
    };
    let page = layout::alone(Place::Console, StatusCode::OK, "You have left the console", &body);
    Ok(([(SET_COOKIE, Cookie::of_console(&headers, SESSION_LIFETIME).clear())], page).into_response())
}
