//! The OpenAPI document: what is true of the whole API, added to what each route says of itself.

mod answers;
mod examples;
pub mod platform;
mod schemas;
pub mod webhooks;

use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityRequirement,
    SecurityScheme,
};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{Components, Contact, Info, License, OpenApi, Paths, RefOr, Required, Server};

use crate::crypto::tenant_key::KeyPrefix;
use crate::error::shape::{Shape, TOKEN_PATH};
use crate::idempotency;
use crate::idempotency::header::{IDEMPOTENCY_KEY, MIN_LENGTH_FOR_SECRETS};
use crate::identity::Access;
use crate::identity::key_scopes::KeyScope;
use crate::identity::oauth::SCOPE;

const DESCRIPTION: &str = "\
Users, API keys, signing secrets and public keys for partners.

**Credentials.** A partner's backend sends its tenant API key in `taih-tenant-key`, or \
`Authorization: Bearer` with a token from `POST /v1/oauth/token`, and nothing else. The \
headers `OrgId`, `X-Tenant-Key-Id` and `X-Gateway-Auth` are the gateway's: it removes whatever a client \
sends under these names, and sets its own. In local development, where no gateway stands in front, \
`OrgId: <the org's UUID>` can be sent by hand in place of the key. Apps of the partner's users send \
`Authorization: Bearer` with a member token.

**Scopes.** Each operation names the scope that it needs (`x-required-scope`); without it a tenant key or a token \
gets 403 `insufficient_scope`, and `details` name what is missing. A key may do everything unless it was made or changed \
with `scopes`; with `scope_policy` `report` it is only watched. A key rotates itself whatever its scopes.

**Conventions.** JSON in snake_case, instants in UTC as RFC 3339. Success is `{\"data\": ...}`. Unknown \
and repeated fields and query parameters are refused; `null` counts as absent, except in PATCH, where \
it clears. Every reply carries `x-request-id`; quote it to support.

**Errors.** A request that breaks a field's rules gets 422 with every problem at once. Every other error \
is `{\"error\": {\"code\", \"message\", \"details\", \"request_id\"}}` with a code from a closed set; \
`POST /v1/oauth/token` answers in RFC 6749's words. A resource of another organisation is answered exactly as one that does not exist.

**Limits.** An organisation has a share of what can be answered at the same time, and may have a rate: beyond either, \
429 `rate_limited` with `Retry-After`. While there is a rate, every reply to its requests tells what is left of it: \
`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). A key, or all that the organisation \
calls with, may be bound to networks: 403 `network_not_allowed` from elsewhere.

**Messages.** Requests may be signed (RFC 9421) by a registered key of the usage `Authentication`. A request with \
`Accept-Signature` gets a signed response: `Content-Digest`, `Signature-Input` and `Signature`, by the pair that was \
generated last for `ResponseSignature`. Every body of JSON may be sent as a compact JWE to a pair generated for \
`MessageLevelEncryption` (`Content-Type: application/jose`; 400 `decryption_failed`), and every successful reply of \
JSON can be had as one (`Accept: application/jose`). Without a key for what is asked for: 409 `no_response_key` or \
`no_encryption_key`, and nothing is changed.

**Not live yet.** A feature that is planned or switched off answers 503 with `Retry-After: 86400`.";

/// The tags and the subjects of their operations, in the order that the page shows them.
const TAGS: &[(&str, &str)] = &[
    ("Users", "The partner's users."),
    ("Tenant keys", "The keys that authenticate the partner's backends."),
    ("Signing secret", "The secrets that sign events."),
    ("Events", "What happened, and the partner's own queues that hear of it."),
    ("Public keys", "The partner's public keys, and pairs that are generated here."),
    ("Signatures", "Requests that a registered public key signs (RFC 9421)."),
    ("Reports", "All that the org has, encrypted to one of its public keys."),
    ("Portal", "Links to the pages on which your people see and change all of this."),
    ("OAuth", "Tokens for the partner's backends that hold a registered key (RFC 6749, RFC 7523)."),
    ("Leaks", "Keys that were found where others can read them."),
    ("Member tokens", "Tokens with which the partner's users call for themselves."),
    ("Org", "The org, and the log of what was changed in it."),
    ("Features", "What is live."),
    (NOT_LIVE_YET, "Planned: these answer 503 until they are built."),
];

/// The tag of planned operations.
pub const NOT_LIVE_YET: &str = "Not live yet";

/// Title, version, server, tags, security schemes.
pub fn info() -> OpenApi {
    let mut document = base("partner-api", DESCRIPTION);
    let mut server = Server::new("/");
    server.description = Some("The service that this document was fetched from.".to_owned());
    document.servers = Some(vec![server]);
    document.tags = Some(TAGS.iter().map(tag).collect());
    document.components = Some(credentials());
    document
}

/// A document that says no more than whose it is.
fn base(title: &str, description: &str) -> OpenApi {
    let mut info = Info::new(title, env!("CARGO_PKG_VERSION"));
    info.description = Some(description.to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut contact = Contact::new();
    contact.name = Some("Your integration contact".to_owned());
    info.contact = Some(contact);
    OpenApi::new(info, Paths::new())
}

fn tag((name, description): &(&str, &str)) -> Tag {
    TagBuilder::new().name(*name).description(Some(*description)).build()
}

/// The credentials that clients can authenticate with. `OrgId` is not among them: it is the
/// gateway's, and a client generated from this document would send it beside its key. The page
/// offers it all the same where it is served from this machine (`routes/docs/assets/init.js`).
fn credentials() -> Components {
    let mut components = Components::new();
    let description = "The tenant's API key, checked by the gateway or by the service itself.";
    let key = ApiKeyValue::with_description("taih-tenant-key", description);
    components.add_security_scheme("TenantKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
    let mut member = Http::new(HttpAuthScheme::Bearer);
    member.bearer_format = Some("JWT".to_owned());
    member.description = Some("A token from `POST /v1/auth/token`, for the user's own routes.".to_owned());
    components.add_security_scheme("MemberToken", SecurityScheme::Http(member));
    let each = KeyScope::ALL.iter().map(|scope| (scope.name().to_owned(), described(*scope)));
    let all = (SCOPE.to_owned(), "All that a tenant key may do.".to_owned());
    let scopes = Scopes::from_iter([all].into_iter().chain(each));
    let flow = Flow::ClientCredentials(ClientCredentials::new(TOKEN_PATH, scopes));
    let description = "A token from `POST /v1/oauth/token`. The client authenticates with `private_key_jwt`.";
    let partner = OAuth2::with_description([flow], description);
    components.add_security_scheme("PartnerToken", SecurityScheme::OAuth2(partner));
    components
}

/// What a scope allows, for people.
fn described(scope: KeyScope) -> String {
    let (what, how) = scope.name().split_once(':').unwrap_or_default();
    let what = match what {
        "tokens" => return "Issue member tokens.".to_owned(),
        "events" if how == "write" => return "Send events again.".to_owned(),
        "events" if how == "consume" => return "Fetch messages of a queue, and acknowledge them.".to_owned(),
        "org" => "the org",
        "audit" => "the audit log",
        "queues" => "event queues",
        "tenant_keys" => "tenant API keys",
        "signing_secrets" => "signing secrets",
        "public_keys" => "public keys",
        plain => plain,
    };
    format!("{} {what}.", if how == "read" { "Read" } else { "Change" })
}

/// The extension under which an operation says which scope it asks for.
pub const REQUIRED_SCOPE: &str = "x-required-scope";

/// The scope that an operation behind the gate declares.
///
/// # Panics
/// When it declares none of the list: a service that does not know what a route asks for does not start.
#[must_use]
pub fn required_scope(operation: &Operation) -> KeyScope {
    let extensions = operation.extensions.as_ref();
    let declared =
        extensions.and_then(|extensions| KeyScope::parse(extensions.get(REQUIRED_SCOPE)?.as_str()?));
    assert!(declared.is_some(), "{:?} declares no {REQUIRED_SCOPE} of contract 13.3", operation.operation_id);
    declared.expect("it was just asked for")
}

/// Writes whom a feature's operations take, and of its POSTs that they can be sent again (contract
/// 7). Those that are never told take anyone.
pub fn guard(document: &mut OpenApi, access: Access, shows_secrets: bool) {
    for (path, item) in &mut document.paths.paths {
        let can_repeat = !idempotency::EXEMPT.contains(&path.as_str());
        if let Some(operation) = item.post.as_mut().filter(|_| can_repeat) {
            operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key(shows_secrets)));
            answers::add_idempotency(operation, Shape::of(path), shows_secrets);
        }
        for operation in operations(item) {
            let scope = required_scope(operation);
            let token = SecurityRequirement::new("PartnerToken", [scope.name()]);
            let mut schemes = vec![requirement("TenantKey"), token];
            if access == Access::PartnersAndMembers {
                schemes.push(requirement("MemberToken"));
            }
            operation.security = Some(schemes);
        }
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

/// The header of a POST that can be sent again.
fn idempotency_key(shows_secrets: bool) -> Parameter {
    let at_least = if shows_secrets { MIN_LENGTH_FOR_SECRETS } else { 1 };
    let mut key = Parameter::new(IDEMPOTENCY_KEY.as_str());
    key.parameter_in = ParameterIn::Header;
    key.required = Required::False;
    key.description = Some(
        "Yours to choose: 1 to 255 characters, in quotes (a string of RFC 8941) or bare and without spaces; \
         at least 20 where the reply holds a secret. The same request with the same key within 24 hours \
         gets the same reply, with `Idempotent-Replayed: true`, and is not carried out again."
            .to_owned(),
    );
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(at_least));
    key.schema = Some(text.into());
    key
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
    all.into_iter().flatten()
}

/// Adds to every operation what holds for all: shared answers with an example of each error,
/// strict bodies. New keys begin with `prefix`.
pub fn complete(document: &mut OpenApi, prefix: KeyPrefix) {
    let components = document.components.get_or_insert_with(Components::new);
    schemas::name_inner(components);
    for (path, item) in &mut document.paths.paths {
        let shape = Shape::of(path);
        for operation in operations(item) {
            operation.security.get_or_insert_default();
            schemas::close_body(operation, components);
            examples::add_variants(operation, components);
            answers::complete(operation, shape, components);
        }
    }
    schemas::add_errors(components);
    schemas::name_key_prefix(components, prefix);
}

/// The document as it is served and committed.
#[must_use]
pub fn to_json(document: &OpenApi) -> String {
    let mut json = document.to_pretty_json().expect("plain data with string keys");
    json.push('\n');
    json
}
