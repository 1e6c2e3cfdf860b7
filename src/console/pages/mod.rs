//! The console's own pages. Each module is a section of the menu, or a part of an org's standing.

mod leaks;
mod link;
mod new_org;
mod orgs;
mod overview;
mod recovery;
mod service;
mod standing;
mod steps;
mod streams;

use super::{Pages, door};
use crate::identity::platform::PlatformScope::{EventsPublish, OrgsRead, OrgsWrite};

/// Every page that only the console has, with what it takes to have it.
pub(super) fn all() -> Pages {
    Pages::new()
        .shows(None, "/console", overview::show)
        .does(None, "/console/leave", door::leave)
        .shows(Some(OrgsRead), "/console/orgs", orgs::list)
        .does(Some(OrgsWrite), "/console/orgs", new_org::create)
        .shows(Some(OrgsRead), "/console/leaks", leaks::show)
        .shows(Some(EventsPublish), "/console/streams", streams::list)
        .shows(Some(EventsPublish), "/console/streams/{name}", streams::show)
        .shows(None, "/console/service", service::show)
        .shows_of_an_org("/standing", standing::show)
        .does_to_an_org("/suspend", steps::suspend)
        .does_to_an_org("/resume", steps::resume)
        .does_to_an_org("/freeze", steps::freeze)
        .does_to_an_org("/thaw", steps::thaw)
        .does_to_an_org("/limits", steps::limit)
        .does_to_an_org("/link", link::make)
        .does_to_an_org("/recover", recovery::recover)
}
