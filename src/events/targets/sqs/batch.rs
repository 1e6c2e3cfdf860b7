//! Several messages in one request (SendMessageBatch), each with a result of its own.

use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};

use super::{Denied, UNSENDABLE, attributes, group, text};
use crate::events::targets::error::{DeliveryError, Reason};
use crate::events::targets::settings::SqsQueue;
use crate::events::targets::sqs::sessions::OpenedSession;
use crate::events::targets::{Delivery, MAX_BATCH, xml_safe};

/// The size of all messages of a request together, in bytes. SQS takes 1 MiB today, and took a quarter
/// for years: a queue may be set to that, and so are stand-ins. Smaller requests cost little.
const MAX_BYTES: usize = 256 * 1024;

/// Cuts deliveries into what fits into one request; a message that is too large for any stands alone.
pub fn parts<'a, 'b>(deliveries: &'a [Delivery<'b>]) -> Vec<&'a [Delivery<'b>]> {
    let mut parts = Vec::new();
    let mut rest = deliveries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(MAX_BATCH).take_while(|delivery| {
            bytes += xml_safe(delivery.message).len();
            bytes <= MAX_BYTES
        });
        let (part, later) = rest.split_at(fitting.count().max(1));
        parts.push(part);
        rest = later;
    }
    parts
}

/// Puts messages on the queue; what became of each, in their order.
pub async fn put(
    session: &OpenedSession,
    queue: &SqsQueue,
    deliveries: &[Delivery<'_>],
) -> Result<Vec<Result<(), DeliveryError>>, Denied> {
    let entries = deliveries.iter().enumerate().map(|(nth, delivery)| entry(queue, nth, delivery));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let request = session.client.send_message_batch().queue_url(queue.url()).set_entries(Some(entries));
    let sent = request.send().await.map_err(|error| Denied::of(&error))?;
    let result = |nth: usize| {
        let id = nth.to_string();
        if let Some(failed) = sent.failed().iter().find(|failed| failed.id() == id) {
            return Err(reason(failed).into());
        }
        // Of one that the answer does not name nothing is known.
        let is_taken = sent.successful().iter().any(|taken| taken.id() == id);
        if is_taken { Ok(()) } else { Err(Reason::InvalidResponse.into()) }
    };
    Ok((0..deliveries.len()).map(result).collect())
}

/// A message of a request, under its number there.
fn entry(
    queue: &SqsQueue,
    nth: usize,
    delivery: &Delivery<'_>,
) -> Result<SendMessageBatchRequestEntry, Denied> {
    let entry = SendMessageBatchRequestEntry::builder().id(nth.to_string());
    let mut entry = entry.message_body(text(delivery)).set_message_attributes(attributes(delivery)?);
    if queue.is_fifo() {
        entry = entry.message_group_id(group(delivery)).message_deduplication_id(delivery.event_id);
    }
    entry.build().map_err(|_| Denied { reason: UNSENDABLE, is_sessions_fault: false })
}

/// Why one message was not taken: `SenderFault` stands for the status that the request alone would have had.
fn reason(failed: &BatchResultErrorEntry) -> Reason {
    let status = if failed.sender_fault() { 400 } else { 500 };
    Reason::provider(status, Some(failed.code()), failed.message())
}
