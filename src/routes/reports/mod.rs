//! Reports on all that an org has, made in the background and encrypted to a key of the partner's (contract 12.4). What
//! makes them is `background::reports`.

pub(crate) mod content;
pub(crate) mod input;
pub(crate) mod reply;
mod rules;
pub(crate) mod store;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::content::Content;
use self::input::{CreateReport, ReportPath};
use self::reply::{Report, ReportContent, ReportStatus, RequestedReport};
use self::rules::{ChosenKey, NewReport, OrgReports};
use self::store::Reports;
use crate::changes::{Change, Mandate, Rule};
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Page};
use crate::idempotency::{self, Once, Reply};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::identity::signatures::ACCEPT_SIGNATURE;
use crate::ids::new_row_id;
use crate::routes::public_keys::delivery::{EncryptedTo, LiveKey, Which};
use crate::routes::public_keys::usage::Usage;
use crate::state::App;

/// The route of contents, which are encrypted already.
pub const CONTENT_PATH: &str = "/v1/admin/org/reports/{report_id}/content";

/// `/v1/admin/org/reports`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_report, list_reports))
        .routes(routes!(get_report, delete_report))
        .routes(routes!(get_report_content))
}

/// Ask for a report.
///
/// It is made in the background, from one moment's state, and encrypted to the `Reports` key that you registered last:
/// as an OpenPGP message for a certificate, as compact JWE, one a line, for an RSA key. `report.ready` or
/// `report.failed` comes on the stream `credentials`.
#[utoipa::path(
    post, path = "/v1/admin/org/reports", tag = "Reports", request_body = CreateReport,
    extensions(("x-required-scope" = json!(KeyScope::ReportsWrite))),
    responses(
        (status = 202, description = "It will be made.", body = Data<RequestedReport>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 409, description = "`no_report_key`, or `too_many_reports`: 4 wait or are being made, or 100 are kept."),
    ),
)]
async fn create_report(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<CreateReport>,
) -> Result<Response, ApiError> {
    let (change, requested) = request(&app, mandate, input).await?;
    let reply =
        move |()| Reply::new(StatusCode::ACCEPTED, &Data { data: requested.ok_or(Code::NoReportKey)? });
    let response = idempotency::execute(&app, claim, change, reply).await?;
    app.report_wanted.notify_one();
    Ok(response)
}

/// Chooses the key for a report, and asks for it: the change, and what is then to be shown.
///
/// # Errors
/// When the org's keys cannot be looked at.
pub(crate) async fn request(
    app: &App,
    mandate: Mandate,
    wanted: CreateReport,
) -> Result<(Change<Reports, impl Rule<Reports> + use<>>, Option<RequestedReport>), ApiError> {
    let key = LiveKey::find(app, mandate.org_id, Which::For(Usage::Reports), true).await?;
    let key = key.map(|key| ChosenKey {
        unique_id: key.unique_id,
        fingerprint: key.fingerprint,
        kind: key.kind.name(),
    });
    let (id, kind) = (new_row_id(), wanted.kind);
    let requested = key.clone().map(|ChosenKey { unique_id, fingerprint, .. }| RequestedReport {
        report_id: id,
        kind,
        status: ReportStatus::Queued,
        encrypted_to: EncryptedTo::of(unique_id, fingerprint),
    });
    let reports = Reports { named: None, new: Some(NewReport { id, wanted, key }) };
    Ok((mandate.change(&app.clock, reports, OrgReports::create), requested))
}

/// List reports.
///
/// Ordered by creation, oldest first. They stay in the list for 30 days.
#[utoipa::path(
    get, path = "/v1/admin/org/reports", tag = "Reports", params(Page),
    extensions(("x-required-scope" = json!(KeyScope::ReportsRead))),
    responses((status = 200, description = "A page of reports.", body = List<Report>)),
)]
async fn list_reports(
    State(app): State<App>,
    partner: Partner,
    Valid(page): Valid<Page>,
) -> Result<Json<List<Report>>, ApiError> {
    let (db, org_id, now) = (&app.db.pool, partner.org_id, app.clock.now());
    let (rows, counted) = store::list(db, org_id, page).await?;
    let total = app.totals.total("reports", org_id, counted, async || store::count(db, org_id).await).await?;
    let reports: Result<_, _> = rows.into_iter().map(|row| Report::of(row, now)).collect();
    Ok(Json(page.of(reports?, total)))
}

/// Show a report.
///
/// How far it is, and once it is ready, how long.
#[utoipa::path(
    get, path = "/v1/admin/org/reports/{report_id}", tag = "Reports", params(ReportPath),
    extensions(("x-required-scope" = json!(KeyScope::ReportsRead))),
    responses(
        (status = 200, description = "The report.", body = Data<Report>),
        (status = 404, description = "`not_found`: this org has no such report."),
    ),
)]
async fn get_report(
    State(app): State<App>,
    partner: Partner,
    Valid(ReportPath { report_id }): Valid<ReportPath>,
) -> Result<Json<Data<Report>>, ApiError> {
    let row = store::find(&app.db.pool, partner.org_id, report_id).await?.ok_or(Code::NotFound)?;
    Ok(Json(Data { data: Report::of(row, app.clock.now())? }))
}

/// Fetch a report's content.
///
/// For a certificate one binary OpenPGP message; for an RSA key compact JWE, one a line, whose plain texts are the
/// report one after the other. `Range` (one range of octets) goes on with what broke off; `If-Range` takes the `ETag`.
#[utoipa::path(
    get, path = CONTENT_PATH, tag = "Reports", params(ReportPath),
    extensions(("x-required-scope" = json!(KeyScope::ReportsRead))),
    responses(
        (
            status = 200, description = "All of it.",
            content((ReportContent = "application/pgp-encrypted"), (ReportContent = "application/jose")),
            headers(
                ("Content-Disposition" = String, description = "`attachment`, with a name for the file."),
                ("Content-Length" = String, description = "Its length in octets."),
                ("ETag" = String, description = "Names this content, for `If-Range`."),
                ("Accept-Ranges" = String, description = "Always `bytes`."),
            ),
        ),
        (
            status = 206, description = "The range that was asked for.",
            content((ReportContent = "application/pgp-encrypted"), (ReportContent = "application/jose")),
            headers(("Content-Range" = String, description = "Which range of how much.")),
        ),
        (status = 404, description = "`not_found`: this org has no such report, or its content has expired."),
        (status = 409, description = "`report_not_ready`"),
        (
            status = 416, description = "`range_not_satisfiable`: it is shorter than that.",
            headers(("Content-Range" = String, description = "`bytes */` and its length.")),
        ),
    ),
)]
async fn get_report_content(
    State(app): State<App>,
    partner: Partner,
    method: Method,
    headers: HeaderMap,
    Valid(ReportPath { report_id }): Valid<ReportPath>,
) -> Result<Response, ApiError> {
    let org = app.identity.org(partner.org_id).await?.ok_or(Code::Forbidden)?;
    let is_signed = headers.contains_key(&ACCEPT_SIGNATURE) || org.policy.signs_responses;
    Content::find(&app, partner.org_id, report_id).await?.answer(&app, &method, &headers, is_signed).await
}

/// Delete a report.
///
/// Also one that waits or is being made: then it is not made. Its content can no longer be fetched.
#[utoipa::path(
    delete, path = "/v1/admin/org/reports/{report_id}", tag = "Reports", params(ReportPath),
    extensions(("x-required-scope" = json!(KeyScope::ReportsWrite))),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`not_found`: this org has no such report."),
    ),
)]
async fn delete_report(
    State(app): State<App>,
    mandate: Mandate,
    Valid(ReportPath { report_id }): Valid<ReportPath>,
) -> Result<StatusCode, ApiError> {
    let reports = Reports { named: Some(report_id), new: None };
    let change = mandate.change(&app.clock, reports, move |org: &OrgReports| org.delete(report_id));
    change.execute(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}
