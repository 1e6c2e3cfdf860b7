//! The input of the user routes.

use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::new_user::NewUser;
use super::user::Profile;
use crate::http::input::{Body, Field, Input, Patch, Reader};
use crate::ids::{OrgId, new_row_id};
use crate::request_id::TraceContext;

/// Names a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct UserPath {
    /// As the partner chose it.
    #[param(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    pub user_id: Uuid,
}

impl Input for UserPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { user_id: request.path("user_id").required().uuid()? })
    }
}

/// A user to create.
#[derive(ToSchema)]
pub struct CreateUser {
    /// Any UUID that is not a user of yours yet.
    #[schema(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    pub user_id: Uuid,
    /// Given name.
    #[schema(min_length = 1, max_length = 200, example = "Ada")]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(min_length = 1, max_length = 200, example = "Lovelace")]
    pub last_name: Option<String>,
    /// E-mail address.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    pub email: Option<String>,
}

impl Input for CreateUser {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let user_id = request.body("user_id").required().uuid();
        let first_name = name(request.body("first_name"));
        let last_name = name(request.body("last_name"));
        let email = request.body("email").email();
        Some(Self { user_id: user_id?, first_name, last_name, email })
    }
}

impl CreateUser {
    /// The user as it is stored.
    pub fn into_new_user(self, org_id: OrgId, trace: Option<TraceContext>) -> NewUser {
        let Self { user_id, first_name, last_name, email } = self;
        NewUser {
            org_id,
            user_id,
            id: new_row_id(),
            profile: Profile { first_name, last_name, email },
            trace,
        }
    }
}

/// Changes to a user's profile. Absent fields stay as they are, `null` clears.
#[derive(ToSchema)]
#[schema(example = json!({"first_name": "Ada", "last_name": "King"}))]
pub struct UpdateUser {
    /// Given name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Ada")]
    pub first_name: Patch<String>,
    /// Family name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "King")]
    pub last_name: Patch<String>,
    /// E-mail address.
    #[schema(value_type = Option<String>, format = Email, max_length = 254, example = "ada@example.com")]
    pub email: Patch<String>,
}

impl UpdateUser {
    /// Nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        let Self { first_name, last_name, email } = self;
        ![first_name, last_name, email].into_iter().any(Patch::is_change)
    }
}

impl Input for UpdateUser {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        request.body("user_id").immutable();
        let first_name = request.body("first_name").change(name);
        let last_name = request.body("last_name").change(name);
        let email = request.body("email").change(Field::email);
        Some(Self { first_name: first_name?, last_name: last_name?, email: email? })
    }
}

fn name(field: Field<'_>) -> Option<String> {
    field.text(1..=200)
}
