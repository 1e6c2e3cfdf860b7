//! `/v1/auth/signature/check`: what the service would make of a signed request, for engineers who sign
//! (contract 12.1).

mod input;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use message_signatures::{Signed, digest};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::CheckSignature;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::identity::orgs::OrgRecord;
use crate::identity::signatures::SignedBase;
use crate::ids::parse_uuid;
use crate::state::App;

/// The route, which takes unsigned requests whatever the org's policy is.
pub const CHECK_PATH: &str = "/v1/auth/signature/check";

const NO_KEY: &str = "`keyid` is not the UniqueId of a live key of yours with the usage Authentication";
const NO_PROVEN_KEY: &str =
    "`keyid` is not the UniqueId of a live and proven key of yours with the usage Authentication";

/// `/v1/auth/signature/check`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(check_signature))
}

/// What the service would have verified.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SignatureCheck {
    /// Whether the request would pass.
    valid: bool,
    /// The first thing that is wrong, for people.
    #[schema(required, example = "`content-digest` is not covered")]
    problem: Option<String>,
    /// The signature base (RFC 9421 2.5) as the service makes it, once it can: compare it with yours, byte for byte.
    #[schema(required)]
    signature_base: Option<String>,
    /// The key that the signature names.
    #[schema(required)]
    keyid: Option<String>,
    /// The algorithm that is verified.
    #[schema(required, example = "rsa-pss-sha512")]
    algorithm: Option<String>,
    /// The components that are covered.
    covered: Vec<String>,
}

/// Check a signed request.
///
/// Says what the service would make of it, with your org's own keys. Nothing is stored and no nonce is used up;
/// whether a nonce was used before is not looked at.
#[utoipa::path(
    post, path = "/v1/auth/signature/check", tag = "Signatures", request_body = CheckSignature,
    extensions(("x-required-scope" = json!(KeyScope::PublicKeysRead))),
    responses((status = 200, description = "What would have been verified.", body = Data<SignatureCheck>)),
)]
async fn check_signature(
    State(app): State<App>,
    partner: Partner,
    Valid(request): Valid<CheckSignature>,
) -> Result<Json<Data<SignatureCheck>>, ApiError> {
    let org = app.identity.org(partner.org_id).await?.ok_or(Code::Forbidden)?;
    let is_proof_required = app.config.require_key_proof;
    let data = check(&request, app.identity.signed_base(), &org, app.clock.now(), is_proof_required);
    Ok(Json(Data { data }))
}

fn check(
    request: &CheckSignature,
    base: &SignedBase,
    org: &OrgRecord,
    now: DateTime<Utc>,
    is_proof_required: bool,
) -> SignatureCheck {
    let CheckSignature { method, target_uri, headers, body } = request;
    let failed = |problem: String| SignatureCheck { problem: Some(problem), ..SignatureCheck::default() };
    let Some(target) = base.target_of(target_uri) else {
        return failed("`target_uri` is not a URL of this service".to_owned());
    };
    match base.signed(method, target, headers, !body.is_empty()) {
        Err(problem) => failed(problem.to_string()),
        Ok(None) => failed("there is neither `signature-input` nor `signature`".to_owned()),
        Ok(Some(signed)) => {
            let problem = judge(&signed, request, org, now, is_proof_required).err();
            SignatureCheck {
                valid: problem.is_none(),
                problem,
                signature_base: Some(signed.signature_base().to_owned()),
                keyid: Some(signed.keyid().to_owned()),
                algorithm: Some(signed.algorithm().name().to_owned()),
                covered: signed.covered().to_vec(),
            }
        }
    }
}

/// In the order in which a request is judged.
fn judge(
    signed: &Signed,
    CheckSignature { headers, body, .. }: &CheckSignature,
    org: &OrgRecord,
    now: DateTime<Utc>,
    is_proof_required: bool,
) -> Result<(), String> {
    let told = |problem: message_signatures::Problem| problem.to_string();
    signed.check_time(now.timestamp()).map_err(told)?;
    signed.check_coverage().map_err(told)?;
    let key = parse_uuid(signed.keyid()).and_then(|unique_id| org.authentication_key(unique_id, now));
    let key = key.ok_or(if is_proof_required { NO_PROVEN_KEY } else { NO_KEY })?;
    signed.verify(&key.key).map_err(told)?;
    if !body.is_empty() || headers.contains_key("content-digest") {
        digest::check(headers, body).map_err(told)?;
    }
    Ok(())
}
