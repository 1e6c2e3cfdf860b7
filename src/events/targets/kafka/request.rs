//! What brokers are asked, in the versions that every broker since Kafka 2.1 speaks, the compatible ones
//! included: Metadata 7, Produce 7, SaslHandshake 1, SaslAuthenticate 0.

use std::time::Duration;

use zeroize::Zeroizing;

/// Our name to brokers.
const CLIENT_ID: &str = "partner-api";
const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;
/// Acknowledged once every replica that is in sync has it.
const ALL_IN_SYNC: i16 = -1;
const NULL: [u8; 2] = [0xff, 0xff];

/// A request as it goes over the wire. Wiped when dropped: it may hold a password.
pub struct Request(Zeroizing<Vec<u8>>);

impl Request {
    fn new(api: i16, version: i16, room: usize) -> Self {
        let mut request = Self(Zeroizing::new(Vec::with_capacity(room + 64)));
        // Length and number follow when it is sent.
        request.i32(0).i16(api).i16(version).i32(0).text(CLIENT_ID);
        request
    }

    /// Asks for the brokers of a cluster, and who leads the partitions of a topic. A topic that is not there
    /// is not made.
    pub fn metadata(topic: &str) -> Self {
        let mut request = Self::new(METADATA, 7, topic.len());
        request.i32(1).text(topic).raw(&[0]);
        request
    }

    /// Hands over record batches, one a partition, to be acknowledged by all replicas in sync within
    /// `timeout`.
    pub fn produce<'b>(
        topic: &str,
        batches: impl ExactSizeIterator<Item = (i32, &'b [u8])> + Clone,
        timeout: Duration,
    ) -> Self {
        let bytes: usize = batches.clone().map(|(_, batch)| batch.len() + 8).sum();
        let mut request = Self::new(PRODUCE, 7, topic.len() + bytes);
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // No transaction.
        request.raw(&NULL).i16(ALL_IN_SYNC).i32(timeout);
        request.i32(1).text(topic).i32(length(batches.len()));
        for (partition, batch) in batches {
            request.i32(partition).bytes(batch);
        }
        request
    }

    /// Says how the log-in will be.
    pub fn sasl_handshake(mechanism: &str) -> Self {
        let mut request = Self::new(SASL_HANDSHAKE, 1, mechanism.len());
        request.text(mechanism);
        request
    }

    /// A message of the log-in.
    pub fn sasl_authenticate(message: &[u8]) -> Self {
        let mut request = Self::new(SASL_AUTHENTICATE, 0, message.len());
        request.bytes(message);
        request
    }

    /// The bytes, under this number.
    pub fn numbered(&mut self, number: i32) -> &[u8] {
        let rest = length(self.0.len().saturating_sub(4));
        self.0[..4].copy_from_slice(&rest.to_be_bytes());
        self.0[8..12].copy_from_slice(&number.to_be_bytes());
        &self.0
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        // Names of ours, topics and mechanisms: none is nearly as long.
        self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX)).raw(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.i32(length(bytes.len())).raw(bytes)
    }
}

/// A length on the wire. What is longer than 2 GiB is never made.
pub fn length(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length, API, version, number, client id: written out after Kafka's protocol guide.
    fn head(length: u8, api: u8, version: u8) -> Vec<u8> {
        let start = [0, 0, 0, length, 0, api, 0, version, 0, 0, 0, 9, 0, 11];
        [&start[..], b"partner-api"].concat()
    }

    #[test]
    fn metadata_asks_for_one_topic_and_makes_none() {
        let expected = [&head(30, 3, 7)[..], &[0, 0, 0, 1, 0, 2], b"ev", &[0]].concat();
        assert_eq!(Request::metadata("ev").numbered(9), expected);
    }

    #[test]
    fn produce_wants_the_acknowledgement_of_all_replicas() {
        let batches = [(2, &b"xyz"[..]), (5, b"w")];
        let expected = [
            &head(61, 0, 7)[..],
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0x27, 0x10],
            &[0, 0, 0, 1, 0, 2, b'e', b'v', 0, 0, 0, 2],
            &[0, 0, 0, 2, 0, 0, 0, 3, b'x', b'y', b'z'],
            &[0, 0, 0, 5, 0, 0, 0, 1, b'w'],
        ];
        let mut request = Request::produce("ev", batches.into_iter(), Duration::from_secs(10));
        assert_eq!(request.numbered(9), expected.concat());
    }

    #[test]
    fn a_log_in_names_its_mechanism_and_sends_messages() {
        let expected = [&head(28, 17, 1)[..], &[0, 5], b"PLAIN"].concat();
        assert_eq!(Request::sasl_handshake("PLAIN").numbered(9), expected);
        let expected = [&head(29, 36, 0)[..], &[0, 0, 0, 4], b"\0u\0p"].concat();
        assert_eq!(Request::sasl_authenticate(b"\0u\0p").numbered(9), expected);
    }
}
