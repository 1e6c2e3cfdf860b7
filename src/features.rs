//! The one table of features: which there are, their routes, and whether they are live
//! (contract 2). The router, the OpenAPI document and `GET /v1/features` are made from it.

use std::borrow::Cow;

use axum::routing::{MethodFilter, on};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{HttpMethod, Required};
use utoipa_axum::router::OpenApiRouter;

use crate::error::{ApiError, Code};
use crate::openapi::NOT_LIVE_YET;
use crate::routes;
use crate::state::App;

/// Seconds after which it may make sense to ask for a feature again: a day.
const RETRY_AFTER: u32 = 86_400;

/// Something that can be live, switched off, or still to come.
pub struct Feature {
    /// The name in `DISABLED_FEATURES` and `GET /v1/features`.
    pub name: &'static str,
    /// Whether `DISABLED_FEATURES` may name it.
    pub switchable: bool,
    /// Its routes, for partners.
    pub routes: Routes,
    /// Its routes that take members as well.
    pub for_members: Option<fn() -> OpenApiRouter<App>>,
    /// Whether a POST may be answered with a secret.
    pub shows_secrets: bool,
}

/// A feature's routes.
pub enum Routes {
    /// Built.
    Live(fn() -> OpenApiRouter<App>),
    /// Known, and answered with 503.
    Planned(&'static [PlannedRoute]),
}

/// Method, path, operation id and summary of a route to come.
pub struct PlannedRoute(HttpMethod, &'static str, &'static str, &'static str);

use HttpMethod::{Delete, Get, Patch, Post, Put};
use PlannedRoute as To;
use Routes::{Live, Planned};

/// Every feature there is.
#[rustfmt::skip]
pub static FEATURES: &[Feature] = &[
    switchable("users", Live(routes::users::routes)).for_members(routes::users::of_one_user),
    switchable("user_bulk", Live(routes::users::bulk::routes)),
    switchable("tenant_key_rotation", Live(routes::tenant_keys::rotation)).showing_secrets(),
    switchable("tenant_keys", Live(routes::tenant_keys::routes)).showing_secrets(),
    switchable("signing_secret_rotation", Live(routes::signing_secrets::routes)).showing_secrets(),
    switchable("event_queues", Live(|| routes::queues::routes().merge(routes::events::routes()))),
    switchable("public_keys", Live(routes::public_keys::routes)),
    switchable("member_tokens", Live(routes::member_tokens::routes)),
    switchable("audit_log", Live(routes::audit::routes)),
    planned("health_profile", &[
        To(Get, "/v1/users/{user_id}/health-profile", "get_health_profile", "Show a user's health profile."),
    ]),
    planned("privacy_settings", &[
        To(Get, "/v1/users/{user_id}/privacy-settings", "get_privacy_settings", "Show a user's privacy settings."),
        To(Patch, "/v1/users/{user_id}/privacy-settings", "update_privacy_settings", "Change a user's privacy settings."),
    ]),
    planned("devices", &[
        To(Get, "/v1/users/{user_id}/devices", "list_devices", "List a user's devices."),
    ]),
    planned("org_members", &[
        To(Get, "/v1/admin/org/members", "list_org_members", "List the org's members."),
    ]),
    planned("org_invites", &[
        To(Get, "/v1/admin/org/invites", "list_org_invites", "List the org's invites."),
        To(Post, "/v1/admin/org/invites", "create_org_invite", "Invite somebody to the org."),
    ]),
    // A queue type, refused by the queue routes.
    planned("azure_event_hubs", &[]),
];

const fn switchable(name: &'static str, routes: Routes) -> Feature {
    Feature { name, switchable: true, routes, for_members: None, shows_secrets: false }
}

const fn planned(name: &'static str, routes: &'static [PlannedRoute]) -> Feature {
    Feature { name, switchable: false, routes: Planned(routes), for_members: None, shows_secrets: false }
}

/// How a feature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FeatureState)]
pub enum Status {
    /// Works.
    Live,
    /// Built, but switched off by operations.
    Disabled,
    /// To come.
    Planned,
}

/// What operations switched off.
#[derive(Clone, Debug, Default)]
pub struct DisabledFeatures(Vec<&'static str>);

impl DisabledFeatures {
    /// Reads a comma list of names.
    ///
    /// # Errors
    /// Names the first that cannot be switched off.
    pub fn parse(list: &str) -> Result<Self, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name: &str| FEATURES.iter().find(|f| f.switchable && f.name == name).map(|f| f.name);
        names
            .map(|name| {
                known(name).ok_or_else(|| format!("{name:?} is not a feature that can be switched off"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the feature of this name is switched off.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// How `feature` stands.
    #[must_use]
    pub fn status(&self, feature: &Feature) -> Status {
        match feature.routes {
            Planned(_) => Status::Planned,
            Live(_) if self.0.contains(&feature.name) => Status::Disabled,
            Live(_) => Status::Live,
        }
    }

    /// Passes if `feature` is live.
    ///
    /// # Errors
    /// 503 with the message of contract 2.
    pub fn require(&self, feature: &Feature, contact: &str) -> Result<(), ApiError> {
        let state = match self.status(feature) {
            Status::Live => return Ok(()),
            Status::Disabled => "switched off at the moment",
            Status::Planned => "not live yet",
        };
        let message = format!(
            "The feature {} is {state}. Please ask your integration contact: {contact}.",
            feature.name
        );
        Err(ApiError::with_message(Code::ServiceUnavailable, Cow::Owned(message)).retry_after(RETRY_AFTER))
    }
}

impl Feature {
    const fn showing_secrets(mut self) -> Self {
        self.shows_secrets = true;
        self
    }

    const fn for_members(mut self, routes: fn() -> OpenApiRouter<App>) -> Self {
        self.for_members = Some(routes);
        self
    }

    /// Whether there is anything to mount.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        !matches!(self.routes, Planned([]))
    }

    /// The feature's routes with their documentation.
    #[must_use]
    pub fn router(&self) -> OpenApiRouter<App> {
        match self.routes {
            Live(routes) => routes(),
            Planned(routes) => {
                routes.iter().fold(OpenApiRouter::new(), |router, route| self.mount(router, route))
            }
        }
    }

    fn mount(
        &self,
        router: OpenApiRouter<App>,
        To(method, path, id, summary): &PlannedRoute,
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
            .operation_id(Some(*id))
            .summary(Some(*summary))
            .description(Some(format!(
                "Not live yet (feature `{}`): answers 503 with `Retry-After`.",
                self.name
            )))
            .parameters(Some(ids_in(path)))
            .tag(NOT_LIVE_YET);
        router.get_openapi_mut().paths.add_path_operation(*path, vec![method.clone()], operation.build());
        router
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_of_the_contracts_list_can_be_switched_off() {
        assert_eq!(DisabledFeatures::parse(" users, audit_log ,").unwrap().0, ["users", "audit_log"]);
        assert!(DisabledFeatures::parse("").unwrap().0.is_empty());
        for bad in ["user", "devices", "Users"] {
            assert!(DisabledFeatures::parse(bad).unwrap_err().contains(bad));
        }
    }
}
