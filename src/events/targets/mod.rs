//! The targets of events: a partner's queue or endpoint, reached safely (contract 6).
//!
//! [`settings`] judges what a partner registers, [`Targets::send`] delivers one event once, and
//! [`DeliveryError`] says what went wrong in words the partner may read. Retries, signatures and
//! the outbox are the publisher's.

mod error;
mod event_hubs;
mod kafka;
mod outbound;
pub mod reach;
pub mod settings;
#[cfg(feature = "aws")]
mod sqs;
mod storage_queue;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
mod webhook;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

pub use error::{DeliveryError, Reason};
use outbound::{AllowedAddresses, Outbound, Resolve, SystemResolver};
use settings::{EventHub, KafkaTopic, Policy, SqsQueue, StorageQueue, Webhook};

use crate::clock::Clock;
use crate::crypto::secret::Secret;

/// One signed event, ready to go.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// Identity of the event, the same at every attempt.
    pub event_id: &'a str,
    /// The event's org.
    pub org_id: Uuid,
    /// Name of its stream.
    pub stream: &'a str,
    /// All of it as JSON: what a queue gets that carries text alone.
    pub message: &'a str,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: what a webhook gets, with `body`.
    pub headers: [(&'static str, &'a str); 4],
    /// The very bytes that were signed.
    pub body: &'a str,
    /// The media type of `body`.
    pub content_type: &'static str,
    /// `body` is a message by itself: a queue that carries headers beside it gets both, and not `message`.
    pub is_bare: bool,
    /// What the event is about: messages of one group stay in order where a queue has such groups.
    pub group: Option<&'a str>,
    /// W3C trace context of the attempt, for a webhook.
    pub traceparent: Option<String>,
    /// The connection is not to be used again: another request waits for the receiver to accept its own.
    pub is_last: bool,
    /// Nothing that earlier deliveries left is used, no connection and no AWS session: for tests,
    /// which must not pass on what was allowed a while ago.
    pub anew: bool,
}

impl Delivery<'_> {
    /// The group as every target takes one: what is too long or holds other characters by its digest.
    fn group_key(&self) -> Option<Cow<'_, str>> {
        let group = self.group?;
        let is_fit = (1..=MAX_GROUP).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_graphic());
        Some(if is_fit { group.into() } else { hex::encode(Sha256::digest(group)).into() })
    }
}

/// Longest group that SQS and Event Hubs take, in bytes.
const MAX_GROUP: usize = 128;

/// The answer that an event was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Of a webhook's answer.
    pub status: Option<u16>,
    /// For how long the target asks to be left alone all the same.
    pub rest: Option<Duration>,
}

/// The place where an org wants a stream's events.
#[derive(Clone, Debug)]
pub enum Target {
    /// `aws_sqs`.
    AwsSqs(SqsQueue),
    /// `azure_storage_queue`.
    AzureStorageQueue(StorageQueue),
    /// `azure_event_hubs`.
    AzureEventHubs(EventHub),
    /// `kafka`.
    Kafka(KafkaTopic),
    /// `webhook`.
    Webhook(Webhook),
    /// `poll`: nothing is sent to it.
    Poll,
}

impl Target {
    /// The most events that one call of [`Targets::send_many`] should hand over: as many as the target
    /// takes in one request.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        match self {
            Self::AwsSqs(_) => MAX_BATCH,
            Self::AzureEventHubs(_) => event_hubs::MAX_BATCH,
            Self::Kafka(_) => kafka::MAX_BATCH,
            Self::AzureStorageQueue(_) | Self::Webhook(_) | Self::Poll => 1,
        }
    }
}

/// The most messages that SQS takes in one request.
const MAX_BATCH: usize = 10;

/// The operator's configuration.
#[derive(Clone, Debug, Default)]
pub struct TargetsConfig {
    /// The rules for targets.
    pub policy: Policy,
    /// Our own identity at AWS.
    pub aws: Option<AwsCredentials>,
    /// Replaces Amazon SQS, without address checks.
    pub sqs_endpoint: Option<Url>,
    /// Replaces AWS STS, without address checks.
    pub sts_endpoint: Option<Url>,
    /// Replaces Azure's hosts, without address checks; the account becomes the path's first part.
    pub storage_queue_endpoint: Option<Url>,
    /// Replaces the hosts of Event Hubs, without address checks; the namespace becomes the path's first
    /// part.
    pub event_hubs_endpoint: Option<Url>,
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    /// The public part.
    pub access_key_id: String,
    /// The secret part.
    pub secret_access_key: Secret<String>,
    /// The session of temporary credentials.
    pub session_token: Option<Secret<String>>,
}

/// Delivers to every kind of target. Cheap to clone; clones share connections and AWS sessions.
#[derive(Clone)]
pub struct Targets(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// For what partners name.
    partner: Outbound,
    /// For endpoints the operator set; connections are never shared with the other.
    operator: Outbound,
    storage_queue_endpoint: Option<Url>,
    event_hubs_endpoint: Option<Url>,
    #[cfg(feature = "aws")]
    sqs: sqs::Sqs,
    kafka: kafka::Kafka,
}

impl Targets {
    /// Clients for all targets, inside a tokio runtime; nothing is connected yet.
    #[must_use]
    pub fn new(config: TargetsConfig, clock: Clock) -> Self {
        Self::with_resolver(config, clock, Arc::new(SystemResolver))
    }

    fn with_resolver(config: TargetsConfig, clock: Clock, resolver: Arc<dyn Resolve>) -> Self {
        let allowed =
            if config.policy.allow_private { AllowedAddresses::Anywhere } else { AllowedAddresses::Public };
        let partner = Outbound::new(allowed, Arc::clone(&resolver), clock.clone());
        let operator = Outbound::new(AllowedAddresses::Anywhere, resolver, clock.clone());
        Self(Arc::new(Inner {
            #[cfg(feature = "aws")]
            sqs: sqs::Sqs::new(&config, &partner, &operator, clock.clone()),
            kafka: kafka::Kafka::new(&partner, clock.clone()),
            clock,
            partner,
            operator,
            storage_queue_endpoint: config.storage_queue_endpoint,
            event_hubs_endpoint: config.event_hubs_endpoint,
        }))
    }

    /// Sends one event once, and waits at most `timeout` for its acknowledgement.
    ///
    /// Safe to drop at any moment; the event may then have arrived or not.
    ///
    /// # Errors
    /// Not acknowledged; it may have arrived all the same.
    pub async fn send(
        &self,
        target: &Target,
        delivery: &Delivery<'_>,
        timeout: Duration,
    ) -> Result<Receipt, DeliveryError> {
        let (inner, now) = (&*self.0, self.0.clock.now());
        // All but the most frequent is boxed: whoever posts to a webhook does not carry what SQS would need.
        match target {
            Target::Webhook(webhook) => {
                return webhook::send(&inner.partner, webhook, delivery, timeout, now).await;
            }
            Target::AzureStorageQueue(queue) => {
                let endpoint = inner.storage_queue_endpoint.as_ref();
                let outbound = if endpoint.is_some() { &inner.operator } else { &inner.partner };
                Box::pin(storage_queue::send(outbound, endpoint, queue, delivery, timeout, now)).await
            }
            Target::AzureEventHubs(hub) => {
                let sent =
                    Box::pin(inner.event_hubs(hub, timeout).send(std::slice::from_ref(delivery))).await;
                sent.into_iter().collect()
            }
            Target::Kafka(topic) => {
                let mut sent =
                    Box::pin(inner.kafka.send(topic, std::slice::from_ref(delivery), timeout)).await;
                return sent.pop().unwrap_or_else(|| Err(Reason::Closed.into()));
            }
            Target::Poll => Err(Reason::Settings("messages of this queue are fetched").into()),
            #[cfg(feature = "aws")]
            Target::AwsSqs(queue) => {
                outbound::with_timeout(timeout, Box::pin(inner.sqs.send(queue, delivery))).await
            }
            #[cfg(not(feature = "aws"))]
            Target::AwsSqs(_) => Err(Reason::Settings("this service is built without aws_sqs").into()),
        }
        .map(|()| Receipt::default())
    }

    /// Sends events once, as many as go in one request together, and waits at most `timeout` for all of
    /// them: a result for each, in their order. Where a target orders events, those of one group arrive
    /// in the order in which they stand here; but one may fail alone, and the next of its group arrive.
    /// Who promises more hands over one of a group at a time.
    ///
    /// Safe to drop at any moment; the events may then have arrived or not.
    pub async fn send_many(
        &self,
        target: &Target,
        deliveries: &[Delivery<'_>],
        timeout: Duration,
    ) -> Vec<Result<Receipt, DeliveryError>> {
        let sent = match (target, deliveries) {
            #[cfg(feature = "aws")]
            (Target::AwsSqs(queue), [_, _, ..]) => {
                Box::pin(self.0.sqs.send_many(queue, deliveries, timeout)).await
            }
            (Target::AzureEventHubs(hub), _) => {
                Box::pin(self.0.event_hubs(hub, timeout).send(deliveries)).await
            }
            (Target::Kafka(topic), _) => {
                return Box::pin(self.0.kafka.send(topic, deliveries, timeout)).await;
            }
            _ => {
                let sends = deliveries.iter().map(|delivery| self.send(target, delivery, timeout));
                return futures_util::future::join_all(sends).await;
            }
        };
        sent.into_iter().map(|sent| sent.map(|()| Receipt::default())).collect()
    }
}

impl Inner {
    fn event_hubs<'a>(&'a self, hub: &'a EventHub, timeout: Duration) -> event_hubs::Sender<'a> {
        let endpoint = self.event_hubs_endpoint.as_ref();
        let outbound = if endpoint.is_some() { &self.operator } else { &self.partner };
        event_hubs::Sender { outbound, endpoint, hub, timeout, now: self.clock.now() }
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Targets")
    }
}

/// JSON made of characters that XML 1.0 has, as SQS and Azure demand. The few that JSON allows
/// and XML does not can only stand inside strings, where an escape means the same.
pub(super) fn xml_safe(json: &str) -> Cow<'_, str> {
    if !json.contains(['\u{fffe}', '\u{ffff}']) {
        return json.into();
    }
    json.replace('\u{fffe}', r"\ufffe").replace('\u{ffff}', r"\uffff").into()
}
