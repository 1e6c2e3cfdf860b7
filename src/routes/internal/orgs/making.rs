//! A new org, with its first credentials or with a claim to them: all of it, or nothing.

use serde::Serialize;
use utoipa::ToSchema;

use super::input::CreateOrg;
use crate::audit::Author;
use crate::changes::Mandate;
use crate::crypto::secret::{Secret, reveal_some};
use crate::db::suspects::DatabaseFailure;
use crate::error::ApiError;
use crate::ids::OrgId;
use crate::routes::claims;
use crate::routes::org::credentials::Maker;
use crate::routes::org::{self, OrgError};

/// A new org. Its credentials, or the link to them, are shown only here.
#[derive(Serialize, ToSchema)]
pub struct MadeOrg {
    /// The org's id, as in `OrgId`.
    #[schema(value_type = uuid::Uuid)]
    pub id: OrgId,
    /// As it was given.
    #[schema(example = "acme")]
    pub key: String,
    /// As it was given.
    #[schema(example = "Acme")]
    pub name: String,
    /// Its first API key; not with `claim`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub tenant_api_key: Option<Secret<String>>,
    /// Its first signing secret; not with `claim`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub signing_secret: Option<Secret<String>>,
    /// With `claim`: send a POST there, once, within 72 hours.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub claim_url: Option<Secret<String>>,
}

/// Makes an org; `show` sees it before that counts.
///
/// # Errors
/// 409 `org_already_exists`, or that the database cannot be asked.
pub async fn make<E>(
    maker: &Maker,
    author: Author,
    new: CreateOrg,
    show: impl FnOnce(&MadeOrg) -> Result<(), E> + Send + 'static,
) -> Result<MadeOrg, E>
where
    E: From<ApiError> + From<OrgError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
{
    let maker = maker.clone();
    maker
        .db
        .clone()
        .transaction(async move |mut tx| {
            let id = org::create(
                &mut *tx,
                &maker.clock,
                author.clone(),
                (&new.key, &new.name),
                &new.contact_emails,
            )
            .await?;
            let mandate = Mandate::of(id, author);
            let CreateOrg { key, name, claim, .. } = new;
            let mut made =
                MadeOrg { id, key, name, tenant_api_key: None, signing_secret: None, claim_url: None };
            if claim {
                made.claim_url = Some(claims::make(&mut tx, &maker, &mandate).await?);
            } else {
                let credentials = maker.provide(&mut tx, &mandate, "first key").await?;
                made.tenant_api_key = Some(credentials.tenant_api_key.into_secret());
                made.signing_secret = credentials.signing_secret;
            }
            show(&made)?;
            tx.commit().await?;
            Ok(made)
        })
        .await
}
