//! The input of the report routes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::input::{Body, Input, Reader};

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportType {
    /// Every user, with the profile.
    Users,
    /// Every entry of the audit log.
    AuditLog,
    /// Every event that is still kept, and its delivery.
    Events,
    /// Every tenant key, signing secret and public key, without what they are made of.
    Credentials,
}

impl ReportType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Users, Self::AuditLog, Self::Events, Self::Credentials];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::AuditLog => "audit_log",
            Self::Events => "events",
            Self::Credentials => "credentials",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The form of a report's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    /// A JSON object a line.
    Ndjson,
    /// RFC 4180, with a header.
    Csv,
}

impl ReportFormat {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ndjson, Self::Csv];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What to report on.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"type": "users", "format": "csv"}))]
pub struct CreateReport {
    /// On what.
    #[serde(rename = "type")]
    pub kind: ReportType,
    /// In which form; `ndjson` unless it says otherwise.
    #[schema(value_type = Option<ReportFormat>)]
    pub format: ReportFormat,
    /// Only what was created from here on,
    #[schema(example = "2026-11-01T00:00:00Z")]
    pub from: Option<DateTime<Utc>>,
    /// and before here.
    #[schema(example = "2026-12-01T00:00:00Z")]
    pub to: Option<DateTime<Utc>>,
}

impl Input for CreateReport {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        const TYPES: &str = "must be users, audit_log, events or credentials";
        let kind = request.body("type").required().choice(TYPES, ReportType::parse);
        let format = request.body("format").choice("must be ndjson or csv", ReportFormat::parse);
        let from = request.body("from").datetime();
        let to = request.body("to").datetime();
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            request.refuse("to", "must be later than from");
        }
        Some(Self { kind: kind?, format: format.unwrap_or(ReportFormat::Ndjson), from, to })
    }
}

/// Names a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ReportPath {
    /// The report's id.
    #[param(example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub report_id: Uuid,
}

impl Input for ReportPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { report_id: request.path("report_id").required().uuid()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in ReportType::ALL {
            assert_eq!(ReportType::parse(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for format in ReportFormat::ALL {
            assert_eq!(ReportFormat::parse(format.name()), Some(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
        assert_eq!((ReportType::parse("Users"), ReportFormat::parse("json")), (None, None));
    }
}
