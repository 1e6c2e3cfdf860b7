//! What brokers answer, read field by field. Whoever registers a queue says who the broker is, so no length
//! in an answer is believed: nothing is set aside for what has not come.

use crate::events::targets::error::Reason;

/// An answer behind its header, and how far it was read.
#[derive(Debug)]
pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    /// From its first byte.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// Takes the next so many bytes.
    fn take(&mut self, length: usize) -> Result<&[u8], Reason> {
        let end = self.at.checked_add(length).ok_or(Reason::InvalidResponse)?;
        let field = self.bytes.get(self.at..end).ok_or(Reason::InvalidResponse)?;
        self.at = end;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let field = self.take(N)?.first_chunk().copied();
        field.ok_or(Reason::InvalidResponse)
    }

    /// Passes over a field of so many bytes.
    pub fn skip(&mut self, length: usize) -> Result<(), Reason> {
        self.take(length).map(drop)
    }

    pub fn i16(&mut self) -> Result<i16, Reason> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, Reason> {
        self.array().map(i32::from_be_bytes)
    }

    /// A text; `None` where it is null.
    pub fn text(&mut self) -> Result<Option<&str>, Reason> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| Reason::InvalidResponse)
    }

    /// Bytes; none where they are null.
    pub fn bytes(&mut self) -> Result<&[u8], Reason> {
        let length = usize::try_from(self.i32()?).unwrap_or_default();
        self.take(length)
    }

    /// The entries of a list, at most `most`; null is empty. An entry takes a byte at least, so that a list
    /// ends where the answer does.
    pub fn list<T>(
        &mut self,
        most: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, Reason>,
    ) -> Result<Vec<T>, Reason> {
        let length = usize::try_from(self.i32()?).unwrap_or_default();
        if length > most {
            return Err(Reason::InvalidResponse);
        }
        let mut entries = Vec::new();
        for _ in 0..length {
            entries.push(entry(self)?);
        }
        Ok(entries)
    }

    /// Passes over a list of numbers of 4 bytes.
    pub fn skip_list_of_i32(&mut self) -> Result<(), Reason> {
        let length = usize::try_from(self.i32()?).unwrap_or_default();
        self.skip(length.checked_mul(4).ok_or(Reason::InvalidResponse)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order_and_not_beyond_the_end() {
        let bytes = [
            &[0, 7][..],
            &[0, 0, 0, 2, 0, 1, b'a', 0, 0],
            &[0xff, 0xff],
            &[0, 0, 0, 1, b'x'],
            &[0, 0, 0, 1, 9, 9, 9, 9],
            &[0xff, 0xff, 0xff, 0xff],
            &[1],
        ];
        let mut answer = Answer::new(bytes.concat());
        assert_eq!(answer.i16(), Ok(7));
        let text = |answer: &mut Answer| Ok(answer.text()?.map(str::to_owned));
        assert_eq!(answer.list(2, text), Ok(vec![Some("a".to_owned()), Some(String::new())]));
        assert_eq!(answer.text(), Ok(None));
        assert_eq!(answer.bytes(), Ok(&b"x"[..]));
        assert_eq!(answer.skip_list_of_i32(), Ok(()));
        assert_eq!(answer.bytes(), Ok(&[][..]), "null");
        assert_eq!(answer.i16(), Err(Reason::InvalidResponse), "one byte is left");
    }

    #[test]
    fn a_length_beyond_the_end_is_no_answer_and_takes_no_memory() {
        for bytes in [&[0x7f, 0xff, 0xff, 0xff][..], &[0x7f, 0xff, 0xff, 0xff, 0, 0]] {
            let answer = || Answer::new(bytes.to_vec());
            assert_eq!(answer().list(usize::MAX, Answer::i16), Err(Reason::InvalidResponse));
            assert_eq!(answer().bytes(), Err(Reason::InvalidResponse));
            assert_eq!(answer().skip_list_of_i32(), Err(Reason::InvalidResponse));
        }
        let three = [0, 0, 0, 3, 0, 1, 0, 2, 0, 3];
        assert_eq!(Answer::new(three.to_vec()).list(3, Answer::i16), Ok(vec![1, 2, 3]));
        assert_eq!(Answer::new(three.to_vec()).list(2, Answer::i16), Err(Reason::InvalidResponse));
        assert_eq!(Answer::new(vec![0, 2, 0xff, 0xfe]).text(), Err(Reason::InvalidResponse), "not UTF-8");
    }
}
