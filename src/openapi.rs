//! The OpenAPI document: what is true of the whole API, added to what each route says of itself.

use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, Header, Info, License, OpenApi, Paths, Ref, RefOr, Required, Response,
};

use crate::error::shape::{ErrorEnvelope, Shape, TracedError, ValidationErrors};
use crate::idempotency;
use crate::idempotency::header::IDEMPOTENCY_KEY;
use crate::identity::Access;

const DESCRIPTION: &str = "\
Users, API keys, signing secrets and public keys for partners.

**Conventions.** JSON in snake_case, instants in UTC as RFC 3339. Success is `{\"data\": ...}`. Unknown \
and repeated fields and query parameters are refused; `null` counts as absent, except in PATCH, where it clears. Every reply \
carries `x-request-id`; quote it to support.

**Errors.** A request that breaks a field's rules gets 422 with every problem at once. Every other error \
is `{\"error\": {\"code\", \"message\", \"details\", \"request_id\"}}` with a code from a closed set. A \
resource of another organisation is answered exactly as one that does not exist.

**Not live yet.** A feature that is planned or switched off answers 503 with `Retry-After: 86400`.";

/// Title, version, security schemes.
pub fn info() -> OpenApi {
    let mut info = Info::new("partner-api", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("Apache-2.0"));
    let mut document = OpenApi::new(info, Paths::new());
    let mut components = Components::new();
    components.add_security_scheme(
        "TenantKey",
        header_scheme(
            "taih-tenant-key",
            "The tenant's API key, checked by the gateway or by the service itself.",
        ),
    );
    components.add_security_scheme(
        "OrgId",
        header_scheme(
            "OrgId",
            "The org's UUID: injected by the gateway, or sent by hand in local development.",
        ),
    );
    let mut member = Http::new(HttpAuthScheme::Bearer);
    member.bearer_format = Some("JWT".to_owned());
    member.description = Some("A token from `POST /v1/auth/token`, for the user's own routes.".to_owned());
    components.add_security_scheme("MemberToken", SecurityScheme::Http(member));
    document.components = Some(components);
    document
}

/// Writes whom some operations take; those that are never told take anyone.
pub fn secure(document: &mut OpenApi, access: Access) {
    let schemes: &[&str] = match access {
        Access::Partners => &["TenantKey", "OrgId"],
        Access::PartnersAndMembers => &["TenantKey", "OrgId", "MemberToken"],
    };
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.security = Some(schemes.iter().copied().map(requirement).collect());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
    all.into_iter().flatten()
}

fn header_scheme(name: &str, description: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, description)))
}

/// Adds to every operation what holds for all: credentials, shared errors, strict bodies.
pub fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    for (path, item) in &mut document.paths.paths {
        let shape = Shape::of(path);
        if let Some(operation) = item.post.as_mut().filter(|_| !idempotency::EXEMPT.contains(&path.as_str()))
        {
            add_idempotency(operation, shape);
        }
        for operation in operations(item) {
            operation.security.get_or_insert_default();
            add_shared_responses(operation, shape);
            complete_body(operation, components);
        }
    }
    let mut schemas = Vec::new();
    add_schema::<ErrorEnvelope<'_>>(&mut schemas);
    add_schema::<ValidationErrors<'_>>(&mut schemas);
    add_schema::<TracedError<'_>>(&mut schemas);
    components.schemas.extend(schemas);
}

/// The document as it is served and committed.
#[must_use]
pub fn to_json(document: &OpenApi) -> String {
    // Plain data with string keys: serialising it cannot fail.
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

fn add_schema<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

/// What any operation can answer, beside what it says itself.
fn add_shared_responses(operation: &mut Operation, shape: Shape) {
    let has_body = operation.request_body.is_some();
    let mut shared = vec![
        ("500", "`internal_error`"),
        ("503", "`service_unavailable`: overloaded, a dependency is away, or the feature is not live."),
    ];
    if operation.security.as_ref().is_some_and(|schemes| !schemes.is_empty()) {
        shared.extend([
            ("400", "`invalid_request` or `conflicting_credentials`: the credentials are malformed."),
            ("401", "`unauthorized`: credentials are missing or not valid."),
            ("403", "`forbidden`: the org is unknown or suspended."),
            ("421", "`misdirected_request`: `OrgId` is believed without proof here, and the request is for another host."),
            ("429", "`rate_limited`: too many requests of yours are being answered already."),
        ]);
    }
    if has_body {
        shared.push(("413", "`payload_too_large`: the body is over 64 KiB."));
        shared.push(("415", "`unsupported_media_type`: the body is not `application/json`."));
    }
    if shape == Shape::V1 {
        shared.push(("422", "The request breaks its rules; every problem at once."));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in shared {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new(description)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            complete_response(response, status, shape);
        }
    }
}

fn complete_response(response: &mut Response, status: &str, shape: Shape) {
    response
        .headers
        .insert("x-request-id".to_owned(), header("Yours if it was well-formed, else a new one."));
    if matches!(status, "429" | "503") {
        response.headers.insert("Retry-After".to_owned(), header("Seconds to wait before trying again."));
    }
    let schema = match (status, shape) {
        ("422", Shape::V1) => "ValidationErrors",
        (_, Shape::V1) => "ErrorEnvelope",
        (_, Shape::PublicKey) => "TracedError",
    };
    if status.starts_with(['4', '5']) && response.content.is_empty() {
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        response.content.insert("application/json".to_owned(), RefOr::T(content));
    }
}

/// A POST that can be sent again (contract 7).
fn add_idempotency(operation: &mut Operation, shape: Shape) {
    let mut key = Parameter::new(IDEMPOTENCY_KEY.as_str());
    key.parameter_in = ParameterIn::Header;
    key.required = Required::False;
    key.description = Some(
        "Yours to choose: 1 to 255 characters, in quotes (a string of RFC 8941) or bare and without spaces; at \
         least 20 where the reply holds a secret. The same request with the same key within 24 hours gets the same reply, with \
         `Idempotent-Replayed: true`, and is not carried out again."
            .to_owned(),
    );
    key.schema = Some(ObjectBuilder::new().schema_type(Type::String).into());
    operation.parameters.get_or_insert_default().push(RefOr::T(key));
    let responses = &mut operation.responses.responses;
    for (status, told) in [
        ("409", "`idempotency_in_progress`, or `secret_no_longer_available`: `details` names what was made."),
        ("422", "`idempotency_key_reused`: the key was used for another request."),
    ] {
        let response = responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new("")));
        let RefOr::T(response) = response else { continue };
        response.description = format!("{} {told}", response.description).trim_start().to_owned();
        if (status, shape) == ("422", Shape::V1) {
            response.description.insert_str(0, "The request breaks its rules; every problem at once. Or ");
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

/// An operation's body has no unknown fields, and may be left out where none is required.
fn complete_body(operation: &mut Operation, components: &mut Components) -> Option<()> {
    let RefOr::T(body) = operation.request_body.as_mut()? else { return None };
    let RefOr::T(content) = body.content.get("application/json")? else { return None };
    let RefOr::Ref(reference) = content.schema.as_ref()? else { return None };
    let name = reference.ref_location.rsplit('/').next()?;
    let RefOr::T(Schema::Object(object)) = components.schemas.get_mut(name)? else { return None };
    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    body.required = Some(if object.required.is_empty() { Required::False } else { Required::True });
    Some(())
}
