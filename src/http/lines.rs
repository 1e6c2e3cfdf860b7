//! Bodies of many lines (NDJSON), read as they arrive: a line is handed on before the next is there, and never more is
//! held than a chunk and a line.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::input::{announced_length, require_media_type};
use crate::error::{ApiError, Code};

/// The content type.
pub const NDJSON: &str = "application/x-ndjson";
/// Between two chunks of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body, in bytes.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
/// The most lines of a body.
const MAX_LINES: usize = 10_000;

/// The limit of a line, in bytes, and how a refusal names it.
#[derive(Clone, Copy, Debug)]
pub struct LineLimit {
    /// Without its end.
    pub bytes: usize,
    /// What is said of more.
    pub told: &'static str,
}

/// A body on its way in.
pub struct Lines {
    body: Body,
    limit: LineLimit,
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
    pub fn new(headers: &HeaderMap, body: Body, limit: LineLimit) -> Result<Self, ApiError> {
        require_media_type(headers, NDJSON).map_err(|_| {
            ApiError::with_message(
                Code::UnsupportedMediaType,
                "The request body must be sent as application/x-ndjson.",
            )
        })?;
        if announced_length(headers).is_some_and(|length| length > MAX_BODY as u64) {
            return Err(body_too_large());
        }
        let (chunk, line) = (Bytes::new(), Vec::new());
        Ok(Self { body, limit, chunk, rest: 0..0, received: 0, count: 0, line, is_over: false })
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
            if self.line.len() + piece.len() > self.limit.bytes + 1 {
                return Err(too_large(self.limit.told));
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
                if self.count > MAX_LINES {
                    return Err(too_large("The body has more than 10,000 lines."));
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
        if self.received > MAX_BODY {
            return Err(body_too_large());
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

fn body_too_large() -> ApiError {
    too_large("The body has more than 10 MiB.")
}

fn too_large(message: &'static str) -> ApiError {
    ApiError::with_message(Code::PayloadTooLarge, message)
}

/// A body of one `T` a line, for the document: lines of JSON as one text, which is what clients send and read. It
/// describes a line as an item of the list that the text stands for (JSON Schema's `contentSchema`).
pub struct JsonLines<T>(PhantomData<T>);

impl<T: ToSchema> PartialSchema for JsonLines<T> {
    fn schema() -> RefOr<Schema> {
        let lines = ArrayBuilder::new().items(Ref::from_schema_name(T::name())).max_items(Some(MAX_LINES));
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.content_media_type(NDJSON).content_schema(Some(Schema::from(lines))).into()
    }
}

impl<T: ToSchema> ToSchema for JsonLines<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Lines", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
}
