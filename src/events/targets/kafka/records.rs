//! Record batches (KIP-98, magic 2): what a partition is handed, and what its consumers read.

use crc::{CRC_32_ISCSI, Crc, Table};

use super::request::length;

/// CRC-32C (RFC 3720), sixteen bytes at a time.
static CRC_32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
/// From the batch's first byte to what its checksum is over.
const UNSUMMED: usize = 21;
/// From there to the first record.
const HEAD: usize = 40;
/// The most that a record takes beside its key, value and headers' texts; five for each header.
const RECORD: usize = 32;

/// A message to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub key: &'a str,
    pub value: &'a str,
    pub headers: Vec<(&'static str, &'a str)>,
}

impl Record<'_> {
    /// The bytes that it takes in a batch, at most.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 10);
        RECORD + self.key.len() + self.value.len() + headers.sum::<usize>()
    }
}

/// A batch of records as they happened at `at`, in milliseconds since 1970.
pub fn batch<'a, 'd: 'a>(records: impl ExactSizeIterator<Item = &'a Record<'d>> + Clone, at: i64) -> Vec<u8> {
    let count = length(records.len());
    let size: usize = records.clone().map(Record::size).sum();
    let mut summed = Vec::with_capacity(HEAD + size);
    // Attributes: not compressed, the time is that of the event, no transaction.
    summed.extend(0_i16.to_be_bytes());
    summed.extend((count - 1).to_be_bytes());
    summed.extend(at.to_be_bytes());
    summed.extend(at.to_be_bytes());
    // Producer, its epoch, the first sequence number: of nobody who counts.
    summed.extend((-1_i64).to_be_bytes());
    summed.extend((-1_i16).to_be_bytes());
    summed.extend((-1_i32).to_be_bytes());
    summed.extend(count.to_be_bytes());
    for (offset, one) in (0..).zip(records) {
        record(&mut summed, one, offset);
    }
    let mut batch = Vec::with_capacity(UNSUMMED + summed.len());
    batch.extend(0_i64.to_be_bytes());
    batch.extend(length(UNSUMMED - 12 + summed.len()).to_be_bytes());
    // The leader's epoch, which it fills in, and the magic number.
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend(CRC_32C.checksum(&summed).to_be_bytes());
    batch.append(&mut summed);
    batch
}

fn record(batch: &mut Vec<u8>, record: &Record<'_>, offset: i64) {
    let mut bytes = Vec::with_capacity(record.size());
    // Attributes, and the time after the batch's.
    bytes.extend([0, 0]);
    varint(&mut bytes, offset);
    field(&mut bytes, record.key);
    field(&mut bytes, record.value);
    varint(&mut bytes, i64::from(length(record.headers.len())));
    for (name, value) in &record.headers {
        field(&mut bytes, name);
        field(&mut bytes, value);
    }
    varint(batch, i64::from(length(bytes.len())));
    batch.append(&mut bytes);
}

fn field(bytes: &mut Vec<u8>, text: &str) {
    varint(bytes, i64::from(length(text.len())));
    bytes.extend_from_slice(text.as_bytes());
}

/// A signed number in groups of seven bits, the lowest first; small ones of either sign are short (as
/// Protocol Buffers' `sint64`).
fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_have_to_be() {
        for (value, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (64, &[0x80, 1]),
            (-65, &[0x81, 1]),
            (300, &[0xd8, 4]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(bytes, expected, "{value}");
        }
    }

    /// Made by a few lines of Python after Kafka's guide, with a checksum bit by bit.
    #[test]
    fn a_batch_is_as_kafka_has_it() {
        let long = "x".repeat(70);
        let records = [
            Record { key: "k", value: "{}", headers: vec![("a", "1")] },
            Record { key: "", value: &long, headers: vec![] },
        ];
        let expected =
            "00000000000000000000008effffffff02948244be000000000001000001a1fd1e8c00000001a1fd1e8c00\
             ffffffffffffffffffffffffffff000000021a000000026b047b7d02026102319a01000002008c01"
                .to_owned()
                + &"78".repeat(70)
                + "00";
        assert_eq!(hex::encode(batch(records.iter(), 1_795_248_000_000)), expected);
        assert!(records.iter().map(Record::size).sum::<usize>() >= expected.len() / 2 - UNSUMMED - HEAD);
    }

    /// CRC-32C of RFC 3720 B.4: 32 bytes of zeroes, and of ones.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(CRC_32C.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC_32C.checksum(&[0xff; 32]), 0x62a8_ab43);
    }
}
