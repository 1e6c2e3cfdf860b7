//! The pages. Each module is a section of the menu: what it reads, how it shows that, and what its forms ask for.

mod audit;
mod events;
mod key;
mod keys;
mod overview;
mod public_key;
mod public_keys;
mod queues;
mod reports;
mod secrets;
mod snippets;
mod views;

use super::{Pages, door};
use crate::identity::portal::Role;

/// Every page, with what it takes to have it.
pub(super) fn all() -> Pages {
    use Role::{Admin, Developer, Viewer};

    Pages::new()
        .shows("/portal", overview::show)
        .does(Viewer, "/portal/leave", door::leave)
        .shows("/portal/keys", keys::show)
        .does(Admin, "/portal/keys", keys::mint)
        .shows("/portal/keys/{key_id}", key::show)
        .does(Admin, "/portal/keys/{key_id}/rotate", key::rotate)
        .does(Admin, "/portal/keys/{key_id}/confirm", key::confirm)
        .does(Admin, "/portal/keys/{key_id}/revoke", key::revoke)
        .shows("/portal/secrets", secrets::show)
        .does(Admin, "/portal/secrets/rotate", secrets::rotate)
        .does(Admin, "/portal/secrets/{secret_id}/confirm", secrets::confirm)
        .does(Admin, "/portal/secrets/{secret_id}/revoke", secrets::revoke)
        .shows("/portal/public-keys", public_keys::show)
        .does(Admin, "/portal/public-keys", public_keys::register)
        .shows("/portal/public-keys/{unique_id}", public_key::show)
        .does(Admin, "/portal/public-keys/{unique_id}/challenge", public_key::challenge)
        .does(Admin, "/portal/public-keys/{unique_id}/proof", public_key::prove)
        .does(Admin, "/portal/public-keys/{unique_id}/expiration", public_key::expire)
        .does(Admin, "/portal/public-keys/{unique_id}/delete", public_key::delete)
        .shows("/portal/queues", queues::list)
        .shows("/portal/queues/{queue_name}", queues::show)
        .does(Developer, "/portal/queues/{queue_name}/test", queues::test)
        .does(Admin, "/portal/queues/{queue_name}/pause", queues::pause)
        .does(Admin, "/portal/queues/{queue_name}/resume", queues::resume)
        .shows("/portal/events", events::list)
        .does(Developer, "/portal/events/replay", events::replay_range)
        .shows("/portal/events/{event_id}", events::show)
        .does(Developer, "/portal/events/{event_id}/replay", events::replay)
        .shows("/portal/reports", reports::show)
        .does(Developer, "/portal/reports", reports::create)
        .shows("/portal/reports/{report_id}/content", reports::content)
        .does(Developer, "/portal/reports/{report_id}/delete", reports::delete)
        .shows("/portal/audit", audit::show)
        .shows("/portal/snippets", snippets::show)
}
