//! One attempt: records to the brokers that lead their partitions, and once more to those that lead them by
//! then, where another broker does.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::{Instant, sleep, timeout_at};

use super::batches::{Batch, Placed, next_request, shares};
use super::brokers::BrokersOf;
use super::cluster::{Cluster, Produced};
use super::code::Code;
use super::request::Request;
use crate::events::targets::Receipt;
use crate::events::targets::error::{DeliveryError, Reason};
use crate::events::targets::settings::BrokerAddress;

/// Brokers that are written to at the same time.
const SIDE_BY_SIDE: usize = 8;
/// The time that a cluster gets to agree on a leader, where what it said just now is wrong.
const ELECTION: Duration = Duration::from_millis(250);

/// An attempt to send records.
pub struct Attempt<'a> {
    pub cluster: BrokersOf<'a>,
    /// When they are sent, in milliseconds since 1970.
    pub at: i64,
    /// It ends then.
    pub until: Instant,
}

/// What became of a record.
#[derive(Clone, Debug)]
enum Outcome {
    Done(Result<Receipt, DeliveryError>),
    /// The broker is gone, or leads its partition no more.
    Moved(DeliveryError),
}

impl Attempt<'_> {
    /// Sends records; a result for each, in their order.
    pub async fn run(&self, records: Vec<Placed<'_>>) -> Vec<Result<Receipt, DeliveryError>> {
        let late = Outcome::Done(Err(Reason::Timeout.into()));
        let mut outcomes = vec![late; records.len()];
        let known = self.cluster.known();
        let is_news = known.is_none();
        let cluster = match known {
            Some(cluster) => Ok(cluster),
            None => self.in_time(self.cluster.find_out()).await,
        };
        match cluster {
            Ok(cluster) => self.send(&cluster, records.clone(), &mut outcomes).await,
            Err(reason) => outcomes.fill(Outcome::Done(Err(reason.into()))),
        }
        let is_moved = |placed: &Placed<'_>| matches!(outcomes[placed.place], Outcome::Moved(_));
        let moved: Vec<_> = records.into_iter().filter(is_moved).collect();
        if !moved.is_empty() {
            if is_news {
                sleep(ELECTION).await;
            }
            // Without an answer, what was said before stands.
            if let Ok(cluster) = self.in_time(self.cluster.find_out()).await {
                self.send(&cluster, moved, &mut outcomes).await;
            }
        }
        let result = |outcome| match outcome {
            Outcome::Done(result) => result,
            Outcome::Moved(error) => Err(error),
        };
        outcomes.into_iter().map(result).collect()
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Reason>>) -> Result<T, Reason> {
        timeout_at(self.until, work).await.unwrap_or(Err(Reason::Timeout))
    }

    /// Sends records to those who lead their partitions as far as `cluster` knows.
    async fn send(&self, cluster: &Cluster, records: Vec<Placed<'_>>, outcomes: &mut [Outcome]) {
        let (shares, homeless) = shares(cluster, records.into_iter());
        for place in homeless {
            outcomes[place] = Outcome::Moved(Code::LEADER_NOT_AVAILABLE.reason(None).into());
        }
        let sends = shares.into_iter().map(|(broker, batches)| self.send_share(broker, batches));
        let mut sent = stream::iter(sends.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
        while let Some(share) = sent.next().await {
            share.into_iter().for_each(|(place, outcome)| outcomes[place] = outcome);
        }
    }

    /// Sends batches to their broker, one request after the other; what became of each record.
    async fn send_share(&self, broker: &BrokerAddress, mut batches: Vec<Batch<'_>>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        let mut note = |batch: &Batch<'_>, outcome: &Outcome| {
            outcomes.extend(batch.records.iter().map(|placed| (placed.place, outcome.clone())));
        };
        while !batches.is_empty() {
            let request = next_request(&mut batches);
            let produced = match self.in_time(self.produce(broker, &request)).await {
                Ok(produced) => produced,
                Err(reason) => {
                    let failed = unanswered(reason);
                    request.iter().chain(&batches).for_each(|batch| note(batch, &failed));
                    break;
                }
            };
            for batch in request {
                match produced.codes.get(&batch.partition) {
                    // Before what is behind them, since they are older.
                    Some(code) if code.is_too_large() && batch.records.len() > 1 => {
                        batches.splice(0..0, batch.halve());
                    }
                    code => note(&batch, &outcome(code.copied(), produced.throttle())),
                }
            }
        }
        outcomes
    }

    async fn produce(&self, broker: &BrokerAddress, batches: &[Batch<'_>]) -> Result<Produced, Reason> {
        let encoded: Vec<_> = batches.iter().map(|batch| (batch.partition, batch.encode(self.at))).collect();
        let encoded = encoded.iter().map(|(partition, batch)| (*partition, batch.as_slice()));
        let left = self.until.saturating_duration_since(Instant::now());
        let mut request = Request::produce(self.cluster.topic(), encoded, left);
        let mut answer = self.cluster.ask(broker, &mut request).await?;
        Produced::read(&mut answer, batches.len())
    }
}

/// What became of a request without an answer.
fn unanswered(reason: Reason) -> Outcome {
    match reason {
        // Another may lead by now. Not where a name leads nowhere: that is told as late as one that leads inside.
        Reason::Refused | Reason::Unreachable | Reason::Closed => Outcome::Moved(reason.into()),
        other => Outcome::Done(Err(other.into())),
    }
}

/// What a broker's code says of a batch's records.
fn outcome(code: Option<Code>, throttle: Option<Duration>) -> Outcome {
    let Some(code) = code else {
        return Outcome::Done(Err(Reason::InvalidResponse.into()));
    };
    if code.is_fine() {
        return Outcome::Done(Ok(Receipt { status: None, rest: throttle }));
    }
    let error = DeliveryError { reason: code.reason(None), retry_after: throttle };
    if code.is_moved() { Outcome::Moved(error) } else { Outcome::Done(Err(error)) }
}
