//! What a signature was made over, computed from its bytes as they were sent (RFC 9580 section 5.2.4).
//! rPGP computes it from what it would write, and not at all where it does not know a subpacket;
//! that is right for what binds, and wrong for what revokes.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::PublicKey;
use pgp::types::{Mpi, SignatureBytes, VerifyingKey};

/// A signature packet's fields as they are.
pub(super) struct Parts<'a> {
    version: u8,
    /// Its type id (5.2.1).
    pub kind: u8,
    algorithm: u8,
    hash: HashAlgorithm,
    /// From the version to the end of the hashed area; in version 3, type and time.
    signed: &'a [u8],
    salt: &'a [u8],
    /// The first two octets of the digest.
    left: &'a [u8],
    value: &'a [u8],
}

/// What a signature by the primary key may be over, beside that key.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    Primary,
    UserId(&'a [u8]),
    Subkey(&'a [u8]),
}

impl<'a> Parts<'a> {
    /// Reads versions 3, 4 and 6.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        match *body.first()? {
            3 => Self::read_old(body),
            version @ (4 | 6) => {
                let digits = if version == 4 { 2 } else { 4 };
                let (_, rest) = counted(body.get(4..)?, digits)?;
                let signed = &body[..body.len() - rest.len()];
                let (_, rest) = counted(rest, digits)?;
                let (left, rest) = rest.split_at_checked(2)?;
                let (salt, value) = if version == 6 { counted(rest, 1)? } else { (&[][..], rest) };
                let hash = HashAlgorithm::from(body[3]);
                Some(Self { version, kind: body[1], algorithm: body[2], hash, signed, salt, left, value })
            }
            _ => None,
        }
    }

    fn read_old(body: &'a [u8]) -> Option<Self> {
        let (head, value) = body.split_at_checked(19)?;
        if head[1] != 5 {
            return None;
        }
        let (kind, algorithm, hash) = (head[2], head[15], HashAlgorithm::from(head[16]));
        Some(Self {
            version: 3,
            kind,
            algorithm,
            hash,
            signed: &head[2..7],
            salt: &[],
            left: &head[17..],
            value,
        })
    }

    /// Whether it is over this, as far as its first two octets tell: no public key operation.
    pub fn is_over(&self, primary: &[u8], over: Over<'_>) -> Option<Vec<u8>> {
        let digest = self.digest(primary, over)?;
        digest.starts_with(self.left).then_some(digest)
    }

    fn digest(&self, primary: &[u8], over: Over<'_>) -> Option<Vec<u8>> {
        let mut data = self.salt.to_vec();
        push_key(&mut data, primary)?;
        match over {
            Over::Primary => {}
            Over::Subkey(subkey) => push_key(&mut data, subkey)?,
            Over::UserId(id) => {
                if self.version > 3 {
                    data.push(0xb4);
                    data.extend(u32::try_from(id.len()).ok()?.to_be_bytes());
                }
                data.extend(id);
            }
        }
        data.extend(self.signed);
        if self.version > 3 {
            data.extend([self.version, 0xff]);
            data.extend(u32::try_from(self.signed.len()).ok()?.to_be_bytes());
        }
        self.hash.digest(&data).ok()
    }

    /// Whether the primary key made it, by whatever hash.
    pub fn is_by(&self, key: &PublicKey, digest: &[u8]) -> bool {
        self.signature().is_some_and(|signature| key.verify(self.hash, digest, &signature).is_ok())
    }

    fn signature(&self) -> Option<SignatureBytes> {
        if matches!(self.algorithm, 27 | 28) {
            return Some(SignatureBytes::Native(self.value.to_vec().into()));
        }
        let (mut numbers, mut rest) = (Vec::new(), self.value);
        while let Some((bits, after)) = rest.split_first_chunk::<2>() {
            let (number, after) =
                after.split_at_checked(usize::from(u16::from_be_bytes(*bits)).div_ceil(8))?;
            numbers.push(Mpi::from_slice(number));
            rest = after;
        }
        rest.is_empty().then_some(SignatureBytes::Mpis(numbers))
    }
}

/// Contents behind a length of `digits` octets, and what follows them.
fn counted(bytes: &[u8], digits: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(digits)?;
    rest.split_at_checked(length.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)))
}

fn push_key(data: &mut Vec<u8>, body: &[u8]) -> Option<()> {
    if body.first() == Some(&6) {
        data.push(0x9b);
        data.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
    } else {
        data.push(0x99);
        data.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
    }
    data.extend(body);
    Some(())
}
