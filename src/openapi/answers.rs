//! The answers of operations. Those that many share are components of the document, made here and
//! nowhere else; each error has an example of its own, for every code that its description names.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Components, Content, Header, Ref, RefOr, Response};

use super::examples::{self, InvalidRequest};
use crate::error::shape::Shape;

/// An answer that operations share.
struct Shared {
    status: &'static str,
    /// The component's name.
    name: &'static str,
    /// Names the codes, and when they come.
    description: &'static str,
    /// The predicate of the operations that give it.
    is_given: fn(Facts) -> bool,
}

/// The facts that decide which answers an operation shares.
#[derive(Clone, Copy)]
struct Facts {
    /// It asks for a partner's credentials.
    is_guarded: bool,
    /// It asks for a token of the platform's.
    is_platforms: bool,
    /// It takes a body of JSON.
    has_body: bool,
}

/// One line an answer.
#[rustfmt::skip]
const SHARED: &[Shared] = &[
    shared("400", "BadRequest", "`invalid_request` or `conflicting_credentials`: the credentials are malformed. `decryption_failed`: a body of JOSE cannot be opened.", |of| of.is_guarded),
    shared("403", "Forbidden", "`forbidden`: the org is unknown or suspended. `insufficient_scope`: the tenant key or token lacks the scope that `details` name. `network_not_allowed`: it may not be used from where you call from.", |of| of.is_guarded),
    shared("401", "Unauthorized", "`unauthorized`: credentials are missing or not valid.", |of| of.is_guarded || of.is_platforms),
    shared("403", "InsufficientScope", "`insufficient_scope`: the token may not do that.", |of| of.is_platforms),
    shared("409", "NoMessageKey", "`no_response_key` or `no_encryption_key`: what `Accept-Signature` or `Accept` ask for has no live key.", |of| of.is_guarded),
    shared("413", "PayloadTooLarge", "`payload_too_large`: the body is over 64 KiB.", |of| of.has_body),
    shared("415", "UnsupportedMediaType", "`unsupported_media_type`: the body is not `application/json`.", |of| of.has_body),
    shared("421", "MisdirectedRequest", "`misdirected_request`: `OrgId` is believed without proof here, and the request is for another host.", |of| of.is_guarded),
    shared("429", "RateLimited", "`rate_limited`: too many requests of yours are being answered already, or came in too short a time.", |of| of.is_guarded),
    shared("500", "InternalError", "`internal_error`: something went wrong on our side.", |_| true),
    shared("503", "ServiceUnavailable", "`service_unavailable`: overloaded, a dependency is away, or the feature is not live.", |_| true),
];

const fn shared(
    status: &'static str,
    name: &'static str,
    description: &'static str,
    is_given: fn(Facts) -> bool,
) -> Shared {
    Shared { status, name, description, is_given }
}

/// What every guarded operation's own 403 says as well.
const INSUFFICIENT: &str = "`insufficient_scope`: see `x-required-scope`.";

/// The 422 of whatever is not a public key route.
const INVALID: &str = "The request breaks its rules; every problem at once.";

/// Adds what `operation` shares with others, and completes what it says itself.
pub fn complete(operation: &mut Operation, shape: Shape, components: &mut Components) {
    let is_guarded = operation.security.as_ref().is_some_and(|schemes| !schemes.is_empty());
    let facts = Facts {
        is_guarded: is_guarded && shape != Shape::Platform,
        is_platforms: is_guarded && shape == Shape::Platform,
        has_body: operation.request_body.is_some(),
    };
    let invalid = examples::invalid(operation, components);
    let responses = &mut operation.responses.responses;
    // The token endpoint has its own words for all of them.
    for shared in SHARED.iter().filter(|shared| shape != Shape::Oauth && (shared.is_given)(facts)) {
        responses
            .entry(shared.status.to_owned())
            .or_insert_with(|| RefOr::Ref(shared.component(shape, components)));
    }
    if let Some(RefOr::T(forbidden)) = responses.get_mut("403").filter(|_| facts.is_guarded) {
        forbidden.description = format!("{} {INSUFFICIENT}", forbidden.description);
    }
    // An unknown query parameter is refused everywhere.
    if matches!(shape, Shape::V1 | Shape::Platform) {
        responses.entry("422".to_owned()).or_insert_with(|| RefOr::T(Response::new(INVALID)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            if facts.is_guarded && (status.starts_with('2') || status == "429") {
                tell_of_limit(response);
            }
            complete_one(response, status, shape, &invalid);
        }
    }
}

impl Shared {
    /// The reference to the component, which is made when it is first wanted.
    fn component(&self, shape: Shape, components: &mut Components) -> Ref {
        let name = match shape {
            Shape::V1 | Shape::Oauth | Shape::Platform | Shape::Page(_) => self.name.to_owned(),
            Shape::PublicKey => format!("PublicKey{}", self.name),
        };
        components.responses.entry(name.clone()).or_insert_with(|| {
            let mut response = Response::new(self.description);
            if self.status == "429" {
                tell_of_limit(&mut response);
            }
            complete_one(&mut response, self.status, shape, &InvalidRequest::default());
            RefOr::T(response)
        });
        Ref::from_response_name(name)
    }
}

/// Adds what every reply carries while its org has a limit (contract 13.5); said where a client looks for it.
fn tell_of_limit(response: &mut Response) {
    for (name, description) in [
        (
            "RateLimit",
            "While your organisation has a limit: `\"org\";r=99;t=1`, `r` requests are left, one more after `t` seconds.",
        ),
        (
            "RateLimit-Policy",
            "That limit: `\"org\";q=100;w=2`, `q` requests at once, which are there again after `w` seconds.",
        ),
    ] {
        response.headers.insert(name.to_owned(), header(description));
    }
}

/// Adds headers, and to an error its shape and an example of each code.
fn complete_one(response: &mut Response, status: &str, shape: Shape, invalid: &InvalidRequest) {
    let headers = &mut response.headers;
    headers.insert("x-request-id".to_owned(), header("Yours if it was well-formed, else a new one."));
    if let Some(challenge) = shape.challenge().filter(|_| status == "401") {
        headers.insert("WWW-Authenticate".to_owned(), header(&format!("Always `{challenge}`.")));
    }
    if matches!(status, "429" | "503") {
        headers.insert("Retry-After".to_owned(), header("Seconds to wait before trying again."));
    }
    if !status.starts_with(['4', '5']) {
        return;
    }
    let schema = match (status, shape) {
        ("422", Shape::V1 | Shape::Platform | Shape::Page(_)) => "ValidationErrors",
        (_, Shape::V1 | Shape::Platform | Shape::Page(_)) => "ErrorEnvelope",
        (_, Shape::PublicKey) => "TracedError",
        (_, Shape::Oauth) => "OauthError",
    };
    let fresh = || RefOr::T(Content::new(Some(Ref::from_schema_name(schema))));
    let content = response.content.entry("application/json".to_owned()).or_insert_with(fresh);
    if let RefOr::T(content) = content {
        content.examples.extend(examples::of_errors(&response.description, status, shape, invalid));
    }
}

/// Adds the answers of a POST that can be sent again (contract 7).
pub fn add_idempotency(operation: &mut Operation, shape: Shape, shows_secrets: bool) {
    let responses = &mut operation.responses.responses;
    let in_progress = if shows_secrets {
        "`idempotency_in_progress`, or `secret_no_longer_available`: `details` names what was made."
    } else {
        "`idempotency_in_progress`"
    };
    for (status, told) in
        [("409", in_progress), ("422", "`idempotency_key_reused`: the key was used for another request.")]
    {
        let response = responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new("")));
        let RefOr::T(response) = response else { continue };
        response.description = format!("{} {told}", response.description).trim_start().to_owned();
        if (status, shape) == ("422", Shape::V1) {
            response.description.insert_str(0, &format!("{INVALID} Or "));
            let either = ["ValidationErrors", "ErrorEnvelope"].map(Ref::from_schema_name);
            let either = either.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
            response.content.insert("application/json".to_owned(), RefOr::T(Content::new(Some(either))));
        }
    }
}

fn header(description: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(description.to_owned());
    RefOr::T(header)
}
