//! The input of the routes of a queue that is fetched from.

use utoipa::{IntoParams, ToSchema};

use super::store::Acknowledged;
use super::token::AckToken;
use crate::http::input::{Body, Input, Reader};
use crate::routes::events::{EventId, MAX_IDS, event_id};

/// How many messages to fetch, and how long to wait for the first.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FetchMessages {
    /// How many messages at most.
    #[param(minimum = 1, maximum = 100, default = 25, required = false)]
    pub limit: i64,
    /// How long to wait for the first message, in seconds. The reply comes as soon as there is one.
    #[param(minimum = 0, maximum = 20, default = 0, required = false)]
    pub wait_seconds: u64,
}

impl FetchMessages {
    /// The longest wait, in seconds.
    pub const LONGEST: i64 = 20;
}

impl Input for FetchMessages {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let limit = request.query("limit").integer(1..=100).unwrap_or(25);
        let wait = request.query("wait_seconds").integer(0..=Self::LONGEST).unwrap_or(0);
        Some(Self { limit, wait_seconds: u64::try_from(wait).unwrap_or_default() })
    }
}

/// Messages that were handled: all of a reply by its token, or some by their ids.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = AcknowledgeMessages)]
#[expect(dead_code, reason = "documents what `AcknowledgeMessages` reads")]
pub enum AcknowledgeMessagesBody {
    Named(AcknowledgeNamed),
    Fetched(AcknowledgeFetched),
}

/// Messages that were handled, by their ids.
#[derive(ToSchema)]
#[schema(example = json!({"event_ids": ["evt_0192f0c123457abc8def0123456789ab"]}))]
#[expect(dead_code, reason = "documents what `AcknowledgeMessages` reads")]
pub struct AcknowledgeNamed {
    /// At most 1,000.
    #[schema(value_type = Vec<EventId>, min_items = 1, max_items = 1_000)]
    event_ids: Vec<String>,
}

/// All messages of a reply.
#[derive(ToSchema)]
#[schema(example = json!({"ack_token": "AZLwwSNFerwBI0VniavN7wAGYMn1yAAA"}))]
#[expect(dead_code, reason = "documents what `AcknowledgeMessages` reads")]
pub struct AcknowledgeFetched {
    /// As the reply had it.
    #[schema(min_length = 32, max_length = 32, pattern = "^[A-Za-z0-9_-]{32}$")]
    ack_token: String,
}

/// Messages that were handled.
pub struct AcknowledgeMessages(pub Acknowledged);

impl Input for AcknowledgeMessages {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        if request.has_body("event_ids") {
            request.body("ack_token").excluded("cannot be combined with event_ids");
            let ids = request.body("event_ids").list(1..=MAX_IDS, |field| field.decoded(event_id));
            return Some(Self(Acknowledged::Ids(ids?)));
        }
        request.body("event_ids").ignored();
        let token = request
            .body("ack_token")
            .required()
            .decoded(|text| AckToken::decode(text).ok_or("must be the ack_token of a reply"));
        Some(Self(Acknowledged::Token(token?)))
    }
}
