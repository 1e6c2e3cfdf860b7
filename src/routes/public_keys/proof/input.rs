//! The input of a proof.

use utoipa::ToSchema;

use crate::http::input::{Body, Input, Reader};

/// Characters of a response: a signature by a key of 8192 bits has 1,368, and line ends.
const MAX_LENGTH: usize = 2_000;

/// The answer to a challenge.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub struct KeyProof {
    /// The text of the message that was encrypted, or the signature in base64. White space around or in it counts
    /// for nothing.
    #[schema(min_length = 1, max_length = 2000, example = "an-answer-that-only-your-private-key-reveals")]
    pub response: String,
}

impl Input for KeyProof {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { response: request.body("Response").required().text(1..=MAX_LENGTH)? })
    }
}
