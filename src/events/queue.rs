//! A queue's settings: as they are stored and shown, and as a target.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::crypto::associated_data;
use crate::crypto::master::MasterKeys;
use crate::crypto::secret::Secret;
use crate::events::targets::settings::kafka::{KafkaRegistration, Sasl, SaslMechanism};
use crate::events::targets::settings::{
    EventHub, InvalidSetting, KafkaTopic, Policy, SqsQueue, StorageQueue, Webhook,
};
use crate::events::targets::{DeliveryError, Reason, Target};
use crate::ids::OrgId;

/// An Amazon SQS queue, standard or FIFO.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AwsSqs {
    /// `https://sqs.<region>.amazonaws.com/<account>/<name>`
    #[schema(example = "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo")]
    pub queue_url: String,
    /// The queue's region.
    #[schema(example = "eu-central-1")]
    pub region: String,
    /// The role that the service assumes to send, with the org's id as external id.
    #[schema(example = "arn:aws:iam::123456789012:role/partner-events")]
    pub role_arn: Option<String>,
}

/// The public part of an Azure storage queue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AzureStorageQueue {
    /// The storage account.
    #[schema(pattern = "^[a-z0-9]{3,24}$", example = "partnerevents")]
    pub account_name: String,
    /// The queue in it.
    #[schema(example = "events")]
    pub queue_name: String,
}

/// The public part of an event hub.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AzureEventHubs {
    /// The namespace, without its domain.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]$", example = "partner-events")]
    pub namespace: String,
    /// The hub in it.
    #[schema(example = "events")]
    pub event_hub_name: String,
    /// The policy that may send to it.
    #[schema(example = "send-only")]
    pub sas_policy_name: String,
}

/// The public part of a topic of a Kafka cluster.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Kafka {
    /// The brokers that are asked for the others.
    #[schema(example = json!(["broker-1.partner.example:9093"]))]
    pub bootstrap_servers: Vec<String>,
    /// The topic.
    #[schema(example = "partner-events")]
    pub topic: String,
    /// Whether connections are inside TLS.
    pub tls: bool,
    /// The authorities that vouch for the brokers; null: the public ones.
    #[schema(required)]
    pub ca_certificate: Option<String>,
    /// How the service logs in; null: not at all.
    #[schema(required)]
    pub sasl: Option<KafkaLogin>,
}

/// The public part of a log-in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KafkaLogin {
    /// The way to prove the password.
    pub mechanism: SaslMechanism,
    /// The user.
    #[schema(example = "partner-api")]
    pub username: String,
}

/// A webhook.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpoint {
    /// Where events are posted; https only.
    #[schema(example = "https://partner.example.com/hooks/partner-api")]
    pub url: String,
}

/// A queue that the partner fetches from: there is nothing to set.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Poll {}

/// The address of a stream's events, not yet judged.
#[derive(Clone, Debug)]
pub enum QueueSettings {
    /// Amazon SQS.
    AwsSqs(AwsSqs),
    /// An Azure storage queue, and its SAS token.
    AzureStorageQueue(AzureStorageQueue, Secret<String>),
    /// An event hub, and the key of its policy.
    AzureEventHubs(AzureEventHubs, Secret<String>),
    /// A topic, and the password of its log-in if it has one.
    Kafka(Kafka, Option<Secret<String>>),
    /// HTTPS.
    Webhook(WebhookEndpoint),
    /// The partner fetches.
    Poll(Poll),
}

impl QueueSettings {
    /// The `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AwsSqs(_) => "aws_sqs",
            Self::AzureStorageQueue(..) => "azure_storage_queue",
            Self::AzureEventHubs(..) => "azure_event_hubs",
            Self::Kafka(..) => "kafka",
            Self::Webhook(_) => "webhook",
            Self::Poll(_) => "poll",
        }
    }

    /// The public part, as stored and shown.
    pub fn to_json(&self) -> serde_json::Value {
        let json = match self {
            Self::AwsSqs(settings) => serde_json::to_value(settings),
            Self::AzureStorageQueue(settings, _) => serde_json::to_value(settings),
            Self::AzureEventHubs(settings, _) => serde_json::to_value(settings),
            Self::Kafka(settings, _) => serde_json::to_value(settings),
            Self::Webhook(settings) => serde_json::to_value(settings),
            Self::Poll(settings) => serde_json::to_value(settings),
        };
        json.expect("plain data with string keys")
    }

    /// Returns the target, if the settings keep every rule.
    pub fn target(&self, policy: Policy) -> Result<Target, InvalidSetting> {
        Ok(match self {
            Self::AwsSqs(AwsSqs { queue_url, region, role_arn }) => {
                Target::AwsSqs(SqsQueue::new(queue_url, region, role_arn.as_deref(), policy)?)
            }
            Self::AzureStorageQueue(AzureStorageQueue { account_name, queue_name }, sas_token) => {
                Target::AzureStorageQueue(StorageQueue::new(account_name, queue_name, sas_token.expose())?)
            }
            Self::AzureEventHubs(settings, sas_key) => {
                let AzureEventHubs { namespace, event_hub_name, sas_policy_name } = settings;
                let sas_key = sas_key.expose();
                Target::AzureEventHubs(EventHub::new(namespace, event_hub_name, sas_policy_name, sas_key)?)
            }
            Self::Kafka(settings, password) => Target::Kafka(settings.topic(password.as_ref(), policy)?),
            Self::Webhook(WebhookEndpoint { url }) => Target::Webhook(Webhook::new(url, policy)?),
            Self::Poll(Poll {}) => Target::Poll,
        })
    }
}

impl Kafka {
    fn topic(&self, password: Option<&Secret<String>>, policy: Policy) -> Result<KafkaTopic, InvalidSetting> {
        let Self { bootstrap_servers, topic, tls, ca_certificate, sasl } = self;
        let sasl = sasl.as_ref().zip(password).map(|(login, password)| Sasl {
            mechanism: login.mechanism,
            username: login.username.clone(),
            password: password.clone(),
        });
        let ca_certificate = ca_certificate.as_deref();
        let registered = KafkaRegistration { bootstrap_servers, topic, tls: *tls, ca_certificate, sasl };
        KafkaTopic::new(registered, policy)
    }
}

/// The write-only part of a target, in its normal form.
pub fn secret(target: &Target) -> Option<&Secret<String>> {
    match target {
        Target::AzureStorageQueue(queue) => Some(queue.sas().query()),
        Target::AzureEventHubs(hub) => Some(hub.sas_key()),
        Target::Kafka(topic) => topic.sasl().map(|sasl| &sasl.password),
        Target::AwsSqs(_) | Target::Webhook(_) | Target::Poll => None,
    }
}

/// Checks that the credential in a target, if there is one, can be used at `now`.
pub fn require_live(target: &Target, now: DateTime<Utc>) -> Result<(), InvalidSetting> {
    if let Target::AzureStorageQueue(queue) = target { queue.require_live(now) } else { Ok(()) }
}

/// The time when a credential in a target ends by itself.
pub fn expires_at(target: &Target) -> Option<DateTime<Utc>> {
    if let Target::AzureStorageQueue(queue) = target { queue.sas().expires_at() } else { None }
}

/// A queue as it comes from the database.
#[derive(Debug)]
pub struct StoredQueue<'a> {
    /// The tenant.
    pub org_id: OrgId,
    /// The stream that goes there.
    pub stream: &'a str,
    /// The `type`.
    pub kind: &'a str,
    /// The public part.
    pub settings: &'a serde_json::Value,
    /// The write-only part, sealed.
    pub sealed: Option<&'a [u8]>,
}

impl StoredQueue<'_> {
    /// Returns the target; opens what is sealed. The rules are asked again: they may be stricter
    /// than when the queue was registered.
    pub fn target(&self, master: &MasterKeys, policy: Policy) -> Result<Target, DeliveryError> {
        let unreadable = |_| Reason::Settings("the queue's settings cannot be read");
        let settings = match self.kind {
            "aws_sqs" => QueueSettings::AwsSqs(AwsSqs::deserialize(self.settings).map_err(unreadable)?),
            "azure_storage_queue" => {
                let settings = AzureStorageQueue::deserialize(self.settings).map_err(unreadable)?;
                QueueSettings::AzureStorageQueue(settings, self.open(master)?)
            }
            "azure_event_hubs" => {
                let settings = AzureEventHubs::deserialize(self.settings).map_err(unreadable)?;
                QueueSettings::AzureEventHubs(settings, self.open(master)?)
            }
            "kafka" => {
                let settings = Kafka::deserialize(self.settings).map_err(unreadable)?;
                let password = settings.sasl.as_ref().map(|_| self.open(master)).transpose()?;
                QueueSettings::Kafka(settings, password)
            }
            "poll" => QueueSettings::Poll(Poll {}),
            _ => QueueSettings::Webhook(WebhookEndpoint::deserialize(self.settings).map_err(unreadable)?),
        };
        Ok(settings.target(policy)?)
    }

    fn open(&self, master: &MasterKeys) -> Result<Secret<String>, DeliveryError> {
        let opened = master
            .open(&associated_data::event_queue(self.org_id, self.stream), self.sealed.unwrap_or_default());
        let opened = opened.map_err(|_| Reason::Settings("the queue's credential cannot be opened"))?;
        let text = std::str::from_utf8(opened.expose());
        Ok(Secret::new(text.map_err(|_| Reason::Settings("the queue's credential is not text"))?.to_owned()))
    }
}
