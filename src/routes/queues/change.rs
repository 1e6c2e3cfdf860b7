//! Changes of an org's queue that put none in place: over HTTP, and for operators.

use super::rules::{QueueAction, Standing};
use super::store::StreamQueue;
use crate::changes::{Change, Rule, Scope};
use crate::clock::Clock;
use crate::events::Stream;

/// Does something to the queue of a stream; `None` where the name is no stream's.
pub fn step(
    clock: &Clock,
    scope: Scope,
    kind: QueueAction,
    stream: Option<Stream>,
) -> Change<StreamQueue, impl Rule<StreamQueue> + use<>> {
    let queue = StreamQueue { stream, new: None };
    scope.change(clock, queue, move |org: &Standing| org.decide(kind, stream).map(Some))
}
