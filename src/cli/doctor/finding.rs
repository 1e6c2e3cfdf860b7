//! What was found, how bad it is, and what to do about it.

use std::fmt::{self, Display};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::CliError;
use crate::cli::output::Output;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and should be otherwise.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The part of the installation.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was seen, without secrets.
    pub seen: String,
    /// What to do; none where it is as it should be.
    pub advice: Option<String>,
}

/// Everything that was looked at, in order.
#[derive(Debug, Default)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Something is as it should be.
    pub fn ok(&mut self, check: &'static str, seen: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, seen: seen.into(), advice: None });
    }

    /// Something works, and should be otherwise.
    pub fn warn(&mut self, check: &'static str, seen: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Warn, seen: seen.into(), advice: Some(advice.into()) });
    }

    /// Something does not work.
    pub fn fail(&mut self, check: &'static str, seen: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Fail, seen: seen.into(), advice: Some(advice.into()) });
    }

    /// Prints it, a line or two a finding, or as one object.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn print(&self, output: Output) -> Result<(), CliError> {
        let [warnings, failures] = [Level::Warn, Level::Fail].map(|level| self.count(level));
        let object = serde_json::json!({ "findings": self.0, "warnings": warnings, "failures": failures });
        let lines = self.0.iter().map(Finding::to_string);
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let summary = format!("{}, {}", counted(warnings, "warning"), counted(failures, "failure"));
        output.list(&object, lines.chain([summary]))
    }

    /// 0; 1 for warnings where those count; 2 for what does not work.
    pub fn exit_code(&self, is_strict: bool) -> ExitCode {
        match self.0.iter().map(|finding| finding.level).max() {
            Some(Level::Fail) => ExitCode::from(2),
            Some(Level::Warn) if is_strict => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        }
    }

    /// How bad each finding is, and what was seen.
    #[cfg(test)]
    pub fn levels(&self) -> Vec<(Level, String)> {
        self.0.iter().map(|finding| (finding.level, finding.seen.clone())).collect()
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:4}  {:14}  {}", self.check, self.seen)?;
        match &self.advice {
            Some(advice) => write!(f, "\n{:22}do: {advice}", ""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_code_and_warnings_count_only_where_asked() {
        let code = |report: &Report, strict| format!("{:?}", report.exit_code(strict));
        let (zero, one, two) = (ExitCode::SUCCESS, ExitCode::from(1), ExitCode::from(2));
        let mut report = Report::default();
        report.ok("clock", "equal");
        assert_eq!(code(&report, true), format!("{zero:?}"));
        report.warn("clock", "1.2 s apart", "run NTP");
        assert_eq!(code(&report, false), format!("{zero:?}"));
        assert_eq!(code(&report, true), format!("{one:?}"));
        report.fail("database", "nothing listens at 127.0.0.1:1", "start it");
        assert_eq!(code(&report, false), format!("{two:?}"));
        assert_eq!(
            report.0[1].to_string(),
            "warn  clock           1.2 s apart\n                      do: run NTP"
        );
    }
}
