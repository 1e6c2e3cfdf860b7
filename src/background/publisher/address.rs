//! Where the events of a held queue go, and in which form.

use chrono::{DateTime, Utc};

use crate::crypto::master::MasterKeys;
use crate::events::options::{Format, MessageForm};
use crate::events::queue::StoredQueue;
use crate::events::targets::settings::Policy;
use crate::events::targets::{DeliveryError, Target};
use crate::outbox::QueueId;
use crate::outbox::holds::HeldQueue;
use crate::outbox::reading::DueEvent;

/// What a delivery needs to know of its queue.
#[derive(Debug)]
pub struct Address {
    pub queue: QueueId,
    /// When it was last put in place.
    pub put_at: DateTime<Utc>,
    pub queue_type: String,
    pub target: Result<Target, DeliveryError>,
    pub form: Result<MessageForm, DeliveryError>,
    /// An event of a subject waits for the earlier ones (contract 14).
    pub is_ordered: bool,
    event_types: Option<Vec<String>>,
}

impl Address {
    pub fn new(held: HeldQueue, master: &MasterKeys, policy: Policy) -> Self {
        let stored = StoredQueue {
            org_id: held.org_id,
            stream: &held.stream,
            kind: &held.queue_type,
            settings: &held.settings,
            sealed: held.sealed.as_deref(),
        };
        Self {
            target: stored.target(master, policy),
            form: MessageForm::stored(&held.format, held.encrypt_to.as_deref()),
            queue: QueueId { org_id: held.org_id, stream: held.stream.into() },
            put_at: held.put_at,
            queue_type: held.queue_type,
            is_ordered: held.ordering.is_some(),
            event_types: held.event_types,
        }
    }

    /// Its messages tell what their event is about, or its order asks for it.
    pub fn wants_subjects(&self) -> bool {
        self.is_ordered || self.form.as_ref().is_ok_and(|form| form.format == Format::Cloudevents)
    }

    /// The most events that go in one request.
    pub fn batch(&self) -> usize {
        self.target.as_ref().map_or(1, Target::batch_size)
    }

    /// Returns `true` if the queue takes an event.
    pub fn takes(&self, event: &DueEvent) -> bool {
        event.is_replayed || self.event_types.as_ref().is_none_or(|types| types.contains(&event.kind))
    }
}
