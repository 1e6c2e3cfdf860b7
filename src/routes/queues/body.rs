//! The input of the queue routes, as the document describes it: one schema a type of queue, told
//! apart by `type`, so that tools do not send what is always refused. Read by
//! [`RegisterQueue`](super::input::RegisterQueue).

use utoipa::ToSchema;

use crate::events::options::{Format, QueueOrdering};
use crate::events::targets::settings::kafka::SaslMechanism;

/// The body of a type of queue: `type`, the object of that type, and what each may have besides. Not one schema that
/// the others hold, because only a plain object can be closed to unknown fields.
macro_rules! register {
    ($(#[$about:meta])* $name:ident is $kind:ident: $($target:tt)*) => {
        register! {
            $(#[$about])* $name is $kind, $($target)*;
            /// The order in which events are sent; without it, none is promised.
            ordering: Option<QueueOrdering>,
        }
    };
    ($(#[$about:meta])* $name:ident is $kind:ident, $(#[$doc:meta])* $field:ident: $target:ty; $($ordering:tt)*) => {
        #[derive(ToSchema)]
        $(#[$about])*
        #[expect(dead_code, reason = "only its schema is used")]
        pub struct $name {
            #[schema(inline)]
            r#type: $kind,
            $(#[$doc])*
            $field: $target,
            /// The types that the queue takes; without it, all of the stream. What is left out counts as `skipped`
            /// and can be replayed. Types that there are not yet may be named.
            #[schema(value_type = Option<Vec<EventTypeName>>, min_items = 1, max_items = 100, example = json!(["user.created"]))]
            event_types: Option<Vec<String>>,
            $($ordering)*
            /// The form of a message; without it, `envelope`.
            format: Option<Format>,
            /// Messages are encrypted to this key of yours: `MessageLevelEncryption`, `Reports` or
            /// `CredentialsDownload` for the live one of that usage that was registered last, or a `UniqueId` of one
            /// that has such a usage.
            #[schema(
                pattern = "^(MessageLevelEncryption|Reports|CredentialsDownload|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
                example = "MessageLevelEncryption"
            )]
            encrypt_to: Option<String>,
        }
    };
}

/// The name of a type of events.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,100}$", example = "user.created")]
#[expect(dead_code, reason = "documents a name's form")]
pub struct EventTypeName(String);

/// A queue to register: `type`, and the object of that type.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RegisterQueue, discriminator(property_name = "type", mapping(
    ("aws_sqs" = "#/components/schemas/RegisterAwsSqs"),
    ("azure_storage_queue" = "#/components/schemas/RegisterAzureStorageQueue"),
    ("azure_event_hubs" = "#/components/schemas/RegisterAzureEventHubs"),
    ("kafka" = "#/components/schemas/RegisterKafka"),
    ("webhook" = "#/components/schemas/RegisterWebhook"),
    ("poll" = "#/components/schemas/RegisterPoll"),
)))]
#[expect(dead_code, reason = "only its schema is used")]
pub enum RegisterQueueBody {
    Webhook(RegisterWebhook),
    AwsSqs(RegisterAwsSqs),
    AzureStorageQueue(RegisterAzureStorageQueue),
    AzureEventHubs(RegisterAzureEventHubs),
    Kafka(RegisterKafka),
    Poll(RegisterPoll),
}

register! {
    /// An HTTPS endpoint to register.
    #[schema(example = json!({"type": "webhook", "webhook": {"url": "https://partner.example.com/events"}}))]
    RegisterWebhook is OfWebhook:
    /// The endpoint.
    webhook: WebhookTarget
}

register! {
    /// An Amazon SQS queue to register.
    #[schema(example = json!({
        "aws_sqs": {
            "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo",
            "region": "eu-central-1",
            "role_arn": "arn:aws:iam::123456789012:role/partner-events",
        },
        "type": "aws_sqs",
    }))]
    RegisterAwsSqs is OfAwsSqs:
    /// The queue.
    aws_sqs: AwsSqsTarget
}

register! {
    /// An Azure storage queue to register.
    #[schema(example = json!({
        "azure_storage_queue": {
            "account_name": "partnerevents", "queue_name": "events", "sas_token": "<your SAS token>",
        },
        "type": "azure_storage_queue",
    }))]
    RegisterAzureStorageQueue is OfAzureStorageQueue:
    /// The queue.
    azure_storage_queue: AzureStorageQueueTarget
}

register! {
    /// An event hub to register.
    #[schema(example = json!({
        "azure_event_hubs": {
            "namespace": "partner-events", "event_hub_name": "events", "sas_policy_name": "send-only",
            "sas_key": "<the key of your policy>",
        },
        "type": "azure_event_hubs",
    }))]
    RegisterAzureEventHubs is OfAzureEventHubs:
    /// The hub.
    azure_event_hubs: AzureEventHubsTarget
}

register! {
    /// A topic of a Kafka cluster to register.
    #[schema(example = json!({
        "kafka": {
            "bootstrap_servers": ["broker-1.partner.example:9093", "broker-2.partner.example:9093"],
            "topic": "partner-events",
            "sasl": {
                "mechanism": "SCRAM-SHA-512", "username": "partner-api", "password": "<the password of that user>",
            },
        },
        "type": "kafka",
    }))]
    RegisterKafka is OfKafka:
    /// The topic.
    kafka: KafkaTarget
}

register! {
    /// A queue to fetch from. It has no `ordering`: its messages come oldest first.
    #[schema(example = json!({"poll": {}, "type": "poll"}))]
    RegisterPoll is OfPoll,
    /// There is nothing to set.
    poll: PollTarget;
}

/// The type of a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfWebhook {
    Webhook,
}

/// The type of an SQS queue.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfAwsSqs {
    AwsSqs,
}

/// The type of a storage queue.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfAzureStorageQueue {
    AzureStorageQueue,
}

/// The type of an event hub.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfAzureEventHubs {
    AzureEventHubs,
}

/// The type of a topic.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfKafka {
    Kafka,
}

/// The type of a queue to fetch from.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum OfPoll {
    Poll,
}

/// Where events are posted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct WebhookTarget {
    /// Starts with `https://`, without user name, password and fragment, and leads to a public
    /// address.
    #[schema(
        format = "uri",
        pattern = "^https://[^@#]+$",
        max_length = 2_048,
        example = "https://partner.example.com/events"
    )]
    url: String,
}

/// Which SQS queue, standard or FIFO, and by which right.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AwsSqsTarget {
    /// `https://sqs.<region>.amazonaws.com/<account>/<name>`, with the region given beside it.
    #[schema(
        pattern = r"^https://sqs\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$",
        example = "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo"
    )]
    queue_url: String,
    /// The queue's region.
    #[schema(pattern = "^[a-z]{2}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$", example = "eu-central-1")]
    region: String,
    /// The role that the service assumes to send, with the org's id as external id.
    #[schema(
        pattern = "^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
        max_length = 2_048,
        example = "arn:aws:iam::123456789012:role/partner-events"
    )]
    role_arn: String,
}

/// Which Azure storage queue, and the right to write to it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AzureStorageQueueTarget {
    /// The storage account.
    #[schema(pattern = "^[a-z0-9]{3,24}$", example = "partnerevents")]
    account_name: String,
    /// The queue in it.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", min_length = 3, max_length = 63, example = "events")]
    queue_name: String,
    /// A shared access signature with permission to add: its query string, a URL of the queue that
    /// ends with it, or a connection string that holds it. It is never shown again.
    #[schema(format = Password, write_only, min_length = 1, max_length = 4_096)]
    sas_token: String,
}

/// Which event hub, and the right to send to it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AzureEventHubsTarget {
    /// The namespace, without its domain.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]$", example = "partner-events")]
    namespace: String,
    /// The hub in it.
    #[schema(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 256, example = "events")]
    event_hub_name: String,
    /// The policy that may send to it.
    #[schema(
        pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        max_length = 256,
        example = "send-only"
    )]
    sas_policy_name: String,
    /// The key of that policy, or a connection string that holds it. It is never shown again.
    #[schema(format = Password, write_only, min_length = 1, max_length = 4_096)]
    sas_key: String,
}

/// Which topic, who vouches for its brokers, and how to log in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct KafkaTarget {
    /// `<host>:<port>` of brokers that tell of the others; of all, the ports are 443 or from 1024 on, and the
    /// addresses public.
    #[schema(
        value_type = Vec<KafkaServer>, min_items = 1, max_items = 10,
        example = json!(["broker-1.partner.example:9093"])
    )]
    bootstrap_servers: Vec<String>,
    /// The topic, which must be there.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,249}$", example = "partner-events")]
    topic: String,
    /// Whether connections are inside TLS: always.
    #[schema(value_type = Option<bool>, default = true)]
    tls: Option<bool>,
    /// PEM of the authorities that vouch for the brokers, 1 to 10 of them; without it, the public ones.
    #[schema(min_length = 1, max_length = 16_384)]
    ca_certificate: Option<String>,
    /// How to log in; without it, the service does not.
    #[schema(inline)]
    sasl: Option<KafkaLoginTarget>,
}

/// A broker's host and port.
#[derive(ToSchema)]
#[schema(
    value_type = String, pattern = r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$",
    example = "broker-1.partner.example:9093"
)]
#[expect(dead_code, reason = "documents an address's form")]
pub struct KafkaServer(String);

/// A user, and the way to prove its password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct KafkaLoginTarget {
    /// The way to prove the password.
    mechanism: SaslMechanism,
    /// The user: printable ASCII.
    #[schema(pattern = "^[ -~]{1,256}$", example = "partner-api")]
    username: String,
    /// Its password: printable ASCII. It is never shown again.
    #[schema(write_only, pattern = "^[ -~]{1,256}$")]
    password: String,
}

/// Nothing.
#[derive(ToSchema)]
pub struct PollTarget {}
