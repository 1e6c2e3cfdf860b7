//! Which records go together: those of a partition in a batch, and batches of a broker in a request, as far
//! as they fit.

use super::cluster::Cluster;
use super::records::{self, Record};
use crate::events::targets::settings::BrokerAddress;

/// The largest batch of several records, in bytes: half of what topics take unless told otherwise.
const MAX_BATCH: usize = 512 * 1024;
/// The largest request of several batches, in bytes: what Event Hubs takes, and others many times over.
const MAX_REQUEST: usize = 1_000_000;

/// A record to be sent, and its place among those of its call.
#[derive(Clone, Debug)]
pub struct Placed<'d> {
    pub place: usize,
    pub record: Record<'d>,
}

/// Records of a partition that go together.
#[derive(Clone, Debug)]
pub struct Batch<'d> {
    pub partition: i32,
    pub records: Vec<Placed<'d>>,
    bytes: usize,
}

impl<'d> Batch<'d> {
    /// In the form in which they go, as they happened at `at`, in milliseconds since 1970.
    pub fn encode(&self, at: i64) -> Vec<u8> {
        records::batch(self.records.iter().map(|placed| &placed.record), at)
    }

    /// Its records in two batches, of which the first has the earlier ones.
    pub fn halve(mut self) -> [Self; 2] {
        let later = self.records.split_off(self.records.len() / 2);
        let batch = |records: Vec<Placed<'d>>| Self {
            partition: self.partition,
            bytes: records.iter().map(|placed| placed.record.size()).sum(),
            records,
        };
        [batch(self.records), batch(later)]
    }

    fn of(partition: i32, placed: Placed<'d>) -> Self {
        Self { partition, bytes: placed.record.size(), records: vec![placed] }
    }
}

/// Batches by the broker that leads their partitions, in their order.
pub type Shares<'d, 'c> = Vec<(&'c BrokerAddress, Vec<Batch<'d>>)>;

/// Sorts records by who leads their partitions; and the places of those that nobody leads.
pub fn shares<'d, 'c>(
    cluster: &'c Cluster,
    records: impl Iterator<Item = Placed<'d>>,
) -> (Shares<'d, 'c>, Vec<usize>) {
    let (mut shares, mut homeless) = (Shares::new(), Vec::new());
    for placed in records {
        let partition = cluster.partition_of(placed.record.key);
        let Some(leader) = cluster.leader_of(partition) else {
            homeless.push(placed.place);
            continue;
        };
        match shares.iter_mut().find(|(broker, _)| *broker == leader) {
            Some((_, batches)) => add(batches, partition, placed),
            None => shares.push((leader, vec![Batch::of(partition, placed)])),
        }
    }
    (shares, homeless)
}

fn add<'d>(batches: &mut Vec<Batch<'d>>, partition: i32, placed: Placed<'d>) {
    let size = placed.record.size();
    // The last one of the partition: the earlier ones are full.
    let open = batches.iter_mut().rev().find(|batch| batch.partition == partition);
    match open.filter(|batch| batch.bytes + size <= MAX_BATCH) {
        Some(batch) => {
            batch.bytes += size;
            batch.records.push(placed);
        }
        None => batches.push(Batch::of(partition, placed)),
    }
}

/// Takes what goes in the next request: of each partition the first batch, as many as fit.
pub fn next_request<'d>(batches: &mut Vec<Batch<'d>>) -> Vec<Batch<'d>> {
    let (mut request, mut later, mut bytes): (Vec<Batch<'d>>, Vec<_>, _) = (Vec::new(), Vec::new(), 0);
    for batch in batches.drain(..) {
        // What comes after one that waits, waits as well: a partition's records keep their order.
        let is_behind = request.iter().chain(&later).any(|other| other.partition == batch.partition);
        if is_behind || (!request.is_empty() && bytes + batch.bytes > MAX_REQUEST) {
            later.push(batch);
        } else {
            bytes += batch.bytes;
            request.push(batch);
        }
    }
    *batches = later;
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(place: usize, value: &str) -> Placed<'_> {
        Placed { place, record: Record { key: "k", value, headers: vec![] } }
    }

    fn places(batches: &[Batch<'_>]) -> Vec<(i32, Vec<usize>)> {
        let of = |batch: &Batch<'_>| batch.records.iter().map(|placed| placed.place).collect();
        batches.iter().map(|batch| (batch.partition, of(batch))).collect()
    }

    #[test]
    fn records_of_a_partition_share_a_batch_as_far_as_they_fit() {
        let large = "a".repeat(200 * 1024);
        let mut batches = Vec::new();
        for (place, partition) in [(0, 1), (1, 2), (2, 1), (3, 1), (4, 2), (5, 1)] {
            add(&mut batches, partition, placed(place, &large));
        }
        assert_eq!(places(&batches), [(1, vec![0, 2]), (2, vec![1, 4]), (1, vec![3, 5])]);
    }

    #[test]
    fn a_request_has_one_batch_of_a_partition_and_keeps_their_order() {
        let (large, huge) = ("a".repeat(400 * 1024), "b".repeat(900_000));
        let batch = |partition, place, value| Batch::of(partition, placed(place, value));
        let mut batches = vec![
            batch(1, 0, &large),
            batch(2, 1, &huge),
            batch(2, 2, "small"),
            batch(3, 3, &large),
            batch(1, 4, &large),
        ];
        assert_eq!(places(&next_request(&mut batches)), [(1, vec![0]), (3, vec![3])]);
        assert_eq!(places(&next_request(&mut batches)), [(2, vec![1])], "a single one may be larger");
        assert_eq!(places(&next_request(&mut batches)), [(2, vec![2]), (1, vec![4])]);
        assert!(next_request(&mut batches).is_empty());
    }

    #[test]
    fn a_batch_that_is_too_large_is_halved() {
        let mut batches = Vec::new();
        (0..5).for_each(|place| add(&mut batches, 7, placed(place, "v")));
        assert_eq!(places(&batches.remove(0).halve()), [(7, vec![0, 1]), (7, vec![2, 3, 4])]);
    }
}
