//! Walks the chains and finds the first row of each that is not as it was written. It reads pages
//! of rows, so memory does not grow with the log, and changes nothing.

use serde::Serialize;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::crypto::audit_chain::{AuditRow, ChainKey, Head, RowMac};
use crate::db::Pool;
use crate::ids::{OrgId, parse_uuid};

/// Rows a statement reads.
const PAGE: i64 = 1_000;
/// The action that an org's log must end with once the org is gone.
const LAST_WORDS: &str = "org.deleted";
/// The action of a row whose subject is the number of a renewed audit key: from there on, no older
/// one writes the log.
pub const HANDED_OVER: &str = "audit_key.renewed";

/// An org that has a log, or had one.
#[derive(Clone, Debug)]
pub struct VerifiedSubject {
    /// The tenant.
    pub org_id: OrgId,
    /// `None` once it is deleted.
    pub key: Option<String>,
}

/// The result of the walk along one org's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Rows that were read.
    pub rows: i64,
    /// Of these, how many are from before chaining began, and prove nothing.
    pub unchained: i64,
    /// The end of the walk.
    pub head: Head,
    /// The handovers of the log to a renewed key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The first fault, if there is any.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// A row from which on a log is written with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The row.
    pub seq: i64,
    /// The number of the key.
    pub key: i16,
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// At which row.
    pub seq: i64,
    /// The fault.
    pub problem: ChainProblem,
}

/// The faults that a chain can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainProblem {
    /// There is no row of this number.
    Missing,
    /// The row, its place or its MAC is not as it was written.
    WrongMac,
    /// The row is written with a key that had been replaced: whoever stole it may have done so.
    ReplacedKey,
    /// A row without a MAC follows one that has one.
    NotChained,
    /// The newest row is not the one that the org names.
    WrongHead,
    /// The org names no newest row, and is not said to be deleted.
    OrgMissing,
    /// The row is not the one that was pinned.
    NotAsPinned,
}

impl ChainProblem {
    /// For people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::WrongMac => "is not as it was written",
            Self::ReplacedKey => "is written with a key that had been replaced",
            Self::NotChained => "has no MAC, and rows before it have",
            Self::WrongHead => "is the newest, and the org names another as such",
            Self::OrgMissing => "is the newest of an org that is gone, and does not say that it was deleted",
            Self::NotAsPinned => "is not the one that was pinned",
        }
    }
}

/// The org after `previous`, in the order of ids.
///
/// # Errors
/// When the database cannot be asked.
pub async fn next_org(db: &Pool, previous: Option<OrgId>) -> Result<Option<VerifiedSubject>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        -- A step at a time along both indexes.
        WITH next AS MATERIALIZED (SELECT least(
            (SELECT id FROM orgs WHERE id > $1 ORDER BY id LIMIT 1),
            (SELECT org_id FROM audit_log WHERE org_id > $1 ORDER BY org_id LIMIT 1)) AS id)
        SELECT next.id AS "id!: OrgId", o.key AS "key?"
        FROM next LEFT JOIN orgs o ON o.id = next.id
        WHERE next.id IS NOT NULL
        "#,
        // No id of ours is nil.
        previous.map_or(Uuid::nil(), |org_id| org_id.0),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| VerifiedSubject { org_id: row.id, key: row.key }))
}

/// Follows an org's chain to its end, or to the first thing that is wrong; with `pinned`, a head
/// that somebody kept, the row of that number must be that row.
///
/// # Errors
/// When the database cannot be asked.
pub async fn verify(
    db: &Pool,
    chain: &ChainKey,
    org_id: OrgId,
    pinned: Option<Head>,
) -> Result<Finding, sqlx::Error> {
    let mut walk =
        Walk { chain, org_id, pinned, is_deleted: false, oldest_key: 0, finding: Finding::default() };
    // Rows are numbered from 1; what stands before is not one of ours.
    let mut after = i64::MIN;
    loop {
        let page = read(db, org_id, after).await?;
        let is_last = (page.rows.len() as i64) < PAGE;
        let broken = page.rows.iter().find_map(|(row, mac)| walk.step(row, mac.as_deref()));
        walk.finding.broken = broken.or_else(|| if is_last { walk.end(page.end) } else { None });
        if is_last || walk.finding.broken.is_some() {
            return Ok(walk.finding);
        }
        after = walk.finding.head.seq;
    }
}

/// Some rows in their order, and the newest as the org names it at the same moment.
struct LogPage {
    rows: Vec<(AuditRow, Option<Vec<u8>>)>,
    end: Option<(i64, Option<Vec<u8>>)>,
}

async fn read(db: &Pool, org_id: OrgId, after: i64) -> Result<LogPage, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.revision AS "revision?", o.audit_mac AS "audit_mac?",
               l.seq AS "seq?", l.at AS "at?", l.actor AS "actor?", l.key_id AS "key_id?", l.actor_id AS "actor_id?",
               l.action AS "action?",
               l.subject AS "subject?", l.request_id AS "request_id?",
               l.client_address AS "client_address?", l.mac AS "mac?"
        FROM (VALUES (0)) AS one
        LEFT JOIN orgs o ON o.id = $1
        LEFT JOIN LATERAL (
            SELECT * FROM audit_log WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
        ) AS l ON true
        ORDER BY l.seq
        "#,
        org_id.0,
        after,
        PAGE,
    )
    .fetch_all(db)
    .await?;
    let end = rows.first().and_then(|row| Some((row.revision?, row.audit_mac.clone())));
    let rows = rows.into_iter().filter_map(|row| {
        let read = AuditRow {
            seq: row.seq?,
            at: row.at?,
            actor: row.actor?,
            key_id: row.key_id,
            actor_id: row.actor_id,
            action: row.action?,
            subject: row.subject?,
            request_id: row.request_id,
            client_address: row.client_address,
        };
        Some((read, row.mac))
    });
    Ok(LogPage { rows: rows.collect(), end })
}

/// A walk along one chain.
struct Walk<'a> {
    chain: &'a ChainKey,
    org_id: OrgId,
    pinned: Option<Head>,
    /// `true` if the row before says that the org was deleted.
    is_deleted: bool,
    /// No older key may have written what comes.
    oldest_key: i16,
    finding: Finding,
}

impl Walk<'_> {
    /// Takes the next row; gives what is wrong with it.
    fn step(&mut self, row: &AuditRow, mac: Option<&[u8]>) -> Option<Broken> {
        let head = &mut self.finding.head;
        let broken = |seq, problem| Some(Broken { seq, problem });
        if row.seq != head.seq + 1 {
            return broken(head.seq + 1, ChainProblem::Missing);
        }
        match mac {
            Some(mac) => {
                let Some(maker) = self.chain.maker(self.org_id, row, head.mac, mac) else {
                    return broken(row.seq, ChainProblem::WrongMac);
                };
                if maker < self.oldest_key {
                    return broken(row.seq, ChainProblem::ReplacedKey);
                }
                *head = Head { seq: row.seq, mac: mac.try_into().ok().map(RowMac) };
                if let Some(key) = handed_over_to(row) {
                    self.oldest_key = maker.max(key);
                    self.finding.handovers.push(Handover { seq: row.seq, key });
                }
            }
            None if head.mac.is_some() => return broken(row.seq, ChainProblem::NotChained),
            None => {
                head.seq = row.seq;
                self.finding.unchained += 1;
            }
        }
        self.finding.rows += 1;
        self.is_deleted = row.action == LAST_WORDS;
        match self.pinned {
            Some(pinned) if pinned.seq == row.seq && pinned != *head => {
                broken(row.seq, ChainProblem::NotAsPinned)
            }
            _ => None,
        }
    }

    /// Arrives at the newest row; gives what is wrong with the end.
    fn end(&self, end: Option<(i64, Option<Vec<u8>>)>) -> Option<Broken> {
        let head = self.finding.head;
        let broken = |seq, problem| Some(Broken { seq, problem });
        if self.pinned.is_some_and(|pinned| pinned.seq > head.seq) {
            return broken(head.seq + 1, ChainProblem::Missing);
        }
        match end {
            Some((seq, _)) if seq > head.seq => broken(head.seq + 1, ChainProblem::Missing),
            Some((seq, mac)) if seq != head.seq || !is_same_end(mac.as_deref(), head.mac) => {
                broken(head.seq, ChainProblem::WrongHead)
            }
            None if !self.is_deleted => broken(head.seq, ChainProblem::OrgMissing),
            _ => None,
        }
    }
}

/// The number of the key that a row hands the log over to.
fn handed_over_to(row: &AuditRow) -> Option<i16> {
    (row.action == HANDED_OVER).then(|| row.subject.parse().ok()).flatten()
}

fn is_same(mac: &[u8], expected: RowMac) -> bool {
    mac.ct_eq(&expected.0).into()
}

fn is_same_end(mac: Option<&[u8]>, expected: Option<RowMac>) -> bool {
    match (mac, expected) {
        (Some(mac), Some(expected)) => is_same(mac, expected),
        (mac, expected) => mac.is_none() && expected.is_none(),
    }
}

/// The org with this key; or, as a deleted one has none, with this id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find_org(db: &Pool, key_or_id: &str) -> Result<Option<VerifiedSubject>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT id AS "id!: OrgId", key AS "key?" FROM (
            SELECT id, key, 1 AS choice FROM orgs WHERE key = $1
            UNION ALL SELECT id, key, 2 FROM orgs WHERE id = $2
            UNION ALL (SELECT org_id, NULL, 3 FROM audit_log WHERE org_id = $2 LIMIT 1)
        ) AS named ORDER BY choice LIMIT 1
        "#,
        key_or_id,
        parse_uuid(key_or_id),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| VerifiedSubject { org_id: row.id, key: row.key }))
}
