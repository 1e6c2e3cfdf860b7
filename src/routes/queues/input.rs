//! The input of the queue routes; how the document describes it is in [`body`](super::body).

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::crypto::secret::Secret;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::events::options::{
    EncryptTo, Format, MAX_EVENT_TYPES, MessageForm, QueueOptions, QueueOrdering, is_event_type,
};
use crate::events::queue::{
    AwsSqs, AzureEventHubs, AzureStorageQueue, Kafka, KafkaLogin, Poll, QueueSettings, WebhookEndpoint,
};
use crate::events::targets::settings::kafka::{
    MAX_CA, MAX_CREDENTIAL, MAX_SERVERS, MAX_TOPIC, SaslMechanism,
};
use crate::http::input::{Body, Fields, Input, Reader};
use crate::streams::Streams;

/// The longest URL or credential worth reading.
const MAX_TEXT: usize = 4_096;
/// The longest name of a broker with its port.
const MAX_SERVER: usize = 261;

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
    /// The queue of this stream.
    pub fn of(stream: &str) -> Self {
        Self { queue_name: stream.to_owned() }
    }

    /// The stream of that name, if there is one.
    pub async fn find(&self, streams: &Streams) -> Result<Option<StreamName>, ApiError> {
        streams.find(&self.queue_name).await
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
    /// An event hub.
    AzureEventHubs,
    /// A topic of a Kafka cluster.
    Kafka,
    /// An HTTPS endpoint.
    Webhook,
    /// The partner fetches.
    Poll,
}

impl QueueType {
    /// Every one.
    const ALL: [Self; 6] =
        [Self::AwsSqs, Self::AzureStorageQueue, Self::AzureEventHubs, Self::Kafka, Self::Webhook, Self::Poll];

    /// The name on the wire, also of the object of that type.
    fn name(self) -> &'static str {
        match self {
            Self::AwsSqs => "aws_sqs",
            Self::AzureStorageQueue => "azure_storage_queue",
            Self::AzureEventHubs => "azure_event_hubs",
            Self::Kafka => "kafka",
            Self::Webhook => "webhook",
            Self::Poll => "poll",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A queue to register.
pub struct RegisterQueue {
    pub settings: QueueSettings,
    pub options: QueueOptions,
}

impl Input for RegisterQueue {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let (options, settings) = (options(request), settings(request));
        if matches!(settings, Some(QueueSettings::Poll(_))) && options.ordering.is_some() {
            request.refuse(
                "ordering",
                "is not for a queue that is fetched from: its messages come oldest first",
            );
            return None;
        }
        Some(Self { settings: settings?, options })
    }
}

/// The object of the type that is named.
fn settings(request: &mut Reader) -> Option<QueueSettings> {
    const TYPES: &str = "must be aws_sqs, azure_storage_queue, azure_event_hubs, kafka, webhook or poll";
    let kind = request.body("type").required().choice(TYPES, QueueType::parse);
    let Some(kind) = kind else {
        // Without a type nothing can be said of these.
        QueueType::ALL.into_iter().for_each(|kind| request.body(kind.name()).ignored());
        return None;
    };
    let object = request.body(kind.name()).required();
    match kind {
        QueueType::AwsSqs => object.object(aws_sqs).map(QueueSettings::AwsSqs),
        QueueType::AzureStorageQueue => object.object(azure_storage_queue),
        QueueType::AzureEventHubs => object.object(azure_event_hubs),
        QueueType::Kafka => object.object(kafka),
        QueueType::Webhook => object.object(webhook).map(QueueSettings::Webhook),
        QueueType::Poll => object.object(|_| Some(Poll {})).map(QueueSettings::Poll),
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

fn azure_event_hubs(o: &mut Fields<'_>) -> Option<QueueSettings> {
    let namespace = o.field("namespace").required().text(1..=64);
    let event_hub_name = o.field("event_hub_name").required().text(1..=256);
    let sas_policy_name = o.field("sas_policy_name").required().text(1..=256);
    let sas_key = o.field("sas_key").required().text(1..=MAX_TEXT).map(Secret::new);
    let settings = AzureEventHubs {
        namespace: namespace?,
        event_hub_name: event_hub_name?,
        sas_policy_name: sas_policy_name?,
    };
    Some(QueueSettings::AzureEventHubs(settings, sas_key?))
}

fn kafka(o: &mut Fields<'_>) -> Option<QueueSettings> {
    let servers = o.field("bootstrap_servers").required();
    let bootstrap_servers = servers.list(1..=MAX_SERVERS, |server| server.text(1..=MAX_SERVER));
    let topic = o.field("topic").required().text(1..=MAX_TOPIC);
    let tls = o.field("tls").boolean().unwrap_or(true);
    let ca_certificate = o.field("ca_certificate").text(1..=MAX_CA);
    let (sasl, password) = o.field("sasl").object(kafka_login).unzip();
    let settings = Kafka { bootstrap_servers: bootstrap_servers?, topic: topic?, tls, ca_certificate, sasl };
    Some(QueueSettings::Kafka(settings, password))
}

fn kafka_login(o: &mut Fields<'_>) -> Option<(KafkaLogin, Secret<String>)> {
    const MECHANISMS: &str = "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512";
    let mechanism = o.field("mechanism").required().choice(MECHANISMS, SaslMechanism::parse);
    let username = o.field("username").required().text(1..=MAX_CREDENTIAL);
    let password = o.field("password").required().text(1..=MAX_CREDENTIAL).map(Secret::new);
    Some((KafkaLogin { mechanism: mechanism?, username: username? }, password?))
}

fn webhook(o: &mut Fields<'_>) -> Option<WebhookEndpoint> {
    Some(WebhookEndpoint { url: o.field("url").required().text(1..=MAX_TEXT)? })
}
