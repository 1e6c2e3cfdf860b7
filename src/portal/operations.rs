//! The API's operations, as pages ask for them: in this process, by the same routes with the same checks that partners'
//! requests meet. So a page cannot do what the API would not.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::sitting::Sitting;
use crate::error::{ApiError, Code, Failure, Problem};
use crate::idempotency::KeptSince;
use crate::idempotency::header::IDEMPOTENCY_KEY;

/// An answer longer than that is not one of ours: a page of a hundred events has a quarter.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Within this a form that comes again was sent by a second click.
const DOUBLE_CLICK: TimeDelta = TimeDelta::seconds(3);
/// How often, and how far apart, the answer to the first is asked for.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The API's routes, behind their gate.
#[derive(Clone, Debug)]
pub struct Operations(Router);

/// An operation that is asked for.
pub struct Ask<'a> {
    /// Its method.
    pub method: Method,
    /// Its path, with the query.
    pub path: &'a str,
    /// Its body, if it has one.
    pub body: Option<Value>,
    /// What makes it the same when it is sent again.
    pub once: Option<&'a str>,
}

/// An answer that is none of the refusals.
pub struct Answer {
    /// It was given a while before: nothing was done this time. What a browser sends twice within [`DOUBLE_CLICK`] is
    /// one wish, whose second answer is the one that it shows.
    pub is_replayed: bool,
    body: Vec<u8>,
}

impl Answer {
    /// What it says.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::internal(error).into())
    }
}

impl Operations {
    /// All that this router has.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self(router)
    }

    /// Asks for an operation, for whoever sits there; gives the response as it is.
    pub async fn respond(&self, sitting: &Sitting, ask: Ask<'_>) -> Result<Response, Refused> {
        let body = ask.body.as_ref().map(Value::to_string);
        for _ in 0..TRIES {
            match self.respond_once(sitting, &ask, body.as_deref()).await {
                // The form was sent twice, and the first is being answered: its answer is the second's as well.
                Err(refused) if refused.is(Code::IdempotencyInProgress) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
        Err(Code::IdempotencyInProgress.into())
    }

    async fn respond_once(
        &self,
        sitting: &Sitting,
        ask: &Ask<'_>,
        body: Option<&str>,
    ) -> Result<Response, Refused> {
        let mut request = Request::builder().method(&ask.method).uri(ask.path);
        if ask.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(once) = ask.once {
            request = request.header(IDEMPOTENCY_KEY.clone(), format!("\"{once}\""));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        // What a browser put into the path is no request.
        let mut request = request.body(body).map_err(|_| ApiError::from(Code::NotFound))?;
        sitting.introduce(request.extensions_mut());
        let mut response = match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match response.extensions_mut().remove::<Arc<ApiError>>() {
            Some(error) => Err(Refused(error)),
            None if response.status().is_success() => Ok(response),
            None => Err(ApiError::from(Code::NotFound).into()),
        }
    }

    /// Asks for an operation that answers with JSON, or with nothing.
    pub async fn answer(&self, sitting: &Sitting, ask: Ask<'_>) -> Result<Answer, Refused> {
        let response = self.respond(sitting, ask).await?;
        let given = response.extensions().get().map(|KeptSince(since)| *since);
        let is_replayed = given.is_some_and(|since| sitting.now() - since >= DOUBLE_CLICK);
        let body = to_bytes(response.into_body(), LONGEST_ANSWER).await.map_err(ApiError::internal)?;
        Ok(Answer { is_replayed, body: body.into() })
    }
}

/// The reason why an operation, and so its page, did not do what was asked.
#[derive(Clone, Debug)]
pub struct Refused(Arc<ApiError>);

impl Refused {
    /// `true` where the person can do something about it on the page that they are on; else the refusal is a page.
    pub fn is_for_the_form(&self) -> bool {
        match &*self.0 {
            ApiError::Invalid(_) => true,
            ApiError::Failed(Failure { code, .. }) => {
                code.status().is_client_error() && !matches!(code, Code::Unauthorized | Code::NotFound)
            }
        }
    }

    /// `true` for this code.
    pub fn is(&self, wanted: Code) -> bool {
        matches!(&*self.0, ApiError::Failed(Failure { code, .. }) if *code == wanted)
    }

    /// What is wrong with fields of the form.
    pub fn problems(&self) -> &[Problem] {
        if let ApiError::Invalid(problems) = &*self.0 { problems } else { &[] }
    }

    /// What is wrong as a whole, with what was named beside it.
    pub fn message(&self) -> Option<(&str, Vec<&str>)> {
        match &*self.0 {
            ApiError::Invalid(_) => None,
            ApiError::Failed(Failure { message, details, .. }) => {
                Some((message, details.iter().map(|detail| detail.message.as_str()).collect()))
            }
        }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        ApiError::from(code).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self.0);
        response
    }
}
