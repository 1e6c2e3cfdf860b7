//! One attempt to make a report, on a thread that nothing else needs: rows are read from one snapshot, written as text,
//! encrypted as they come, and kept as chunks. It holds a page of rows, some buffers of the encryption and one chunk,
//! however many rows there are; nothing of it lies in clear anywhere.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};

use public_keys::stream::StreamError;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::sources::{AuditLog, Credentials, Events, Source, Span, Users};
use super::store::{self, Claimed, Made, Progress};
use super::text::RowText;
use crate::db::snapshot::Snapshot;
use crate::routes::public_keys::delivery::LiveKey;
use crate::routes::reports::input::{ReportFormat, ReportType};
use crate::state::App;

/// Octets of a chunk, all but a content's last. What a client is sent at a time, too.
const CHUNK: usize = 512 * 1024;
/// Octets of text that are encrypted at a time, give or take a row.
const PIECE: usize = 64 * 1024;

/// The reasons why an attempt comes to no end.
#[derive(Debug)]
pub enum Failure {
    /// It was told to stop.
    Stopped,
    /// Another one has the claim, or the report was deleted.
    Lost,
    /// It cannot be made, now or later; in words, for the partner.
    Final(&'static str),
    /// Something that may pass; for the log.
    Broken(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// Something that may pass.
    pub fn broken(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(cause.into())
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::broken(error)
    }
}

/// Whoever makes a report.
pub struct Maker {
    app: App,
    claimed: Claimed,
    /// Turns true when it is to stop; that its sender is gone means the same.
    halt: watch::Receiver<bool>,
    runtime: Handle,
    /// Rows that were written as text.
    rows: Cell<i64>,
    /// Why reading or writing failed, where the encryption that it happened under only says that it did.
    failure: RefCell<Option<Failure>>,
}

impl Maker {
    /// For a report that was claimed; within the runtime.
    pub fn new(app: App, claimed: Claimed, halt: watch::Receiver<bool>) -> Self {
        let runtime = Handle::current();
        Self { app, claimed, halt, runtime, rows: Cell::new(0), failure: RefCell::new(None) }
    }

    /// Makes it, encrypted to `key`. On a thread that may block.
    pub fn make(self, key: &LiveKey) -> Result<Made, Failure> {
        match ReportType::parse(&self.claimed.kind) {
            Some(ReportType::Users) => self.make_of::<Users>(key),
            Some(ReportType::AuditLog) => self.make_of::<AuditLog>(key),
            Some(ReportType::Events) => self.make_of::<Events>(key),
            Some(ReportType::Credentials) => self.make_of::<Credentials>(key),
            None => Err(Failure::broken("a report of no type")),
        }
    }

    fn make_of<S: Source>(&self, key: &LiveKey) -> Result<Made, Failure> {
        let Claimed { org_id, from, to, ref format, .. } = self.claimed;
        let format = ReportFormat::parse(format).ok_or_else(|| Failure::broken("a report of no format"))?;
        let source = S::new(Span { org_id, from, to });
        let mut snapshot = self.wait(async { Ok(self.app.db.snapshot().await?) })?;
        let total = self.wait(async { Ok(source.count(&mut snapshot).await?) })?;
        self.held(store::set_total(&self.app.db.pool, &self.claimed, total))?;

        let mut rows = Rows {
            source,
            page: VecDeque::new(),
            text: RowText { format, columns: S::COLUMNS },
            begun: false,
        };
        let mut chunks =
            Chunks { maker: self, chunk: Vec::with_capacity(CHUNK), position: 0, digest: Sha256::new() };
        let encrypted = key.encrypt_stream(
            self.app.clock.now(),
            |piece| self.next(&mut rows, &mut snapshot, piece).map_err(|failure| self.fails(failure)),
            &mut chunks,
        );
        encrypted.map_err(|error| self.failure.take().unwrap_or_else(|| failure_of(error)))?;
        let made = chunks.finish()?;
        self.runtime.block_on(snapshot.end());
        Ok(made)
    }

    /// Appends the next rows; `false` if there are none.
    fn next<S: Source>(
        &self,
        rows: &mut Rows<S>,
        snapshot: &mut Snapshot,
        piece: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        if !rows.begun {
            rows.begun = true;
            rows.text.head(piece);
        }
        while piece.len() < PIECE {
            let Some(row) = rows.page.pop_front() else {
                rows.page = self.wait(async { Ok(rows.source.page(snapshot).await?) })?.into();
                if rows.page.is_empty() {
                    break;
                }
                continue;
            };
            rows.text.row(&row, piece).map_err(Failure::broken)?;
            self.rows.set(self.rows.get() + 1);
        }
        Ok(!piece.is_empty())
    }

    /// Waits for something, unless it is told to stop.
    fn wait<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut halt = self.halt.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = halt.wait_for(|halt| *halt) => Err(Failure::Stopped),
                done = work => done,
            }
        })
    }

    /// Waits for a statement that does nothing for those who have no claim.
    fn held(&self, statement: impl Future<Output = Result<bool, sqlx::Error>>) -> Result<(), Failure> {
        if self.wait(async { Ok(statement.await?) })? { Ok(()) } else { Err(Failure::Lost) }
    }

    fn fails(&self, failure: Failure) -> io::Error {
        self.failure.replace(Some(failure));
        io::Error::other("the report is not made any further")
    }
}

/// The rows that are still to come.
struct Rows<S: Source> {
    source: S,
    page: VecDeque<S::Row>,
    text: RowText,
    begun: bool,
}

/// Where the encrypted octets go.
struct Chunks<'m> {
    maker: &'m Maker,
    chunk: Vec<u8>,
    /// Of the chunk's first octet in the whole.
    position: i64,
    digest: Sha256,
}

impl Chunks<'_> {
    fn keep(&mut self) -> Result<(), Failure> {
        let Maker { app, claimed, rows, .. } = self.maker;
        self.digest.update(&self.chunk);
        let after = self.position + self.chunk.len() as i64;
        let progress = Progress { rows: rows.get(), bytes: after };
        let chunk = (self.position, &self.chunk[..]);
        self.maker.held(store::write_chunk(&app.db.pool, claimed, app.clock.now(), chunk, progress))?;
        self.position = after;
        self.chunk.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Made, Failure> {
        if !self.chunk.is_empty() {
            self.keep()?;
        }
        let progress = Progress { rows: self.maker.rows.get(), bytes: self.position };
        Ok(Made { progress, sha256: self.digest.finalize().into() })
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK {
            self.keep().map_err(|failure| self.maker.fails(failure))?;
        }
        Ok(taken)
    }

    /// Only a full chunk is kept, and the last.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failure_of(error: StreamError) -> Failure {
    match error {
        StreamError::Certificate(_) => Failure::Final("the certificate can no longer be encrypted to"),
        error => Failure::broken(error),
    }
}
