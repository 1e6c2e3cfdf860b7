//! The errors that a client can see. The codes are a closed set (contract 1); the wire shapes are
//! made in [`shape`], the mapping of database failures in `database`.

mod code;
mod database;
pub mod help;
pub mod page;
mod problem;
pub mod shape;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};

pub use self::code::Code;
pub use self::database::is_transient;
pub use self::problem::{Loc, Problem, ProblemKind, Problems};

/// Seconds in which a fail-over in good order is over, and the service well again (docs/reliability.md).
const FAIL_OVER: u32 = 5;

/// A refused or failed request. Handlers return it with `?`; the outermost layer renders it,
/// because only that layer knows the request id and the shape the path calls for.
#[derive(Debug)]
pub enum ApiError {
    /// The request's path, query or body breaks its rules: every problem found.
    Invalid(Vec<Problem>),
    /// Anything else.
    Failed(Failure),
}

/// An error with a code. Everything but `cause` is public.
#[derive(Debug)]
pub struct Failure {
    /// Decides the status.
    pub code: Code,
    /// For people; never repeats input.
    pub message: Cow<'static, str>,
    /// Dates or ids that a 409 names.
    pub details: Vec<Detail>,
    /// Seconds, for 429 and 503.
    pub retry_after: Option<u32>,
    /// For the log only.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

/// One entry of an error's `details`.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// What the entry is about.
    pub field: Cow<'static, str>,
    /// The kind of entry: `next_expiry` (when room comes), `made` (an id), or the error's own code.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl ApiError {
    /// An error with the code's usual message.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self::with_message(code, code.default_message())
    }

    /// An error with a message of its own, which must not repeat input.
    pub fn with_message(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(Failure {
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: code.retry_after(),
            cause: None,
        })
    }

    /// A failure of ours; `cause` goes to the log.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::InternalError).caused_by(cause)
    }

    /// Something we depend on is away or too slow; `cause` goes to the log.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::ServiceUnavailable).caused_by(cause)
    }

    /// The database is away, as it is while another server takes over; `cause` goes to the log. Whoever comes again as
    /// told finds the next one.
    pub fn away(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::unavailable(cause).retry_after(FAIL_OVER)
    }

    /// Adds what the log should say.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.cause = Some(cause.into());
        }
        self
    }

    /// Sets how long the client should wait before it tries again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.retry_after = Some(seconds);
        }
        self
    }

    /// Adds a date or an id for the client's program.
    #[must_use]
    pub fn detail(
        mut self,
        field: impl Into<Cow<'static, str>>,
        code: &'static str,
        message: String,
    ) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.details.push(Detail { field: field.into(), code: code.into(), message });
        }
        self
    }
}

/// For operators at the command line: a client never sees this text.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problems) => {
                let said: Vec<_> = problems.iter().map(|p| format!("{} {}", p.field(), p.msg)).collect();
                f.write_str(&said.join("; "))
            }
            Self::Failed(Failure { message, cause: Some(cause), .. }) => write!(f, "{message} ({cause})"),
            Self::Failed(Failure { message, .. }) => f.write_str(message),
        }
    }
}

impl Error for ApiError {}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// Leaves an empty response that carries the error to [`shape::render`].
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
