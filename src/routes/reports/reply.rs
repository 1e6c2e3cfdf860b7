//! Reports, as replies show them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::{ReportFormat, ReportType};
use super::store::ReportRow;
use crate::error::ApiError;
use crate::http::paging::{CursorPosition, Listed};
use crate::routes::public_keys::delivery::EncryptedTo;

/// How a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Waits to be made.
    Queued,
    /// Is being made.
    Running,
    /// Can be fetched.
    Ready,
    /// Cannot be made; `reason` says why.
    Failed,
    /// Its content is gone.
    Expired,
}

impl ReportStatus {
    /// How `row` stands at `now`: what has expired has, whether or not anybody has noted it.
    pub fn of(row: &ReportRow, now: DateTime<Utc>) -> Result<Self, ApiError> {
        Ok(match row.state.as_str() {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "ready" if row.expires_at.is_some_and(|at| at > now) => Self::Ready,
            "ready" | "expired" => Self::Expired,
            "failed" => Self::Failed,
            _ => return Err(ApiError::internal("a report in no state")),
        })
    }
}

/// A report that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestedReport {
    /// The report's id.
    #[schema(example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub report_id: Uuid,
    /// On what it is.
    #[serde(rename = "type")]
    pub kind: ReportType,
    /// How it stands.
    pub status: ReportStatus,
    /// The public key that it is encrypted to.
    pub encrypted_to: EncryptedTo,
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// The report's id.
    #[schema(example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    report_id: Uuid,
    /// On what it is.
    #[serde(rename = "type")]
    #[schema(value_type = ReportType)]
    kind: String,
    /// The form of its rows.
    #[schema(value_type = ReportFormat)]
    format: String,
    /// How it stands.
    status: ReportStatus,
    /// Rows in it; while it is being made, so far.
    #[schema(example = 1_000_000)]
    rows: i64,
    /// Octets of its content as it is fetched; while it is being made, so far.
    #[schema(example = 214_748_364)]
    bytes: i64,
    /// From 0 to 1.
    #[schema(minimum = 0, maximum = 1, example = 0.25)]
    progress: f64,
    /// The public key that it is encrypted to.
    encrypted_to: EncryptedTo,
    /// Only of what was created from here on.
    #[schema(required)]
    from: Option<DateTime<Utc>>,
    /// Only of what was created before here.
    #[schema(required)]
    to: Option<DateTime<Utc>>,
    /// Why it failed.
    #[schema(required, example = "the public key that it was to be encrypted to has ended")]
    reason: Option<String>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it was ready.
    #[schema(required)]
    ready_at: Option<DateTime<Utc>>,
    /// When its content goes, 7 days later.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
}

/// A content as it is fetched.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "documents a content's form")]
pub struct ReportContent(Vec<u8>);

impl Report {
    /// The report as it stands at `now`.
    pub fn of(row: ReportRow, now: DateTime<Utc>) -> Result<Self, ApiError> {
        let status = ReportStatus::of(&row, now)?;
        Ok(Self {
            report_id: row.id,
            kind: row.kind,
            format: row.format,
            status,
            rows: row.rows,
            bytes: row.bytes,
            progress: progress(status, row.rows, row.total),
            encrypted_to: EncryptedTo::of(row.unique_id, row.fingerprint),
            from: row.from,
            to: row.to,
            reason: row.reason,
            created_at: row.created_at,
            ready_at: row.ready_at,
            expires_at: row.expires_at,
        })
    }

    /// For operators: one line.
    pub fn described(&self) -> String {
        let Self { report_id, kind, format, rows, bytes, progress, .. } = self;
        let status = serde_json::to_value(self.status).unwrap_or_default();
        let status = status.as_str().unwrap_or_default();
        let reason = self.reason.as_deref().unwrap_or_default();
        format!(
            "{report_id}  {status:7}  {:3.0} %  {kind}  {format}  {rows} rows  {bytes} octets  {reason}",
            progress * 100.0
        )
    }
}

impl Listed for Report {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.created_at, id: self.report_id }
    }
}

/// In thousandths; 1 only for what is whole.
fn progress(status: ReportStatus, rows: i64, total: Option<i64>) -> f64 {
    match (status, total) {
        (ReportStatus::Ready | ReportStatus::Expired, _) => 1.0,
        (ReportStatus::Running | ReportStatus::Failed, Some(total)) if total > 0 => {
            (rows.clamp(0, total) * 1000 / total).min(999) as f64 / 1000.0
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_when_all_is_there_and_not_before() {
        for (status, rows, total, expected) in [
            (ReportStatus::Queued, 0, None, 0.0),
            (ReportStatus::Running, 0, None, 0.0),
            (ReportStatus::Running, 0, Some(0), 0.0),
            (ReportStatus::Running, 1, Some(4), 0.25),
            (ReportStatus::Running, 4, Some(4), 0.999),
            (ReportStatus::Failed, 1, Some(2), 0.5),
            (ReportStatus::Ready, 4, Some(4), 1.0),
            (ReportStatus::Ready, 0, Some(0), 1.0),
            (ReportStatus::Expired, 4, Some(4), 1.0),
        ] {
            assert!((progress(status, rows, total) - expected).abs() < 1e-9, "{status:?} {rows} {total:?}");
        }
    }
}
