//! What a cluster says of itself: its brokers, and which of them leads which partition of a topic.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::answer::Answer;
use super::code::Code;
use super::partition;
use crate::events::targets::error::Reason;
use crate::events::targets::settings::BrokerAddress;
use crate::events::targets::settings::KafkaTopic;

/// The most brokers of a cluster, and partitions of a topic.
const MAX_BROKERS: usize = 1_000;
const MAX_PARTITIONS: usize = 5_000;

/// Who leads a topic's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// By their number.
    brokers: HashMap<i32, BrokerAddress>,
    /// Partition and leader, in the order of partitions; never empty.
    leaders: Vec<(i32, i32)>,
}

impl Cluster {
    /// Reads an answer to Metadata 7 about one topic.
    ///
    /// # Errors
    /// What the broker says of the topic; that it says nothing that can be read.
    pub fn read(answer: &mut Answer, topic: &KafkaTopic) -> Result<Self, Reason> {
        answer.skip(4)?;
        let brokers = answer.list(MAX_BROKERS, |answer| {
            let id = answer.i32()?;
            let host = answer.text()?.unwrap_or_default().to_owned();
            let address = topic.broker(&host, answer.i32()?);
            answer.text()?;
            Ok((id, address))
        })?;
        // The cluster's name, and who controls it.
        answer.text()?;
        answer.skip(4)?;
        let topics = answer.list(1, |answer| Ok((Code(answer.i16()?), partitions(answer)?)))?;
        let Some((code, mut leaders)) = topics.into_iter().next() else {
            return Err(Reason::InvalidResponse);
        };
        if !code.is_fine() {
            return Err(code.reason(None));
        }
        if leaders.is_empty() {
            return Err(Reason::InvalidResponse);
        }
        leaders.sort_unstable();
        let leading: HashSet<_> = leaders.iter().map(|(_, leader)| *leader).collect();
        let brokers = brokers.into_iter().filter(|(id, _)| leading.contains(id));
        let brokers = brokers.filter_map(|(id, address)| Some((id, address?))).collect();
        Ok(Self { brokers, leaders })
    }

    /// The partition of a key.
    pub fn partition_of(&self, key: &str) -> i32 {
        self.leaders[partition::of(key.as_bytes(), self.leaders.len())].0
    }

    /// The broker that leads a partition; `None` while none does, or where nobody of ours would go.
    pub fn leader_of(&self, partition: i32) -> Option<&BrokerAddress> {
        let found = self.leaders.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
        self.brokers.get(&self.leaders[found].1)
    }

    /// The bytes of memory that it takes, about.
    pub fn weight(&self) -> u64 {
        let brokers = self.brokers.values().map(|address| address.host().len() + 64).sum::<usize>();
        (brokers + self.leaders.len() * 8 + 128) as u64
    }
}

/// Partitions of a topic, each with its leader.
fn partitions(answer: &mut Answer) -> Result<Vec<(i32, i32)>, Reason> {
    // Its name, and whether it is the cluster's own.
    answer.text()?;
    answer.skip(1)?;
    answer.list(MAX_PARTITIONS, |answer| {
        // A partition's own code says of its replicas what its leader says better.
        answer.skip(2)?;
        let found = (answer.i32()?, answer.i32()?);
        // The leader's epoch; replicas, those in sync, those that are away.
        answer.skip(4)?;
        (0..3).try_for_each(|_| answer.skip_list_of_i32())?;
        Ok(found)
    })
}

/// What became of the batches of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// By partition.
    pub codes: HashMap<i32, Code>,
    /// The milliseconds for which the broker asks to be left alone.
    throttle_ms: i32,
}

impl Produced {
    /// Reads an answer to Produce 7 with so many partitions.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(answer: &mut Answer, partitions: usize) -> Result<Self, Reason> {
        let topics = answer.list(1, |answer| {
            answer.text()?;
            answer.list(partitions, |answer| {
                let found = (answer.i32()?, Code(answer.i16()?));
                // Offset, time, and where the partition begins.
                answer.skip(24)?;
                Ok(found)
            })
        })?;
        Ok(Self { codes: topics.into_iter().flatten().collect(), throttle_ms: answer.i32()? })
    }

    /// For how long the broker asks to be left alone, if it does.
    pub fn throttle(&self) -> Option<Duration> {
        let asked = u64::try_from(self.throttle_ms).ok().filter(|millis| *millis > 0);
        asked.map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::targets::settings::Policy;
    use crate::events::targets::settings::kafka::KafkaRegistration;

    fn topic() -> KafkaTopic {
        let bootstrap_servers = &["b.example:9092".to_owned()];
        let (ca_certificate, sasl) = (None, None);
        let registered =
            KafkaRegistration { bootstrap_servers, topic: "ev", tls: true, ca_certificate, sasl };
        KafkaTopic::new(registered, Policy::default()).expect("valid settings")
    }

    /// Two brokers, of which 7 leads partition 1 and nobody partition 0; written out after Kafka's protocol
    /// guide.
    fn metadata() -> Vec<u8> {
        [
            &[0, 0, 0, 0][..],
            &[0, 0, 0, 2],
            &[0, 0, 0, 7, 0, 9],
            b"b.example",
            &[0, 0, 0x23, 0x84, 0xff, 0xff],
            &[0, 0, 0, 8, 0, 1, b'c', 0, 0, 0, 22, 0, 1, b'r'],
            &[0, 1, b'n', 0, 0, 0, 7],
            &[0, 0, 0, 1],
            &[0, 0, 0, 2, b'e', b'v', 0],
            &[0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 5, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat()
    }

    fn read(bytes: Vec<u8>) -> Result<Cluster, Reason> {
        Cluster::read(&mut Answer::new(bytes), &topic())
    }

    #[test]
    fn a_cluster_tells_who_leads_which_partition() {
        let cluster = read(metadata()).expect("an answer");
        assert_eq!(cluster.leaders, [(0, -1), (1, 7)]);
        let leader = |partition| cluster.leader_of(partition).map(|at| (at.host(), at.port()));
        assert_eq!((leader(0), leader(1), leader(2)), (None, Some(("b.example", 9092)), None));
        // murmur2 of "abc" is odd, and positive.
        assert_eq!(cluster.partition_of("abc"), 1);
    }

    #[test]
    fn a_topic_that_cannot_be_written_to_is_told_by_its_code() {
        let start = metadata().len() - 56 - 4 - 7;
        let mut bytes = metadata();
        bytes[start..start + 2].copy_from_slice(&[0, 29]);
        assert_eq!(read(bytes).expect_err("refused").to_string(), "TOPIC_AUTHORIZATION_FAILED");
        // A topic without partitions.
        let mut bytes = metadata()[..start + 11].to_vec();
        bytes[start + 7..].copy_from_slice(&[0, 0, 0, 0]);
        assert_eq!(read(bytes), Err(Reason::InvalidResponse));
    }

    #[test]
    fn an_answer_to_produce_has_a_code_for_each_partition() {
        let one = |partition, code| [&[0, 0, 0, partition, 0, code][..], &[0; 24]].concat();
        let bytes = [&[0, 0, 0, 1, 0, 2, b'e', b'v', 0, 0, 0, 2][..], &one(1, 0), &one(4, 6), &[0, 0, 1, 0]];
        let produced = Produced::read(&mut Answer::new(bytes.concat()), 2).expect("an answer");
        assert_eq!(produced.codes, HashMap::from([(1, Code(0)), (4, Code(6))]));
        assert_eq!(produced.throttle(), Some(Duration::from_millis(256)));
        assert_eq!(Produced { throttle_ms: -1, ..produced }.throttle(), None);
        assert_eq!(Produced::read(&mut Answer::new(bytes.concat()), 1), Err(Reason::InvalidResponse));
    }

    #[test]
    fn an_answer_that_breaks_off_is_none() {
        let whole = metadata();
        for length in 0..whole.len() {
            assert_eq!(read(whole[..length].to_vec()), Err(Reason::InvalidResponse), "{length}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_cluster_or_no_answer(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = read(bytes.clone());
            let _ = Produced::read(&mut Answer::new(bytes), 3);
        }

        /// Lengths that say anything, in an answer that is right otherwise.
        #[test]
        fn a_length_says_what_it_likes(at in 0..120_usize, value in any::<[u8; 4]>()) {
            let mut bytes = metadata();
            let at = at.min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&value);
            if let Ok(cluster) = read(bytes) {
                prop_assert!(cluster.weight() < 1_024);
            }
        }
    }
}
