//! Each feature's routes, live or planned; the gate stands before all of them. The router and the OpenAPI
//! document are made from this.

use axum::routing::{MethodFilter, on};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{HttpMethod, Required};
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::features::Feature;
use crate::identity::key_scopes::KeyScope::{self, OrgRead, OrgWrite, UsersRead, UsersWrite};
use crate::openapi::{NOT_LIVE_YET, REQUIRED_SCOPE};
use crate::routes::{
    audit, event_types, events, member_tokens, portal_sessions, public_keys, queues, reports, signatures,
    signing_secrets, tenant_keys, users,
};
use crate::state::App;

/// Method, path, scope, operation id and summary of a route to come.
struct PlannedRoute(HttpMethod, &'static str, KeyScope, &'static str, &'static str);

use HttpMethod::{Delete, Get, Patch, Post, Put};
use PlannedRoute as To;

/// A feature's routes, for partners; none where it is a value of another one's.
#[must_use]
pub fn routes(feature: Feature) -> Option<OpenApiRouter<App>> {
    Some(match feature {
        Feature::Users => users::routes(),
        Feature::UserBulk => users::bulk::routes(),
        Feature::TenantKeyRotation => tenant_keys::rotation(),
        Feature::TenantKeys => tenant_keys::routes(),
        Feature::SigningSecretRotation => signing_secrets::routes(),
        Feature::EventQueues => queues::routes().merge(events::routes()).merge(event_types::routes()),
        Feature::PublicKeys => public_keys::routes(),
        Feature::MemberTokens => member_tokens::routes(),
        Feature::AuditLog => audit::routes(),
        Feature::RequestSignatures => signatures::routes(),
        Feature::Reports => reports::routes(),
        Feature::Portal => portal_sessions::routes(),
        // Their routes take anyone, so they are not behind the gate; they ask for the feature themselves.
        Feature::OauthTokens | Feature::LeakReports => return None,
        // Their values of the queues' `type`.
        Feature::AzureEventHubs | Feature::Kafka => return None,
        planned => match planned_routes(planned) {
            [] => return None,
            routes => routes.iter().fold(OpenApiRouter::new(), |router, route| mount(planned, router, route)),
        },
    })
}

/// A feature's routes that take members as well.
#[must_use]
pub fn routes_for_members(feature: Feature) -> Option<OpenApiRouter<App>> {
    (feature == Feature::Users).then(users::of_one_user)
}

#[rustfmt::skip]
fn planned_routes(feature: Feature) -> &'static [PlannedRoute] {
    match feature {
        Feature::HealthProfile => &[
            To(Get, "/v1/users/{user_id}/health-profile", UsersRead, "get_health_profile", "Show a user's health profile."),
        ],
        Feature::PrivacySettings => &[
            To(Get, "/v1/users/{user_id}/privacy-settings", UsersRead, "get_privacy_settings", "Show a user's privacy settings."),
            To(Patch, "/v1/users/{user_id}/privacy-settings", UsersWrite, "update_privacy_settings", "Change a user's privacy settings."),
        ],
        Feature::Devices => &[
            To(Get, "/v1/users/{user_id}/devices", UsersRead, "list_devices", "List a user's devices."),
        ],
        Feature::OrgMembers => &[
            To(Get, "/v1/admin/org/members", OrgRead, "list_org_members", "List the org's members."),
        ],
        Feature::OrgInvites => &[
            To(Get, "/v1/admin/org/invites", OrgRead, "list_org_invites", "List the org's invites."),
            To(Post, "/v1/admin/org/invites", OrgWrite, "create_org_invite", "Invite somebody to the org."),
        ],
        _ => &[],
    }
}

fn mount(
    feature: Feature,
    router: OpenApiRouter<App>,
    &To(ref method, path, scope, id, summary): &PlannedRoute,
) -> OpenApiRouter<App> {
    let filter = match method {
        Get => MethodFilter::GET,
        Put => MethodFilter::PUT,
        Patch => MethodFilter::PATCH,
        Delete => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    let mut router = router.route(path, on(filter, unreachable));
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(Some(format!(
            "Not live yet (feature `{}`): answers 503 with `Retry-After`.",
            feature.name()
        )))
        .parameters(Some(ids_in(path)))
        .extensions(Some(Extensions::from_iter([(REQUIRED_SCOPE, scope.name())])))
        .tag(NOT_LIVE_YET);
    router.get_openapi_mut().paths.add_path_operation(path, vec![method.clone()], operation.build());
    router
}

/// The parameters of a planned route's path: ids, all of them.
fn ids_in(path: &str) -> impl Iterator<Item = Parameter> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| {
        let id = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("An id."))
            .schema(Some(id))
            .build()
    })
}

/// The gate answers before this.
async fn unreachable() -> ApiError {
    ApiError::internal("a planned route is mounted outside the gate")
}
