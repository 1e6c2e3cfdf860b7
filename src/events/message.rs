//! An event on its way: signed, in the form that its target takes.

use std::time::Duration;

use uuid::Uuid;

use super::envelope::SignedHeaders;
use super::targets::{Delivery, DeliveryError, Target, Targets};
use crate::clock::Clock;
use crate::crypto::secret::Secret;
use crate::ids::OrgId;
use crate::request_id::TraceContext;

/// Something to sign and send.
#[derive(Debug)]
pub struct Message<'a> {
    /// The id of the event.
    pub id: Uuid,
    /// The stream that carries it.
    pub stream: &'a str,
    /// The `type`.
    pub kind: &'a str,
    /// The body, as it is stored and signed.
    pub body: &'a str,
    /// Of the request that caused it.
    pub trace: Option<TraceContext>,
    /// See [`Delivery::anew`].
    pub anew: bool,
}

impl Message<'_> {
    /// Signs with every live secret and sends; each attempt has a fresh timestamp.
    pub async fn send(
        &self,
        targets: &Targets,
        clock: &Clock,
        org_id: OrgId,
        target: &Target,
        secrets: &[Secret<Vec<u8>>],
        timeout: Duration,
    ) -> Result<(), DeliveryError> {
        let now = clock.now();
        let headers = SignedHeaders::sign(self.id, self.body, secrets, now);
        let message = headers.envelope(self.stream, self.kind, org_id, self.body, now);
        let delivery = Delivery {
            event_id: &headers.id,
            org_id: org_id.0,
            stream: self.stream,
            message: &message,
            headers: [
                ("webhook-id", headers.id.clone()),
                ("webhook-timestamp", headers.timestamp.clone()),
                ("webhook-signature", headers.signature.clone()),
            ],
            body: self.body,
            traceparent: self.trace.map(|trace| trace.continued().to_string()),
            anew: self.anew,
        };
        targets.send(target, &delivery, timeout).await
    }
}
