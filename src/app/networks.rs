//! Where a partner may call from (contract 13.3): what the key that authenticated allows, and its org. Whoever comes
//! from elsewhere hears nothing else, and nothing of it counts against the org.

use std::net::IpAddr;

use crate::error::{ApiError, Code};
use crate::identity::enforcement::Enforcement;
use crate::identity::usage::{Judgement, SourceNetwork};
use crate::identity::{Caller, Found};
use crate::state::App;

/// Judges the address that a request comes from. Members may come from anywhere: their apps are wherever they are.
pub fn judge(found: &Found<Caller>, client: Option<IpAddr>) -> Judgement {
    if let Caller::Member(_) = found.caller {
        return Judgement::Allowed;
    }
    let by_org = found.org.networks.judge(client);
    found.key.as_ref().map_or(by_org, |key| by_org.max(key.networks.judge(client)))
}

/// Passes who may call from there, or may not and is only reported.
///
/// # Errors
/// 403 `network_not_allowed`.
pub fn admit(
    app: &App,
    found: &Found<Caller>,
    client: Option<IpAddr>,
    judgement: Judgement,
) -> Result<(), ApiError> {
    match judgement {
        Judgement::Allowed => Ok(()),
        Judgement::Reported => {
            app.metrics.identity.outside_networks(Enforcement::Report.name());
            let (org_id, key_id, network) =
                (found.caller.org_id(), found.caller.key_id(), SourceNetwork::of(client));
            if app.outside_networks.is_due((org_id, key_id, network), app.clock.now()) {
                let key_id = key_id.map(tracing::field::display);
                tracing::info!(%org_id, key_id, %network, "a call from outside of the allowed networks, only reported");
            }
            Ok(())
        }
        Judgement::Refused => {
            app.metrics.identity.outside_networks(Enforcement::Enforce.name());
            Err(Code::NetworkNotAllowed.into())
        }
    }
}
