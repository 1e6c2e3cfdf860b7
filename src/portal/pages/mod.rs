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

use super::Pages;
use crate::identity::portal::Role;

/// Every page of an org, with what it takes to have it, but the way out.
pub(super) fn all() -> Pages {
    use Role::{Admin, Developer};

    Pages::new()
        .shows("", overview::show)
        .shows("/keys", keys::show)
        .does(Admin, "/keys", keys::mint)
        .alone()
        .shows("/keys/{key_id}", key::show)
        .does(Admin, "/keys/{key_id}/rotate", key::rotate)
        .alone()
        .does(Admin, "/keys/{key_id}/confirm", key::confirm)
        .alone()
        .does(Admin, "/keys/{key_id}/revoke", key::revoke)
        .shows("/secrets", secrets::show)
        .does(Admin, "/secrets/rotate", secrets::rotate)
        .alone()
        .does(Admin, "/secrets/{secret_id}/confirm", secrets::confirm)
        .alone()
        .does(Admin, "/secrets/{secret_id}/revoke", secrets::revoke)
        .shows("/public-keys", public_keys::show)
        .does(Admin, "/public-keys", public_keys::register)
        .alone()
        .shows("/public-keys/{unique_id}", public_key::show)
        .does(Admin, "/public-keys/{unique_id}/challenge", public_key::challenge)
        .alone()
        .does(Admin, "/public-keys/{unique_id}/proof", public_key::prove)
        .alone()
        .does(Admin, "/public-keys/{unique_id}/expiration", public_key::expire)
        .alone()
        .does(Admin, "/public-keys/{unique_id}/delete", public_key::delete)
        .shows("/queues", queues::list)
        .shows("/queues/{queue_name}", queues::show)
        .does(Developer, "/queues/{queue_name}/test", queues::test)
        .does(Admin, "/queues/{queue_name}/pause", queues::pause)
        .does(Admin, "/queues/{queue_name}/resume", queues::resume)
        .shows("/events", events::list)
        .does(Developer, "/events/replay", events::replay_range)
        .shows("/events/{event_id}", events::show)
        .does(Developer, "/events/{event_id}/replay", events::replay)
        .shows("/reports", reports::show)
        .does(Developer, "/reports", reports::create)
        .alone()
        .shows("/reports/{report_id}/content", reports::content)
        .alone()
        .does(Developer, "/reports/{report_id}/delete", reports::delete)
        .alone()
        .shows("/audit", audit::show)
        .shows("/snippets", snippets::show)
        .alone()
}
