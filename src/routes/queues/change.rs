//! Changes of an org's queue that put none in place: over HTTP, and for operators.

use super::rules::{QueueAction, Standing};
use super::store::StreamQueue;
use crate::changes::{Change, Mandate, Rule};
use crate::clock::Clock;
use crate::events::StreamName;

/// Does something to the queue of a stream; `None` where the name is no stream's.
pub fn step(
    clock: &Clock,
    mandate: Mandate,
    kind: QueueAction,
    stream: Option<StreamName>,
) -> Change<StreamQueue, impl Rule<StreamQueue> + use<>> {
    let queue = StreamQueue { stream: stream.clone(), new: None };
    mandate.change(clock, queue, move |org: &Standing| org.decide(kind, stream.clone()).map(Some))
}
