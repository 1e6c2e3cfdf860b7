//! The rules for asking for a report and for deleting one (contract 12.4), as pure functions.

use uuid::Uuid;

use super::input::CreateReport;
use crate::changes::OrgState;
use crate::error::{ApiError, Code};

/// Reports of an org that may wait or be in the making.
pub const MAX_WAITING: i64 = 4;
/// Reports of an org whose content is kept: what is not fetched must not fill the disk.
pub const MAX_KEPT: i64 = 100;

/// The org's reports, as far as the rules look, at one revision of the org.
#[derive(Clone, Copy, Debug)]
pub struct OrgReports {
    /// The org.
    pub org: OrgState,
    /// Those that wait or are in the making.
    pub waiting: i64,
    /// Those whose content is kept.
    pub kept: i64,
    /// The report that is named is there.
    pub is_there: bool,
    /// The key that was chosen is still one to encrypt reports to.
    pub has_key: bool,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportPlan {
    /// The new report is to be made.
    Create,
    /// This one is to go.
    Delete(Uuid),
}

impl ReportPlan {
    /// As the audit log names it.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Create => "report.created",
            Self::Delete(_) => "report.deleted",
        }
    }
}

impl OrgReports {
    /// Asks for a report.
    ///
    /// # Errors
    /// 403 for a key that administers nothing, `no_report_key`, `too_many_reports`.
    pub fn create(&self) -> Result<Option<ReportPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        if !self.has_key {
            return Err(Code::NoReportKey.into());
        }
        if self.waiting >= MAX_WAITING {
            return Err(Code::TooManyReports.into());
        }
        if self.kept >= MAX_KEPT {
            const MESSAGE: &str = "100 reports are kept already; delete some, or wait until they expire.";
            return Err(ApiError::with_message(Code::TooManyReports, MESSAGE));
        }
        Ok(Some(ReportPlan::Create))
    }

    /// Deletes a report.
    ///
    /// # Errors
    /// 403 for a key that administers nothing; 404.
    pub fn delete(&self, id: Uuid) -> Result<Option<ReportPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        if self.is_there { Ok(Some(ReportPlan::Delete(id))) } else { Err(Code::NotFound.into()) }
    }
}

/// What a new report is made of, as it is stored.
#[derive(Debug)]
pub struct NewReport {
    /// Its id.
    pub id: Uuid,
    /// What was asked for.
    pub wanted: CreateReport,
    /// The key that it is encrypted to; `None` where there is none.
    pub key: Option<ChosenKey>,
}

/// The public key that a report is encrypted to.
#[derive(Clone, Debug)]
pub struct ChosenKey {
    /// Its `UniqueId`.
    pub unique_id: Uuid,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its type.
    pub kind: &'static str,
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::changes::CallerState;
    use crate::crypto::audit_chain::Head;
    use crate::identity::stage::KeyStage;

    fn org(caller: CallerState) -> OrgReports {
        let org = OrgState { caller, ..OrgState::new(Head::default(), DateTime::UNIX_EPOCH) };
        OrgReports { org, waiting: 0, kept: 0, is_there: true, has_key: true }
    }

    fn outcome(decided: Result<Option<ReportPlan>, ApiError>) -> &'static str {
        match decided {
            Ok(plan) => plan.map_or("nothing", ReportPlan::action),
            Err(ApiError::Invalid(_)) => "422",
            Err(ApiError::Failed(failure)) => failure.code.name(),
        }
    }

    #[test]
    fn four_may_wait_and_a_hundred_be_kept() {
        let keyless = org(CallerState::KEYLESS);
        assert_eq!(outcome(OrgReports { waiting: 3, kept: 99, ..keyless }.create()), "report.created");
        assert_eq!(outcome(OrgReports { waiting: 4, ..keyless }.create()), "too_many_reports");
        assert_eq!(outcome(OrgReports { kept: 100, ..keyless }.create()), "too_many_reports");
        assert_eq!(outcome(OrgReports { waiting: 4, has_key: false, ..keyless }.create()), "no_report_key");
    }

    #[test]
    fn what_is_not_there_is_not_deleted_and_a_full_house_stops_no_deletion() {
        let keyless = OrgReports { waiting: 4, kept: 100, has_key: false, ..org(CallerState::KEYLESS) };
        assert_eq!(outcome(keyless.delete(Uuid::nil())), "report.deleted");
        assert_eq!(outcome(OrgReports { is_there: false, ..keyless }.delete(Uuid::nil())), "not_found");
    }

    #[test]
    fn a_superseded_key_asks_for_no_report_and_a_dead_one_is_no_key() {
        let superseded = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
        let dead = CallerState { is_live: false, ..CallerState::KEYLESS };
        for (caller, expected) in [(superseded, "key_superseded"), (dead, "unauthorized")] {
            let org = OrgReports { has_key: false, is_there: false, ..org(caller) };
            assert_eq!(outcome(org.create()), expected);
            assert_eq!(outcome(org.delete(Uuid::nil())), expected);
        }
    }
}
