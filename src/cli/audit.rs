//! `audit verify`: whether the audit log is what the service wrote.

use std::str::FromStr;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::{Output, note};
use crate::audit::verify::{self, Finding, Handover, VerifiedSubject};
use crate::config::Config;
use crate::crypto::audit_chain::{ChainKey, Head};
use crate::db::Db;
use crate::ids::OrgId;
use crate::routes::org::OrgError;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow the chain of every org's audit log; exits 1 if one is broken
    Verify {
        /// Only this org: its key, or, of a deleted one, its id
        #[arg(long)]
        org: Option<String>,
        /// A head that was kept, as `<seq>:<mac>`: the log must still contain it
        #[arg(long, requires = "org")]
        head: Option<Pinned>,
    },
}

/// A head as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Pinned(Head);

impl FromStr for Pinned {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, mac) = text.split_once(':').ok_or("a head is written <seq>:<mac>")?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or("the number of a row is above 0")?;
        Ok(Self(Head { seq, mac: Some(mac.parse()?) }))
    }
}

/// An org's chain that is broken.
#[derive(Debug, Serialize)]
struct BrokenLog {
    org_id: OrgId,
    org: Option<String>,
    #[serde(flatten)]
    finding: Finding,
}

/// The handovers of an org's log to renewed keys.
#[derive(Debug, Serialize)]
struct Handovers {
    org_id: OrgId,
    org: Option<String>,
    handovers: Vec<Handover>,
}

/// The sum of what was found.
#[derive(Debug, Default)]
struct Summary {
    orgs: u64,
    rows: i64,
    unchained: i64,
    broken: Vec<BrokenLog>,
    /// Orgs whose log was handed over to a renewed key, and where.
    handovers: Vec<Handovers>,
    /// Of the last org that was looked at.
    head: Head,
}

pub async fn run(config: &Config, command: AuditCommand, output: Output) -> Result<(), CliError> {
    let AuditCommand::Verify { org, head } = command;
    let is_one = org.is_some();
    let summary = with_schema(config, async |opened| {
        let keyring = opened.keyring().await?;
        verify(&opened.db, &keyring.audit(), org, head.map(|Pinned(head)| head)).await
    })
    .await?;
    print(&summary, is_one, output)?;
    match summary.broken.len() {
        0 => Ok(()),
        broken => Err(format!("the audit log of {broken} of {} orgs is broken", summary.orgs).into()),
    }
}

async fn verify(
    db: &Db,
    chain: &ChainKey,
    org: Option<String>,
    pinned: Option<Head>,
) -> Result<Summary, CliError> {
    let mut summary = Summary::default();
    if let Some(org) = org {
        let subject = verify::find_org(&db.pool, &org).await?.ok_or(OrgError::Unknown(org))?;
        summary.add(subject.clone(), verify::verify(&db.pool, chain, subject.org_id, pinned).await?);
        return Ok(summary);
    }
    let mut previous = None;
    while let Some(subject) = verify::next_org(&db.pool, previous).await? {
        previous = Some(subject.org_id);
        summary.add(subject.clone(), verify::verify(&db.pool, chain, subject.org_id, None).await?);
    }
    Ok(summary)
}

impl Summary {
    fn add(&mut self, VerifiedSubject { org_id, key }: VerifiedSubject, finding: Finding) {
        self.orgs += 1;
        self.rows += finding.rows;
        self.unchained += finding.unchained;
        self.head = finding.head;
        if !finding.handovers.is_empty() {
            let (org, handovers) = (key.clone(), finding.handovers.clone());
            self.handovers.push(Handovers { org_id, org, handovers });
        }
        if finding.broken.is_some() {
            self.broken.push(BrokenLog { org_id, org: key, finding });
        }
    }
}

fn print(summary: &Summary, is_one: bool, output: Output) -> Result<(), CliError> {
    let Summary { orgs, rows, unchained, broken, handovers, head } = summary;
    let mut found = json!({ "orgs": orgs, "rows": rows, "unchained": unchained, "broken": broken });
    if !handovers.is_empty() {
        found["handovers"] = json!(handovers);
    }
    if is_one {
        found["head"] = json!(head);
    }
    let mut lines: Vec<_> = broken.iter().filter_map(described).collect();
    if !output.json {
        note(format!("Read {rows} rows of {orgs} orgs; {unchained} rows are from before chaining began."));
        handovers.iter().for_each(Handovers::note);
    }
    if let (true, true, Some(mac)) = (is_one, broken.is_empty(), head.mac) {
        lines.push(format!("{}:{mac}", head.seq));
    }
    output.list(&found, lines)
}

impl Handovers {
    fn note(&self) {
        let org = self.org.as_deref().unwrap_or("deleted");
        for Handover { seq, key } in &self.handovers {
            note(format!("{} ({org}): handed over to the audit key {key} by row {seq}.", self.org_id));
        }
    }
}

fn described(BrokenLog { org_id, org, finding }: &BrokenLog) -> Option<String> {
    let broken = finding.broken.as_ref()?;
    let org = org.as_deref().unwrap_or("deleted");
    Some(format!("{org_id} ({org}): row {} {}", broken.seq, broken.problem.describe()))
}
