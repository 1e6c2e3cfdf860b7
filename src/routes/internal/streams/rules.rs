//! The rule for putting a stream in place, as a pure function.

use std::collections::HashMap;

use super::input::PutStream;
use crate::error::{ApiError, Code, Loc, Problem, ProblemKind};

/// Streams of the platform's.
const MAX_STREAMS: usize = 100;
/// Bytes of all schemas of all streams: every replica holds them compiled.
const MAX_SCHEMAS: usize = 4 * 1024 * 1024;

/// The other streams, as far as the rule looks.
#[derive(Debug, Default)]
pub struct OtherStreams {
    /// How many there are.
    pub streams: usize,
    /// Their types.
    pub types: HashMap<String, usize>,
}

/// Passes a stream that has room among the others.
///
/// # Errors
/// 409 for one too many; 422 for a type of another stream, or for more schemas than all may have.
pub fn require_room(others: &OtherStreams, input: &PutStream) -> Result<(), ApiError> {
    if others.streams >= MAX_STREAMS {
        return Err(Code::TooManyStreams.into());
    }
    let taken = input.types.iter().enumerate().filter(|(_, kind)| others.types.contains_key(&kind.r#type));
    let mut problems: Vec<_> = taken.map(|(at, _)| is_taken(at)).collect();
    let own = input.types.iter().filter_map(|kind| kind.schema.as_ref()).map(String::len);
    if others.types.values().copied().chain(own).sum::<usize>() > MAX_SCHEMAS {
        let msg = "would bring the schemas of all streams beyond 4 MiB";
        problems.push(Problem::body("types", ProblemKind::ValueError, msg));
    }
    if problems.is_empty() { Ok(()) } else { Err(ApiError::Invalid(problems)) }
}

fn is_taken(at: usize) -> Problem {
    let name = |name: &'static str| Loc::Name(name.into());
    let loc = vec![name("body"), name("types"), Loc::Index(at), name("type")];
    Problem { loc, msg: "is a type of another stream".into(), kind: ProblemKind::ValueError, code: None }
}

#[cfg(test)]
mod tests {
    use super::super::input::PutType;
    use super::*;

    fn stream(types: &[(&str, usize)]) -> PutStream {
        let kind = |(name, bytes): &(&str, usize)| PutType {
            r#type: (*name).to_owned(),
            description: "x".to_owned(),
            schema: (*bytes > 0).then(|| "x".repeat(*bytes)),
        };
        PutStream { description: "x".to_owned(), types: types.iter().map(kind).collect() }
    }

    fn others(streams: usize, types: &[(&str, usize)]) -> OtherStreams {
        OtherStreams {
            streams,
            types: types.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect(),
        }
    }

    #[test]
    fn a_stream_has_room_beside_99_others_and_no_type_of_theirs() {
        assert!(require_room(&others(99, &[("a", 1)]), &stream(&[("b", 1), ("c", 0)])).is_ok());
        let refused = require_room(&others(100, &[]), &stream(&[]));
        assert!(matches!(refused, Err(ApiError::Failed(failure)) if failure.code == Code::TooManyStreams));
        let refused = require_room(&others(1, &[("b", 0)]), &stream(&[("a", 0), ("b", 0)]));
        assert!(matches!(refused, Err(ApiError::Invalid(problems)) if problems == [is_taken(1)]));
    }

    #[test]
    fn all_schemas_together_have_4_mib() {
        let other = others(1, &[("a", 4 * 1024 * 1024 - 10)]);
        assert!(require_room(&other, &stream(&[("b", 4), ("c", 6)])).is_ok());
        assert!(require_room(&other, &stream(&[("b", 4), ("c", 7)])).is_err());
    }
}
