//! `kafka`: events as records of a topic, acknowledged by all replicas in sync; at least once, for nothing
//! counts records here (no idempotent producer).
//!
//! Of Kafka's protocol only what a producer needs is spoken: two requests and the log-in. No client library,
//! because none lets both of these be had: every broker that a cluster names is judged as the partner's own
//! addresses are and dialled at what was judged, and of an answer no length is believed.
//!
//! A record is what a webhook gets: the signed body as its value, the signatures beside it as headers. Its
//! key is the subject where the delivery has one, else the org; its partition the one that Kafka's own
//! clients choose for that key.

mod answer;
mod attempt;
mod batches;
mod brokers;
mod cluster;
mod code;
mod connection;
mod partition;
mod pool;
mod records;
mod request;
mod sasl;
#[cfg(test)]
pub mod test_broker;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use self::attempt::Attempt;
use self::batches::Placed;
use self::brokers::Brokers;
pub use self::code::THROTTLED;
use self::records::Record;
use super::error::DeliveryError;
use super::outbound::Outbound;
use super::settings::KafkaTopic;
use super::{Delivery, Receipt};
use crate::clock::Clock;

/// The most events of one call.
pub const MAX_BATCH: usize = 100;

/// Sends to clusters.
pub struct Kafka {
    brokers: Brokers,
    clock: Clock,
}

impl Kafka {
    /// Nothing is connected yet.
    pub fn new(outbound: &Outbound, clock: Clock) -> Self {
        Self { brokers: Brokers::new(outbound.clone()), clock }
    }

    /// Sends events of one org, those of a broker together; a result for each, in their order.
    pub async fn send(
        &self,
        topic: &KafkaTopic,
        deliveries: &[Delivery<'_>],
        timeout: Duration,
    ) -> Vec<Result<Receipt, DeliveryError>> {
        let Some(first) = deliveries.first() else { return Vec::new() };
        let org_id = first.org_id.to_string();
        let records = deliveries.iter().enumerate();
        let records = records.map(|(place, delivery)| Placed { place, record: record(delivery, &org_id) });
        let attempt = Attempt {
            cluster: self.brokers.of(topic, first.org_id, deliveries.iter().any(|delivery| delivery.anew)),
            at: self.clock.now().timestamp_millis(),
            until: Instant::now() + timeout,
        };
        attempt.run(records.collect()).await
    }
}

/// An event as a record.
fn record<'a>(delivery: &'a Delivery<'_>, org_id: &'a str) -> Record<'a> {
    let mut headers = delivery.headers.to_vec();
    headers.push(("content-type", delivery.content_type));
    headers.extend(delivery.traceparent.as_deref().map(|trace| ("traceparent", trace)));
    Record { key: delivery.group.unwrap_or(org_id), value: delivery.body, headers }
}
