//! Reports of GitHub's secret scanning partner programme: many matches in one body, signed over its very bytes.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::input::{GithubMatch, LeakReport};
use super::store;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::features::Feature;
use crate::http::input::{read_body, refuse_query, require_media_type};
use crate::state::App;

/// The largest body, in bytes: some thousands of matches.
const MAX_BODY: usize = 1024 * 1024;
/// Keys that one statement looks up.
const SLICE: usize = 1_000;

/// What was found, as GitHub sends it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read into a `GithubMatch`")]
pub struct GithubLeak {
    /// What matches.
    #[schema(example = "tk_test_0000000000000000000000000000000000000000000000000")]
    token: String,
    /// The pattern's name.
    #[schema(rename = "type", example = "partner_api_tenant_key")]
    kind: String,
    /// Where it was found; may be empty.
    #[schema(required = false, example = "https://github.com/octocat/Hello-World/blob/main/.env")]
    url: String,
    /// In what.
    #[schema(required = false, example = "content")]
    source: String,
}

/// Whether a match was a key of ours, as GitHub reads it.
#[derive(Serialize, ToSchema)]
pub struct GithubLabel {
    /// SHA-256 of the token, in hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    token_hash: String,
    /// The pattern's name.
    #[schema(example = "partner_api_tenant_key")]
    token_type: String,
    /// `true_positive` for what is or was somebody's key.
    label: GithubVerdict,
}

/// See [`GithubLabel::label`].
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GithubVerdict {
    /// A key of this service, alive or not.
    TruePositive,
    /// Nobody's.
    FalsePositive,
}

/// Report leaks found by GitHub.
///
/// The endpoint for GitHub's secret scanning partner programme; authenticated by `Github-Public-Key-Identifier` and
/// `Github-Public-Key-Signature` (ECDSA P-256, SHA-256, over the raw body). 503 where operations have not set GitHub's
/// keys up. At most 1 MiB.
#[utoipa::path(
    post, path = "/v1/leaks/github", tag = "Leaks",
    request_body(
        content = Vec<GithubLeak>,
        example = json!([{
            "token": "tk_test_0000000000000000000000000000000000000000000000000", "type": "partner_api_tenant_key",
            "url": "https://github.com/octocat/Hello-World/blob/main/.env", "source": "content",
        }]),
    ),
    params(
        ("github-public-key-identifier" = Option<String>, Header, description = "The key that signed."),
        ("github-public-key-signature" = Option<String>, Header, description = "The signature in base64, of the DER form."),
    ),
    responses(
        (status = 200, description = "What each match was, in order.", body = Vec<GithubLabel>),
        (status = 401, description = "`unauthorized`: not signed by a current key of GitHub's."),
    ),
)]
pub async fn report_github_leaks(
    State(app): State<App>,
    request: Request,
) -> Result<Json<Vec<GithubLabel>>, ApiError> {
    app.require_live(Feature::LeakReports)?;
    let (parts, body) = request.into_parts();
    refuse_query(&parts, app.clock.now())?;
    let Some(file) = app.config.github_keys.clone() else { return Err(not_set_up(&app)) };
    let keys = spawn_blocking(move || file.current()).await.map_err(ApiError::internal)?;
    let header = |name: &str| one(&parts.headers, name).map(ToOwned::to_owned).ok_or(Code::Unauthorized);
    let identifier = header("github-public-key-identifier")?;
    let signature = header("github-public-key-signature")?;
    // Before a byte of a stranger's body is read.
    if !keys.knows(&identifier) {
        return Err(Code::Unauthorized.into());
    }
    require_media_type(&parts.headers, "application/json")?;
    let body = read_body(&parts.headers, body, MAX_BODY).await?;
    let matches = app.workers.run(move || {
        if !keys.signed(&identifier, &signature, &body) {
            return Err(ApiError::from(Code::Unauthorized));
        }
        serde_json::from_slice::<Vec<GithubMatch>>(&body).map_err(|_| malformed())
    });
    labelled(&app, matches.await??).await.map(Json)
}

async fn labelled(app: &App, matches: Vec<GithubMatch>) -> Result<Vec<GithubLabel>, ApiError> {
    let mut reports: Vec<LeakReport> = matches.iter().map(GithubMatch::report).collect();
    for report in &mut reports {
        // Whatever is left without a key is nobody's.
        report.complete(&app.identity.key_patterns).await?;
    }
    let (mut owners, mut known) = (Vec::with_capacity(reports.len()), Vec::new());
    for slice in reports.chunks(SLICE) {
        let keys: Vec<_> = slice.iter().map(|report| report.key.as_ref()).collect();
        owners.extend(store::owners(&app.db.pool, &app.keyring, &keys).await?);
    }
    let labels = matches.into_iter().zip(&owners).map(|(found, owner)| GithubLabel {
        token_hash: hex::encode(Sha256::digest(&found.token)),
        token_type: found.kind,
        label: if owner.is_some() { GithubVerdict::TruePositive } else { GithubVerdict::FalsePositive },
    });
    let labels = labels.collect();
    known.extend(reports.into_iter().zip(owners).filter_map(|(report, owner)| owner.map(|_| report)));
    app.leaks.push(known)?;
    Ok(labels)
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let only = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(only)
}

fn malformed() -> ApiError {
    let msg = "must be a list of matches with token and type";
    ApiError::Invalid(vec![Problem::within_body([], ProblemKind::ModelAttributesType, msg)])
}

/// As a feature that is not live (contract 2).
fn not_set_up(app: &App) -> ApiError {
    let message = format!(
        "GitHub's reports of leaks are not set up here. Please ask your integration contact: {}.",
        app.config.integration_contact
    );
    ApiError::with_message(Code::ServiceUnavailable, message).retry_after(86_400)
}
