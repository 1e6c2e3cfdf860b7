//! `leak report`: keys that were found, from whoever hands operators a list of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead as _};

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::CliError;
use super::database::{OpenedDatabase, with_schema};
use super::output::Output;
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::identity::key_patterns::KeyPatterns;
use crate::routes::leaks::input::{LeakReport, kept_url};
use crate::routes::leaks::response::{Outcome, respond};
use crate::routes::leaks::store::owners;

/// Keys that one statement looks up.
const SLICE: usize = 500;
/// The outcome of a line that is no key.
const MALFORMED: &str = "malformed";

#[derive(Debug, Subcommand)]
pub enum LeakCommand {
    /// Report leaked keys, one a line on standard input; each ends as its org wants it
    Report {
        /// Who found them, as their owners are told: lower-case letters, digits, - and _
        #[arg(long, value_parser = source)]
        source: String,
        /// Where they were found
        #[arg(long)]
        url: Option<String>,
    },
}

fn source(text: &str) -> Result<String, &'static str> {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let fits = (1..=40).contains(&text.len()) && text.bytes().all(is_name);
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 40 lower-case letters, digits, - and _") }
}

pub async fn run(config: &Config, command: LeakCommand, output: Output) -> Result<(), CliError> {
    let LeakCommand::Report { source, url } = command;
    let mut counts: BTreeMap<&str, u64> =
        Outcome::ALL.iter().map(|outcome| (outcome.name(), 0)).chain([(MALFORMED, 0)]).collect();
    let lines: Result<Vec<_>, _> = io::stdin().lock().lines().map(|line| line.map(Zeroizing::new)).collect();
    let lines = lines?;
    with_schema(config, async |opened| {
        let keyring = opened.keyring().await?;
        let patterns = KeyPatterns::new(opened.db.clone(), keyring.clone(), Clock::system());
        let mut reports = Vec::new();
        for text in lines.iter().map(|line| line.trim()).filter(|text| !text.is_empty()) {
            match patterns.key(text.as_bytes()).await? {
                Some(key) => reports.push(LeakReport {
                    key: Some(key),
                    text: None,
                    source: Cow::Owned(source.clone()),
                    url: url.as_deref().and_then(kept_url),
                    note: None,
                }),
                None => *counts.entry(MALFORMED).or_default() += 1,
            }
        }
        for slice in reports.chunks(SLICE) {
            report(opened, &keyring, slice, &mut counts).await?;
        }
        let lines: Vec<_> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        output.show(&json!(counts), lines.join(", "))
    })
    .await
}

async fn report(
    opened: &OpenedDatabase,
    keyring: &Keyring,
    reports: &[LeakReport],
    counts: &mut BTreeMap<&str, u64>,
) -> Result<(), CliError> {
    let keys: Vec<_> = reports.iter().map(|report| report.key.as_ref()).collect();
    let owners = owners(&opened.db.pool, keyring, &keys).await?;
    for (report, owner) in reports.iter().zip(owners) {
        let outcome = match owner {
            None => Outcome::Unknown,
            Some((org_id, key_id)) => {
                let mandate = Mandate::operator(org_id, keyring);
                respond(&opened.db, &Clock::system(), mandate, key_id, report).await?
            }
        };
        *counts.entry(outcome.name()).or_default() += 1;
    }
    Ok(())
}
