//! The replies of the queue routes. There is no field for a write-only secret.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::QueueType;
use super::store::QueueRow;
use crate::error::ApiError;
use crate::events::options::{Format, QueueOrdering};
use crate::events::queue::{AwsSqs, AzureEventHubs, AzureStorageQueue, Kafka, Poll, WebhookEndpoint};
use crate::events::{PauseReason, StreamName};
use crate::http::paging::{CursorPosition, Listed};
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;
use crate::outbox::DEAD_AFTER;
use crate::queue_health::Durations;
use crate::state::App;

/// A queue, without its secrets.
#[derive(Serialize, ToSchema)]
pub struct Queue {
    /// The stream's name.
    #[schema(value_type = StreamName)]
    queue_name: String,
    /// What kind of queue it is: the object of the same name says where.
    #[serde(rename = "type")]
    #[schema(value_type = QueueType)]
    kind: String,
    /// Of `aws_sqs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_sqs: Option<AwsSqsReply>,
    /// Of `azure_storage_queue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    azure_storage_queue: Option<AzureStorageQueueReply>,
    /// Of `azure_event_hubs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    azure_event_hubs: Option<AzureEventHubs>,
    /// Of `kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<Kafka>,
    /// Of `webhook`.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookEndpoint>,
    /// Of `poll`.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Poll>,
    /// The types that it takes; null is all of its stream.
    #[schema(required, example = json!(["user.created"]))]
    event_types: Option<Vec<String>>,
    /// The order in which events are sent; null where none is promised.
    #[schema(required)]
    ordering: Option<QueueOrdering>,
    /// The form of a message.
    #[schema(value_type = Format)]
    format: String,
    /// The usage, or the key's `UniqueId`, that messages are encrypted to; null: in clear.
    #[schema(required, example = "MessageLevelEncryption")]
    encrypt_to: Option<String>,
    /// How it does.
    state: QueueState,
    /// Why it stands still until it is resumed; null otherwise.
    #[schema(required)]
    pause_reason: Option<PauseReason>,
    /// Until when it stands still by itself: its receiver asked for time (`Retry-After`), or failed so
    /// often that it is only tried now and then. Null otherwise.
    #[schema(required)]
    paused_until: Option<DateTime<Utc>>,
    /// When it was registered.
    created_at: DateTime<Utc>,
    /// When it was last replaced.
    updated_at: DateTime<Utc>,
    /// Events that wait, counted up to 10,001.
    waiting_events: i64,
    /// Events that were given up, counted up to 10,001; they can be replayed.
    failed_events: i64,
    /// Events of types that it does not take, counted up to 10,001; they can be replayed.
    skipped_events: i64,
    /// Events that waited too long and were deleted.
    lost_events: i64,
    /// Deliveries that failed in a row.
    consecutive_failures: i32,
    /// When the oldest event that waits happened; null where none waits.
    #[schema(required)]
    oldest_waiting_at: Option<DateTime<Utc>>,
    /// Of the attempts in the last hour, the share that was acknowledged; null where there were none.
    #[schema(required, minimum = 0, maximum = 1)]
    success_rate_1h: Option<f64>,
    /// The milliseconds within which 95 of 100 attempts in the last hour were over, at most half too high; null where
    /// there were none.
    #[schema(required, minimum = 0)]
    p95_ms_1h: Option<i64>,
}

/// How a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// Events are sent to it.
    Active,
    /// It stands still: until it is resumed if there is a `pause_reason`, else until `paused_until`.
    Paused,
    /// The last attempts failed.
    Failing,
}

/// An SQS queue, and what the partner's trust policy needs.
#[derive(Serialize, ToSchema)]
pub struct AwsSqsReply {
    #[serde(flatten)]
    settings: AwsSqs,
    /// Goes into the trust policy's condition: always the org's id.
    #[schema(value_type = uuid::Uuid)]
    external_id: OrgId,
    /// Who assumes the role: goes into the trust policy's principal.
    #[schema(required, example = "arn:aws:iam::210987654321:role/partner-api")]
    publishing_principal_arn: Option<String>,
}

/// An Azure storage queue.
#[derive(Serialize, ToSchema)]
pub struct AzureStorageQueueReply {
    #[serde(flatten)]
    settings: AzureStorageQueue,
    /// When the SAS token ends by itself.
    #[schema(required)]
    sas_token_expires_at: Option<DateTime<Utc>>,
}

/// A queue's id is its name.
impl Listed for Queue {
    fn cursor_position(&self) -> CursorPosition {
        let mut id = [0; 16];
        id.iter_mut().zip(self.queue_name.bytes()).for_each(|(to, byte)| *to = byte);
        CursorPosition { created_at: self.created_at, id: Uuid::from_bytes(id) }
    }
}

impl Queue {
    /// The queue as partners see it.
    pub fn of(app: &App, org_id: OrgId, row: QueueRow) -> Result<Self, ApiError> {
        let (mut aws_sqs, mut azure_storage_queue, mut azure_event_hubs) = (None, None, None);
        let (mut kafka, mut webhook, mut poll) = (None, None, None);
        match row.kind.as_str() {
            "aws_sqs" => {
                let settings = AwsSqs::deserialize(&row.settings).map_err(ApiError::internal)?;
                let publishing_principal_arn = app.config.publishing_principal_arn.clone();
                aws_sqs = Some(AwsSqsReply { settings, external_id: org_id, publishing_principal_arn });
            }
            "azure_storage_queue" => {
                let settings = AzureStorageQueue::deserialize(&row.settings).map_err(ApiError::internal)?;
                let sas_token_expires_at = row.expires_at;
                azure_storage_queue = Some(AzureStorageQueueReply { settings, sas_token_expires_at });
            }
            "azure_event_hubs" => {
                let settings = AzureEventHubs::deserialize(&row.settings).map_err(ApiError::internal)?;
                azure_event_hubs = Some(settings);
            }
            "kafka" => kafka = Some(Kafka::deserialize(&row.settings).map_err(ApiError::internal)?),
            "poll" => poll = Some(Poll {}),
            _ => webhook = Some(WebhookEndpoint::deserialize(&row.settings).map_err(ApiError::internal)?),
        }
        let pause_reason = match row.pause_reason.as_deref() {
            None => None,
            Some("gone") => Some(PauseReason::Gone),
            Some(_) => Some(PauseReason::Requested),
        };
        let paused_until = row.paused_until.filter(|until| *until > app.clock.now());
        let state = match row.failures {
            _ if pause_reason.is_some() => QueueState::Paused,
            0..DEAD_AFTER if paused_until.is_some() => QueueState::Paused,
            0 => QueueState::Active,
            _ => QueueState::Failing,
        };
        debug_assert!(row.waiting.max(row.failed).max(row.skipped) <= EXACT_UP_TO + 1, "counts are cut off");
        Ok(Self {
            queue_name: row.stream,
            kind: row.kind,
            state,
            pause_reason,
            paused_until,
            aws_sqs,
            azure_storage_queue,
            azure_event_hubs,
            kafka,
            webhook,
            poll,
            event_types: row.event_types,
            ordering: row.ordering.as_deref().and_then(QueueOrdering::parse),
            format: row.format,
            encrypt_to: row.encrypt_to,
            created_at: row.created_at,
            updated_at: row.updated_at,
            waiting_events: row.waiting,
            failed_events: row.failed,
            skipped_events: row.skipped,
            lost_events: row.lost,
            consecutive_failures: row.failures,
            oldest_waiting_at: row.oldest_waiting,
            success_rate_1h: share(row.delivered, row.attempts),
            p95_ms_1h: Durations::p95(&row.durations),
        })
    }
}

/// A share of attempts, to four digits.
fn share(delivered: i64, attempts: i64) -> Option<f64> {
    (attempts > 0).then(|| (delivered as f64 / attempts as f64 * 10_000.0).round() / 10_000.0)
}
