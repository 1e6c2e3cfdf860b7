//! The brokers of partners' clusters: what is known of them, and the connections to them. Both belong to an
//! org and all that it set, so that nobody uses what somebody else's password opened.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;
use uuid::Uuid;

use super::cluster::Cluster;
use super::connection::{Connection, Unanswered};
use super::pool::{MAX_AGE, Pool};
use super::request::Request;
use super::{answer::Answer, sasl};
use crate::events::targets::error::Reason;
use crate::events::targets::outbound::{Outbound, race};
use crate::events::targets::settings::BrokerAddress;
use crate::events::targets::settings::KafkaTopic;

/// The delay until the next broker is asked as well.
const STAGGER: Duration = Duration::from_secs(1);
/// The memory for what is known of clusters, in bytes.
const MAX_KNOWN: u64 = 16 * 1024 * 1024;
/// Clusters that are known at a time, about.
const CLUSTERS: usize = 4_096;

/// An org, and all that it set of a cluster.
type Owner = (Uuid, [u8; 32]);

/// What is known of all clusters.
pub struct Brokers {
    outbound: Outbound,
    known: Cache<Owner, Known, ByWeight>,
    idle: Pool<(Owner, BrokerAddress), Connection>,
}

#[derive(Clone)]
struct Known {
    cluster: Arc<Cluster>,
    since: Instant,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Owner, Known> for ByWeight {
    fn weight(&self, _: &Owner, known: &Known) -> u64 {
        known.cluster.weight()
    }
}

impl Brokers {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, known: Cache::with_weighter(CLUSTERS, MAX_KNOWN, ByWeight), idle: Pool::default() }
    }

    /// Those of an org's topic. With `anew`, nothing is used that an earlier call left.
    pub fn of<'a>(&'a self, topic: &'a KafkaTopic, org_id: Uuid, anew: bool) -> BrokersOf<'a> {
        BrokersOf { all: self, topic, owner: (org_id, topic.digest()), anew }
    }
}

/// The brokers of one cluster.
pub struct BrokersOf<'a> {
    all: &'a Brokers,
    topic: &'a KafkaTopic,
    owner: Owner,
    anew: bool,
}

impl BrokersOf<'_> {
    /// The topic's name.
    pub fn topic(&self) -> &str {
        self.topic.topic()
    }

    /// What is known of the cluster since less than a minute.
    pub fn known(&self) -> Option<Arc<Cluster>> {
        let known = self.all.known.get(&self.owner).filter(|_| !self.anew)?;
        (known.since.elapsed() < MAX_AGE).then_some(known.cluster)
    }

    /// Asks the cluster, through whichever of the brokers named at first answers first.
    pub async fn find_out(&self) -> Result<Arc<Cluster>, Reason> {
        let servers = self.topic.bootstrap_servers().iter();
        let asks: Vec<_> = servers.map(|server| self.describe(server)).collect();
        let cluster = Arc::new(race(asks.into_iter(), STAGGER).await??);
        self.learn(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// What a broker says, which may be a refusal: the others would say the same, and a wrong password is
    /// tried once.
    async fn describe(&self, server: &BrokerAddress) -> Result<Result<Cluster, Reason>, Reason> {
        match self.ask(server, &mut Request::metadata(self.topic.topic())).await {
            Ok(mut answer) => Ok(Cluster::read(&mut answer, self.topic)),
            Err(said @ Reason::Provider(_)) => Ok(Err(said)),
            Err(reason) => Err(reason),
        }
    }

    /// Remembers what the cluster says now.
    pub fn learn(&self, cluster: Arc<Cluster>) {
        self.all.known.insert(self.owner, Known { cluster, since: Instant::now() });
    }

    /// Asks a broker, over a connection that waits if there is one. Where that one has ended without a byte
    /// of an answer, over a new one at once (contract 14).
    pub async fn ask(&self, broker: &BrokerAddress, request: &mut Request) -> Result<Answer, Reason> {
        if let Some(mut connection) = self.idle(broker) {
            match connection.ask(request).await {
                Ok(answer) => {
                    self.keep(broker, connection);
                    return Ok(answer);
                }
                Err(Unanswered { is_silent: true, .. }) => {}
                Err(unanswered) => return Err(unanswered.reason),
            }
        }
        let mut connection = self.open(broker).await?;
        let answer = connection.ask(request).await?;
        self.keep(broker, connection);
        Ok(answer)
    }

    fn idle(&self, broker: &BrokerAddress) -> Option<Connection> {
        if self.anew { None } else { self.all.idle.take(&(self.owner, broker.clone())) }
    }

    /// Keeps a connection for the next request, but for one that shows how things stand just now.
    fn keep(&self, broker: &BrokerAddress, connection: Connection) {
        if !self.anew {
            let born = connection.born;
            self.all.idle.put((self.owner, broker.clone()), connection, born);
        }
    }

    /// Connects to a broker, which is judged as every address is, and logs in.
    async fn open(&self, broker: &BrokerAddress) -> Result<Connection, Reason> {
        let stream = self.all.outbound.open(broker.host(), broker.port(), self.topic.trust()).await?;
        let mut connection = Connection::new(stream);
        if let Some(sasl) = self.topic.sasl() {
            sasl::log_in(&mut connection, sasl).await?;
        }
        Ok(connection)
    }
}
