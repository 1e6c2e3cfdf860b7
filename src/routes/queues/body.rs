//! The input of the queue routes, as the document describes it: one schema a type of queue, told
//! apart by `type`, so that tools do not send what is always refused. Read by
//! [`RegisterQueue`](super::input::RegisterQueue).

use utoipa::ToSchema;

/// A queue to register: `type`, and the object of that type. `azure_event_hubs` is not live yet, and
/// answers 503.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RegisterQueue, discriminator(property_name = "type", mapping(
    ("aws_sqs" = "#/components/schemas/RegisterAwsSqs"),
    ("azure_storage_queue" = "#/components/schemas/RegisterAzureStorageQueue"),
    ("webhook" = "#/components/schemas/RegisterWebhook"),
)))]
#[expect(dead_code, reason = "only its schema is used")]
pub enum RegisterQueueBody {
    Webhook(RegisterWebhook),
    AwsSqs(RegisterAwsSqs),
    AzureStorageQueue(RegisterAzureStorageQueue),
}

/// An HTTPS endpoint to register.
#[derive(ToSchema)]
#[schema(example = json!({"type": "webhook", "webhook": {"url": "https://partner.example.com/events"}}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RegisterWebhook {
    #[schema(inline)]
    r#type: OfWebhook,
    /// The endpoint.
    webhook: WebhookTarget,
}

/// An Amazon SQS queue to register.
#[derive(ToSchema)]
#[schema(example = json!({
    "aws_sqs": {
        "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo",
        "region": "eu-central-1",
        "role_arn": "arn:aws:iam::123456789012:role/partner-events",
    },
    "type": "aws_sqs",
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RegisterAwsSqs {
    #[schema(inline)]
    r#type: OfAwsSqs,
    /// The queue.
    aws_sqs: AwsSqsTarget,
}

/// An Azure storage queue to register.
#[derive(ToSchema)]
#[schema(example = json!({
    "azure_storage_queue": {
        "account_name": "partnerevents", "queue_name": "events", "sas_token": "<your SAS token>",
    },
    "type": "azure_storage_queue",
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RegisterAzureStorageQueue {
    #[schema(inline)]
    r#type: OfAzureStorageQueue,
    /// The queue.
    azure_storage_queue: AzureStorageQueueTarget,
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
    #[schema(write_only, min_length = 1, max_length = 4_096)]
    sas_token: String,
}
