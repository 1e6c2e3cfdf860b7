//! A report's content, sent chunk by chunk. Between two of them nothing is held but the chunk that the client takes: no
//! connection, no transaction.

use std::future::ready;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::reply::ReportStatus;
use super::store::{self, ReportRow};
use crate::error::{ApiError, Code};
use crate::http::content_digest::ContentDigest;
use crate::http::range::Wanted;
use crate::ids::OrgId;
use crate::limits::shares;
use crate::state::App;

/// The content of a report that is ready.
#[derive(Clone, Debug)]
pub struct Content {
    org_id: OrgId,
    id: Uuid,
    attempt: i32,
    length: u64,
    sha256: [u8; 32],
    media_type: &'static str,
    file_name: String,
}

impl Content {
    /// Finds the content of one of the org's reports.
    ///
    /// # Errors
    /// 404 where there is no such report, or its content is gone; `report_not_ready`.
    pub async fn find(app: &App, org_id: OrgId, id: Uuid) -> Result<Self, ApiError> {
        let row = store::find(&app.db.pool, org_id, id).await?.ok_or(Code::NotFound)?;
        match ReportStatus::of(&row, app.clock.now())? {
            ReportStatus::Ready => Self::of(org_id, row),
            ReportStatus::Expired => Err(Code::NotFound.into()),
            ReportStatus::Queued | ReportStatus::Running | ReportStatus::Failed => {
                Err(Code::ReportNotReady.into())
            }
        }
    }

    fn of(org_id: OrgId, row: ReportRow) -> Result<Self, ApiError> {
        let (media_type, extension) = match row.key_type.as_str() {
            "PGP" => ("application/pgp-encrypted", "pgp"),
            _ => ("application/jose", "jose"),
        };
        let date = row.created_at.format("%Y%m%dT%H%M%SZ");
        let sha256 = row.sha256.and_then(|digest| digest.try_into().ok());
        Ok(Self {
            org_id,
            id: row.id,
            attempt: row.attempt,
            length: u64::try_from(row.bytes).map_err(ApiError::internal)?,
            sha256: sha256.ok_or_else(|| ApiError::internal("a report without a digest"))?,
            media_type,
            file_name: format!("{}-{date}.{}.{extension}", row.kind, row.format),
        })
    }

    /// Its length in octets.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// For a file.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Answers a request for it: with all of it, with the range that is asked for (RFC 9110 section 14), or with 416.
    ///
    /// With `is_signed` the digest of what is sent comes along, as who signs it needs it.
    ///
    /// # Errors
    /// That this digest cannot be had.
    pub async fn answer(
        self,
        app: &App,
        method: &Method,
        headers: &HeaderMap,
        is_signed: bool,
    ) -> Result<Response, ApiError> {
        let etag = format!("\"{}\"", hex::encode(self.sha256));
        let wanted = Wanted::of(method, headers, self.length, &etag);
        let (status, first, after) = match wanted {
            Wanted::Whole => (StatusCode::OK, 0, self.length),
            Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
            Wanted::Unsatisfiable => return self.unsatisfiable(),
        };
        let digest = match status {
            StatusCode::OK => Some(self.sha256),
            // It costs reading the range twice.
            _ if is_signed => Some(self.digest(app, first, after).await?),
            _ => None,
        };
        let mut response = Body::from_stream(self.clone().chunks(app.clone(), first, after)).into_response();
        if let Some(digest) = digest {
            response.extensions_mut().insert(ContentDigest(digest));
        }
        let headers = response.headers_mut();
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{}", after - 1, self.length);
            headers.insert(CONTENT_RANGE, value(range)?);
        }
        let disposition = format!("attachment; filename=\"{}\"", self.file_name);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(after - first));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(ETAG, value(etag)?);
        headers.insert(CONTENT_DISPOSITION, value(disposition)?);
        *response.status_mut() = status;
        Ok(response)
    }

    fn unsatisfiable(&self) -> Result<Response, ApiError> {
        let length: (HeaderName, HeaderValue) = (CONTENT_RANGE, value(format!("bytes */{}", self.length))?);
        Ok(([length], ApiError::new(Code::RangeNotSatisfiable)).into_response())
    }

    async fn digest(&self, app: &App, first: u64, after: u64) -> Result<[u8; 32], ApiError> {
        let chunks = self.clone().chunks(app.clone(), first, after);
        let digest = chunks.try_fold(Sha256::new(), |digest, chunk| ready(Ok(digest.chain_update(&chunk))));
        Ok(digest.await?.finalize().into())
    }

    /// The octets from `first` on and before `after`. Each chunk is read when the one before was taken, on a connection
    /// in the org's share.
    pub fn chunks(
        self,
        app: App,
        first: u64,
        after: u64,
    ) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
        stream::try_unfold(first, move |position| {
            let (content, app) = (self.clone(), app.clone());
            async move {
                if position >= after {
                    return Ok(None);
                }
                let read = content.read(&app, position, after);
                let bytes = shares::serving(content.org_id, read).await?;
                let next = position + bytes.len() as u64;
                Ok(Some((bytes, next)))
            }
        })
    }

    /// What is left of the chunk that has the octet at `position`, and lies before `after`.
    async fn read(&self, app: &App, position: u64, after: u64) -> Result<Bytes, sqlx::Error> {
        let at = i64::try_from(position).map_err(|_| sqlx::Error::RowNotFound)?;
        let found = store::chunk_at(&app.db.pool, self.org_id, self.id, self.attempt, at).await?;
        // It was deleted meanwhile: the answer breaks off, short of the length that it announced.
        let chunk = found.ok_or(sqlx::Error::RowNotFound)?;
        let start = usize::try_from(at - chunk.position).unwrap_or(usize::MAX);
        let wanted = usize::try_from(after - position).unwrap_or(usize::MAX);
        let end = start.saturating_add(wanted).min(chunk.bytes.len());
        if start >= end {
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(Bytes::from(chunk.bytes).slice(start..end))
    }
}

fn value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(ApiError::internal)
}
