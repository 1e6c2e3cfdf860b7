//! The input of the queue routes; how the document describes it is in [`body`](super::body).

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::crypto::secret::Secret;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::events::options::{
    EncryptTo, Format, MAX_EVENT_TYPES, MessageForm, QueueOptions, QueueOrdering, is_event_type,
};
use crate::events::queue::{AwsSqs, AzureStorageQueue, QueueSettings, WebhookEndpoint};
use crate::http::input::{Body, Fields, Input, Reader};
use crate::streams::Streams;

/// The longest URL or credential worth reading.
const MAX_TEXT: usize = 4_096;

/// Names a queue by its stream.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct QueuePath {
    /// The stream whose events go there.
    #[param(value_type = StreamName, example = "credentials")]
    queue_name: String,
}

impl Input for QueuePath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        // Another name is no broken rule but an unknown thing, which is told after the body's problems.
        Some(Self { queue_name: request.path("queue_name").looked_up()? })
    }
}

impl QueuePath {
    /// The stream of that name, if there is one.
    pub async fn find(&self, streams: &Streams) -> Result<Option<StreamName>, ApiError> {
        Ok(streams.find(&self.queue_name).await?)
    }

    /// The stream of that name.
    pub async fn stream(&self, streams: &Streams) -> Result<StreamName, ApiError> {
        self.find(streams).await?.ok_or_else(|| Code::UnknownStream.into())
    }
}

/// A kind of queue.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "webhook")]
pub enum QueueType {
    /// Amazon SQS.
    AwsSqs,
    /// Azure Queue Storage.
    AzureStorageQueue,
    /// An HTTPS endpoint.
    Webhook,
    /// Not live yet.
    AzureEventHubs,
}

/// A queue to register.
pub struct RegisterQueue {
    pub target: RegisterTarget,
    pub options: QueueOptions,
}

/// Where it leads.
pub enum RegisterTarget {
    Live(QueueSettings),
    /// `azure_event_hubs`.
    Planned,
}

impl Input for RegisterQueue {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let (options, target) = (options(request), RegisterTarget::read(request));
        Some(Self { target: target?, options })
    }
}

impl RegisterTarget {
    fn read(request: &mut Reader) -> Option<Self> {
        const TYPES: &str = "must be aws_sqs, azure_storage_queue or webhook";
        let kind = request.body("type").required().choice(TYPES, |name| match name {
            "aws_sqs" => Some(QueueType::AwsSqs),
            "azure_storage_queue" => Some(QueueType::AzureStorageQueue),
            "webhook" => Some(QueueType::Webhook),
            "azure_event_hubs" => Some(QueueType::AzureEventHubs),
            _ => None,
        });
        let settings = match kind {
            Some(QueueType::AwsSqs) => {
                request.body("aws_sqs").required().object(aws_sqs).map(QueueSettings::AwsSqs)
            }
            Some(QueueType::AzureStorageQueue) => {
                request.body("azure_storage_queue").required().object(azure_storage_queue)
            }
            Some(QueueType::Webhook) => {
                request.body("webhook").required().object(webhook).map(QueueSettings::Webhook)
            }
            Some(QueueType::AzureEventHubs) => {
                request.body("azure_event_hubs").ignored();
                return Some(Self::Planned);
            }
            None => {
                // Without a type nothing can be said of these.
                for name in ["aws_sqs", "azure_storage_queue", "webhook"] {
                    request.body(name).ignored();
                }
                None
            }
        };
        settings.map(Self::Live)
    }
}

/// What stands beside the target of any type. Absent is the default, in a `PUT` as well: it replaces.
fn options(request: &mut Reader) -> QueueOptions {
    const ENCRYPT_TO: &str =
        "must be MessageLevelEncryption, Reports, CredentialsDownload, or a key's UniqueId";
    let event_types = request.body("event_types").list(1..=MAX_EVENT_TYPES, |field| {
        field.decoded(|name| {
            is_event_type(name).then(|| name.to_owned()).ok_or("must be the name of a type of events")
        })
    });
    let ordering = request.body("ordering").choice("must be per_subject or null", QueueOrdering::parse);
    let format = request.body("format").choice("must be envelope or cloudevents", Format::parse);
    let encrypt_to = request.body("encrypt_to").decoded(|text| EncryptTo::parse(text).ok_or(ENCRYPT_TO));
    let form = MessageForm { format: format.unwrap_or_default(), encrypt_to };
    QueueOptions { event_types: event_types.map(folded), ordering, form }
}

/// Each name once, in the order sent.
fn folded(sent: Vec<String>) -> Vec<String> {
    let mut names = Vec::with_capacity(sent.len());
    for name in sent {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn aws_sqs(o: &mut Fields<'_>) -> Option<AwsSqs> {
    let queue_url = o.field("queue_url").required().text(1..=MAX_TEXT);
    let region = o.field("region").required().text(1..=64);
    let role_arn = o.field("role_arn").text(1..=MAX_TEXT);
    Some(AwsSqs { queue_url: queue_url?, region: region?, role_arn })
}

fn azure_storage_queue(o: &mut Fields<'_>) -> Option<QueueSettings> {
    let account_name = o.field("account_name").required().text(1..=64);
    let queue_name = o.field("queue_name").required().text(1..=128);
    let sas_token = o.field("sas_token").required().text(1..=MAX_TEXT).map(Secret::new);
    let settings = AzureStorageQueue { account_name: account_name?, queue_name: queue_name? };
    Some(QueueSettings::AzureStorageQueue(settings, sas_token?))
}

fn webhook(o: &mut Fields<'_>) -> Option<WebhookEndpoint> {
    Some(WebhookEndpoint { url: o.field("url").required().text(1..=MAX_TEXT)? })
}
