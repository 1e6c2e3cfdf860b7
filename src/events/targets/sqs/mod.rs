//! `aws_sqs`: SendMessage, or SendMessageBatch for several, with the partner's role, on standard and
//! FIFO queues.
//!
//! A FIFO queue groups by what the delivery names, else by stream and org, and deduplicates by event id: within five minutes of an
//! arrival SQS acknowledges the same id without delivering it again. A retry whose acknowledgement
//! was lost therefore arrives once; so does a *replay* asked for within those five minutes, which
//! then counts as delivered although the queue got nothing new.

mod batch;
mod sessions;
#[cfg(test)]
mod tests;
mod transport;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::MessageAttributeValue;
use aws_smithy_runtime_api::http::Response;
use tokio::time::Instant;

use sessions::{OpenedSession, Sessions};

use super::error::{DeliveryError, Reason};
use super::outbound::{Outbound, with_timeout};
use super::settings::SqsQueue;
use super::{Delivery, TargetsConfig, xml_safe};
use crate::clock::Clock;

/// Codes with which AWS answers when a session has ended before its time, or may no longer do what
/// it could: a role's sessions are revoked by a policy that denies them everything.
const DENIED_SESSION: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Sends to SQS queues.
pub struct Sqs {
    sessions: Sessions,
}

impl Sqs {
    /// Nothing is connected yet.
    pub fn new(config: &TargetsConfig, partner: &Outbound, operator: &Outbound, clock: Clock) -> Self {
        Self { sessions: Sessions::new(config, partner, operator, clock) }
    }

    /// Puts a message on the queue.
    ///
    /// # Errors
    /// A class, or the error code and message of SQS or STS.
    pub async fn send(&self, queue: &SqsQueue, delivery: &Delivery<'_>) -> Result<(), DeliveryError> {
        self.put(queue, std::slice::from_ref(delivery)).await?.into_iter().collect()
    }

    /// Puts messages on the queue, as many in a request as SQS takes; a result for each, in their order.
    pub async fn send_many(
        &self,
        queue: &SqsQueue,
        deliveries: &[Delivery<'_>],
        timeout: Duration,
    ) -> Vec<Result<(), DeliveryError>> {
        let deadline = Instant::now() + timeout;
        let mut results = Vec::with_capacity(deliveries.len());
        // One after the other: a queue that orders is to get them in their order.
        for part in batch::parts(deliveries) {
            let left = deadline.saturating_duration_since(Instant::now());
            match with_timeout(left, self.put(queue, part)).await {
                Ok(put) => results.extend(put),
                Err(error) => results.extend(part.iter().map(|_| Err(error.clone()))),
            }
        }
        results
    }

    /// Makes one request. Where AWS denies it to a session that stood, a new session is opened, once, and
    /// the request made again: a revoked session costs no attempt.
    async fn put(
        &self,
        queue: &SqsQueue,
        part: &[Delivery<'_>],
    ) -> Result<Vec<Result<(), DeliveryError>>, DeliveryError> {
        let Some(first) = part.first() else { return Ok(Vec::new()) };
        let mut session = if first.anew {
            self.sessions.open_anew(queue, first.org_id).await?
        } else {
            self.sessions.client(queue, first.org_id).await?
        };
        loop {
            let put = match part {
                // A refusal then has the code that is about the one message.
                [one] => put(&session, queue, one).await.map(|()| vec![Ok(())]),
                _ => batch::put(&session, queue, part).await,
            };
            let denied = match put {
                Ok(results) => return Ok(results),
                Err(denied) => denied,
            };
            if !denied.is_sessions_fault {
                return Err(denied.reason.into());
            }
            session.forget();
            if session.is_new {
                return Err(denied.reason.into());
            }
            session = self.sessions.client(queue, first.org_id).await?;
            session.is_new = true;
        }
    }
}

/// The reason why a message was not taken.
struct Denied {
    reason: Reason,
    /// Another session may fare better.
    is_sessions_fault: bool,
}

impl Denied {
    fn of<E: ProvideErrorMetadata, B>(error: &SdkError<E, Response<B>>) -> Self {
        let is_sessions_fault = error.code().is_some_and(|code| DENIED_SESSION.contains(&code));
        Self { reason: failure(error), is_sessions_fault }
    }
}

async fn put(session: &OpenedSession, queue: &SqsQueue, delivery: &Delivery<'_>) -> Result<(), Denied> {
    let request = session.client.send_message().queue_url(queue.url());
    let mut request = request.message_body(text(delivery)).set_message_attributes(attributes(delivery)?);
    if queue.is_fifo() {
        request = request.message_group_id(group(delivery)).message_deduplication_id(delivery.event_id);
    }
    request.send().await.map(drop).map_err(|error| Denied::of(&error))
}

/// What is put on the queue: all of it, or what is a message by itself.
fn text<'d>(delivery: &'d Delivery<'_>) -> Cow<'d, str> {
    if delivery.is_bare { delivery.body.into() } else { xml_safe(delivery.message) }
}

/// The headers of a message that is one by itself, under their names.
fn attributes(delivery: &Delivery<'_>) -> Result<Option<HashMap<String, MessageAttributeValue>>, Denied> {
    if !delivery.is_bare {
        return Ok(None);
    }
    let headers = delivery.headers.into_iter().chain([("content-type", delivery.content_type)]);
    let attributes = headers.map(|(name, value)| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
        Ok((name.to_owned(), value))
    });
    let unsendable = |_: BuildError| Denied { reason: UNSENDABLE, is_sessions_fault: false };
    attributes.collect::<Result<_, _>>().map(Some).map_err(unsendable)
}

const UNSENDABLE: Reason = Reason::Settings("the request could not be built");

/// The message group of an event on a FIFO queue.
fn group(delivery: &Delivery<'_>) -> String {
    delivery
        .group_key()
        .map_or_else(|| format!("{}:{}", delivery.stream, delivery.org_id), std::borrow::Cow::into_owned)
}

/// Extracts what may be shown of an SDK's error.
fn failure<E: ProvideErrorMetadata, B>(error: &SdkError<E, Response<B>>) -> Reason {
    match error {
        // The SDK takes an answer without a result for an error.
        SdkError::ServiceError(answer) if answer.raw().status().is_success() => Reason::InvalidResponse,
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            Reason::provider(status, answer.err().code(), answer.err().message())
        }
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().and_then(std::error::Error::source);
            cause.and_then(|cause| cause.downcast_ref().cloned()).unwrap_or(Reason::Closed)
        }
        SdkError::TimeoutError(_) => Reason::Timeout,
        SdkError::ResponseError(_) => Reason::InvalidResponse,
        _ => UNSENDABLE,
    }
}
