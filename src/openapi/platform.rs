//! The OpenAPI document of the platform's own side (contract 15): `/internal/openapi.json`.

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, Server};

use super::{base, requirement, tag};
use crate::routes::internal::Required;

const SCHEME: &str = "PlatformToken";

const DESCRIPTION: &str = "\
The platform's own side of partner-api, on the internal listener: orgs are made, changed, suspended, recovered and \
deleted here, and the platform's own events are published to them.

**Credentials.** `Authorization: Bearer pt_...`, a token that an operator makes with `partner-api token create`. \
`x-required-scope` says of each operation which scope of the token it takes; without it 403 `insufficient_scope`.

**Conventions.** Those of the public document: JSON in snake_case, success is `{\"data\": ...}`, unknown fields and \
query parameters are refused, errors have a code from a closed set, and every reply carries `x-request-id`.";

/// The tags and the subjects of their operations.
const TAGS: &[(&str, &str)] = &[
    ("Orgs", "The tenants, from their making to their end."),
    ("Events", "The platform's own streams, and what it publishes on them."),
];

/// Title, version, server, tags, the security scheme.
pub fn info() -> OpenApi {
    let mut document = base("partner-api, the platform's side", DESCRIPTION);
    let mut server = Server::new("/");
    server.description = Some("The internal listener that this document was fetched from.".to_owned());
    document.servers = Some(vec![server]);
    document.tags = Some(TAGS.iter().map(tag).collect());
    let mut components = Components::new();
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some("A token from `partner-api token create`.".to_owned());
    components.add_security_scheme(SCHEME, SecurityScheme::Http(token));
    document.components = Some(components);
    document
}

/// Writes of operations which token, and which of its scopes, they take.
pub fn guard(document: &mut OpenApi, required: Required) {
    for item in document.paths.paths.values_mut() {
        if let Some(operation) = &mut item.get {
            take(operation, required.reads.name());
        }
        item_changes(item).for_each(|operation| take(operation, required.changes.name()));
    }
}

fn take(operation: &mut Operation, scope: &str) {
    operation.security = Some(vec![requirement(SCHEME)]);
    let extension = ExtensionsBuilder::new().add("x-required-scope", scope).build();
    operation.extensions.get_or_insert_default().merge(extension);
}

fn item_changes(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}
