//! Bodies of many lines (NDJSON), read as they arrive: a line is handed on before the next is there, and never more is
//! held than a chunk and a line.

use std::ops::Range;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use super::input::{announced_length, require_media_type};
use crate::error::{ApiError, Code};

/// The content type.
pub const NDJSON: &str = "application/x-ndjson";
/// Between two chunks of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The limits of a body, and how a refusal names them.
#[derive(Clone, Copy, Debug)]
pub struct LineLimits {
    /// Bytes in all.
    pub body: usize,
    /// What is said of more.
    pub body_told: &'static str,
    /// Lines.
    pub lines: usize,
    /// What is said of more.
    pub lines_told: &'static str,
    /// Bytes of a line.
    pub line: usize,
    /// What is said of more.
    pub line_told: &'static str,
}

/// A body on its way in.
pub struct Lines {
    body: Body,
    limits: LineLimits,
    chunk: Bytes,
    /// What is left of the chunk.
    rest: Range<usize>,
    received: usize,
    count: usize,
    line: Vec<u8>,
    is_over: bool,
}

impl Lines {
    /// Judges a body by its head.
    ///
    /// # Errors
    /// 415 for another type, 413 for a length beyond the limit.
    pub fn new(headers: &HeaderMap, body: Body, limits: LineLimits) -> Result<Self, ApiError> {
        require_media_type(headers, NDJSON).map_err(|_| {
            ApiError::with_message(
                Code::UnsupportedMediaType,
                "The request body must be sent as application/x-ndjson.",
            )
        })?;
        if announced_length(headers).is_some_and(|length| length > limits.body as u64) {
            return Err(too_large(limits.body_told));
        }
        let (chunk, line) = (Bytes::new(), Vec::new());
        Ok(Self { body, limits, chunk, rest: 0..0, received: 0, count: 0, line, is_over: false })
    }

    /// The next line that is not blank, without its end.
    ///
    /// # Errors
    /// 413 beyond a limit, 400 where the body breaks off or pauses for too long.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, ApiError> {
        self.line.clear();
        while !self.is_over {
            let rest = &self.chunk[self.rest.clone()];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let piece = self.rest.start..self.rest.start + end.unwrap_or(rest.len());
            self.rest.start = (piece.end + 1).min(self.rest.end);
            // A carriage return before the line's end is not the line's.
            if self.line.len() + piece.len() > self.limits.line + 1 {
                return Err(too_large(self.limits.line_told));
            }
            self.line.extend_from_slice(&self.chunk[piece]);
            if end.is_none() {
                self.receive().await?;
            }
            if end.is_some() || self.is_over {
                if self.line.trim_ascii().is_empty() {
                    self.line.clear();
                    continue;
                }
                self.count += 1;
                if self.count > self.limits.lines {
                    return Err(too_large(self.limits.lines_told));
                }
                return Ok(Some(&self.line));
            }
        }
        Ok(None)
    }

    async fn receive(&mut self) -> Result<(), ApiError> {
        let Some(chunk) = next_chunk(&mut self.body).await? else {
            self.is_over = true;
            return Ok(());
        };
        self.received += chunk.len();
        if self.received > self.limits.body {
            return Err(too_large(self.limits.body_told));
        }
        self.rest = 0..chunk.len();
        self.chunk = chunk;
        Ok(())
    }
}

/// The next piece of a body, which may come slowly but must come.
///
/// # Errors
/// 400 where it pauses for too long or cannot be read.
pub async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    let refuse = |message| ApiError::with_message(Code::InvalidRequest, message);
    loop {
        let frame = tokio::time::timeout(IDLE_TIMEOUT, body.frame()).await;
        match frame.map_err(|_| refuse("The request body paused for too long."))? {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(refuse("The request body could not be read.").caused_by(error));
            }
            // Anything else is trailers.
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

fn too_large(message: &'static str) -> ApiError {
    ApiError::with_message(Code::PayloadTooLarge, message)
}

/// Lines of JSON as one text, which is what clients send and read; the document describes a line as
/// an item of the list that the text stands for (JSON Schema's `contentSchema`).
pub fn lines_of<T: ToSchema>(most: usize) -> RefOr<Schema> {
    let lines = ArrayBuilder::new().items(Ref::from_schema_name(T::name())).max_items(Some(most));
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.content_media_type(NDJSON).content_schema(Some(Schema::from(lines))).into()
}

/// The schema of a line, and those that it names.
pub fn add_line<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}
