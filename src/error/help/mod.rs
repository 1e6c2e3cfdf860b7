//! What a code tells whoever gets it: what happened, what to do, and whether the same request may be sent again. The
//! tables are exhaustive, so a code without its help does not compile; `routes::errors` makes the pages of them.

mod codes;
mod problems;

use std::borrow::Cow;

use super::shape::Shape;
use super::{ApiError, Code};

/// The help with one error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    /// What happened, for whoever sent the request.
    pub happened: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Whether the request may be sent again.
    pub retry: Retry,
}

/// Whether the same request may be sent again, and what that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It was refused, and would be again until something else changes.
    Mended,
    /// It was refused for now, and the reply says for how long.
    After,
    /// It was refused for now, until something ends that takes a while.
    Soon,
    /// Nobody can tell whether it was carried out.
    Unknown,
    /// It was carried out, this time or before.
    Done,
}

impl Retry {
    /// The answer in a sentence or two, for people.
    #[must_use]
    pub fn said(self) -> &'static str {
        match self {
            Self::Mended => {
                "Safe, and pointless: nothing was changed, and the same request gets the same answer until its cause is gone."
            }
            Self::After => {
                "Safe: nothing was changed. Wait for as many seconds as `Retry-After` says, then send it again as it is."
            }
            Self::Soon => "Safe: nothing was changed. Send it again as it is, a little later.",
            Self::Unknown => {
                "It may have been carried out. GET, PUT, PATCH and DELETE may be sent again; a POST with the \
                 `Idempotency-Key` that it had, and without one only after you have looked. Wait as `Retry-After` says, \
                 or a second and then twice as long each time."
            }
            Self::Done => "Not needed: that was done already, and sending it again changes nothing.",
        }
    }
}

/// The heading below which the pages explain `error`, as a fragment of their address.
#[must_use]
pub fn anchor(error: &ApiError, shape: Shape) -> Cow<'static, str> {
    let code = match (error, shape) {
        (ApiError::Invalid(_), Shape::V1 | Shape::Platform | Shape::Page(_)) => return VALIDATION.into(),
        (ApiError::Invalid(problems), Shape::PublicKey) => {
            problems.iter().find_map(|problem| problem.code).unwrap_or(Code::InvalidRequest)
        }
        (ApiError::Invalid(_), Shape::Oauth) => Code::InvalidRequest,
        (ApiError::Failed(failure), _) => failure.code,
    };
    match shape {
        Shape::Oauth => format!("{OAUTH}{}", code.oauth_name()).into(),
        Shape::V1 | Shape::PublicKey | Shape::Platform | Shape::Page(_) => code.name().into(),
    }
}

/// The fragment of what a 422 with `detail` means.
pub const VALIDATION: &str = "validation";

/// How the fragments of the token endpoint's words begin.
pub const OAUTH: &str = "oauth-";

/// The help with `invalid_request` at the token endpoint, which has fewer reasons for it than others have.
pub const OAUTH_INVALID_REQUEST: Help = Help {
    happened: "A parameter is missing, came twice or is malformed, the body is no form or is over 16 KiB, a query or an \
               `Authorization` came beside it, or the method is not POST.",
    remedy: "Send `application/x-www-form-urlencoded` with `grant_type`, `client_assertion_type`, `client_assertion` \
             and, if you like, `scope` and `client_id`; nothing in the URL, nothing in `Authorization`.",
    retry: Retry::Mended,
};
