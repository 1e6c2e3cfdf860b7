//! The lines that are logged. `LOG` decides, but not alone: other crates print what passes through
//! them at their lower levels, headers, bodies and credentials among it, so theirs are capped.

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// The targets of our own lines: these alone may be as detailed as `LOG` wants.
const OURS: [&str; 3] = ["partner_api", "embedded_postgres", "access"];
/// The most that any other crate may log.
const OTHERS: LevelFilter = LevelFilter::INFO;
/// The most that these may log, by the begin of their names: they carry credentials and bodies.
const CAPPED: [(&str, LevelFilter); 7] = [
    ("aws", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("pgp", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];

/// A filter such as `info,sqlx=warn`, within the caps.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter(Targets);

impl LogFilter {
    /// As the log's machinery takes it.
    #[must_use]
    pub fn targets(&self) -> Targets {
        self.0.clone()
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        within_caps(LevelFilter::INFO, &[])
    }
}

impl FromStr for LogFilter {
    type Err = String;

    /// Levels and `target=level`, by commas. A word that is neither would silently become a
    /// target that nothing logs under.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut everywhere, mut targets) = (None, Vec::new());
        for directive in text.split(',').map(str::trim) {
            match directive.split_once('=') {
                None => everywhere = Some(level(directive).ok_or_else(|| wrong(directive))?),
                Some((target, word)) if is_target(target) => {
                    targets.push((target, level(word).ok_or_else(|| wrong(directive))?));
                }
                Some(_) => return Err(wrong(directive)),
            }
        }
        Ok(within_caps(everywhere.unwrap_or(LevelFilter::ERROR), &targets))
    }
}

fn wrong(directive: &str) -> String {
    format!(
        "`{directive}` is neither a level (off, error, warn, info, debug, trace) nor target=level; \
         such as info,sqlx=warn"
    )
}

fn level(word: &str) -> Option<LevelFilter> {
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    if is_word { word.parse().ok() } else { None }
}

/// A crate's or a module's name.
fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b))
}

/// The level of the longest of `targets` that `name` begins with.
fn of(name: &str, targets: &[(&str, LevelFilter)]) -> Option<LevelFilter> {
    let fits = targets.iter().filter(|(target, _)| name.starts_with(target));
    fits.max_by_key(|(target, _)| target.len()).map(|(_, level)| *level)
}

fn within_caps(everywhere: LevelFilter, targets: &[(&str, LevelFilter)]) -> LogFilter {
    let cap = |target: &str| match of(target, &CAPPED) {
        Some(cap) => cap,
        None if of(target, &OURS.map(|ours| (ours, LevelFilter::TRACE))).is_some() => LevelFilter::TRACE,
        None => OTHERS,
    };
    let wanted = |target: &str| of(target, targets).unwrap_or(everywhere);
    let always = CAPPED.iter().map(|(name, _)| *name).chain(OURS);
    let named = targets.iter().map(|(target, _)| *target);
    let all = always.chain(named).map(|target| (target.to_owned(), wanted(target).min(cap(target))));
    LogFilter(Targets::new().with_default(everywhere.min(OTHERS)).with_targets(all))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn logs(filter: &str, target: &str, level: Level) -> bool {
        filter.parse::<LogFilter>().unwrap().targets().would_enable(target, &level)
    }

    #[test]
    fn a_level_and_targets_of_their_own() {
        assert!(logs("info", "partner_api::serve", Level::INFO));
        assert!(!logs("info", "partner_api::serve", Level::DEBUG));
        assert!(logs("warn,partner_api::db=debug", "partner_api::db::pool", Level::DEBUG));
        assert!(!logs("warn,partner_api::db=debug", "partner_api::serve", Level::INFO));
        assert!(!logs("info,sqlx=warn", "sqlx::query", Level::INFO));
        assert!(!logs("off", "partner_api", Level::ERROR));
        assert!(logs("TRACE", "partner_api", Level::TRACE));
        assert_eq!("info".parse(), Ok(LogFilter::default()));
    }

    #[test]
    fn other_crates_never_log_what_passes_through_them() {
        for filter in ["trace", "trace,aws_smithy_runtime=trace,sqlx=trace,hyper=trace,rustls=trace,x=trace"]
        {
            for target in [
                "aws_smithy_runtime::client::orchestrator",
                "aws_sdk_sts::config",
                "hyper::proto::h1",
                "hyper_util::client",
                "rustls::client",
                "sqlx::query",
                "x",
                "ax::y",
            ] {
                assert!(!logs(filter, target, Level::DEBUG), "{filter}: {target}");
                assert!(logs(filter, target, Level::WARN), "{filter}: {target}");
            }
            assert!(logs(filter, "partner_api::db", Level::TRACE));
        }
        assert!(!logs("error", "hyper", Level::WARN));
        assert!(!logs("trace,hyper=off", "hyper::client", Level::ERROR));
    }

    #[test]
    fn what_is_no_filter_is_named() {
        for (filter, named) in [
            ("warning", "`warning`"),
            ("a=b=c", "`a=b=c`"),
            ("info,sqlx", "`sqlx`"),
            ("info,,sqlx=warn", "``"),
            ("info,", "``"),
            ("sqlx=", "`sqlx=`"),
            ("=info", "`=info`"),
            ("info;sqlx=warn", "`info;sqlx=warn`"),
            ("[span]=info", "`[span]=info`"),
            ("3", "`3`"),
        ] {
            let message = filter.parse::<LogFilter>().unwrap_err();
            assert!(message.starts_with(&format!("{named} is neither a level")), "{message}");
        }
    }
}
