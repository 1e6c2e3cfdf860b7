//! The way to the service (`PUBLIC_URL`), and from it to where events go. No target is connected to.

use futures_util::future::join_all;

use super::finding::Report;
use crate::clock::Clock;
use crate::config::Config;
use crate::events::targets::Reason;
use crate::events::targets::reach::{answer_of, is_found};

/// What other programs are told to go through. This one connects itself, to addresses that it has judged.
const PROXIES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// Asks `PUBLIC_URL` for a sign of life, as a partner would.
pub async fn inbound(config: &Config, report: &mut Report) {
    const CHECK: &str = "public URL";
    if !config.is_public_url_set {
        return;
    }
    let url = config.public_url.trim_end_matches('/');
    let problem = match answer_of(&format!("{url}/livez"), Clock::system()).await {
        Ok(status) if status.is_success() => return report.ok(CHECK, format!("{url} answers")),
        // Gateways need not let probes through; that something answers there is what counts.
        Ok(status) => return report.ok(CHECK, format!("{url} answers, with {status} to a probe")),
        Err(Reason::Dns | Reason::Blocked) => ("its name has no address", "mend its DNS, or PUBLIC_URL"),
        Err(Reason::Refused) => ("nothing listens there", "start the service and the gateway before it"),
        Err(Reason::Tls) => (
            "its certificate is not one that clients take",
            "renew it; with an authority of your own, look from a client's machine",
        ),
        _ => ("no answer", "look at the gateway and the firewall; from inside it may be out of reach"),
    };
    report.warn(CHECK, format!("{url}: {}", problem.0), problem.1);
}

/// Looks whether names of `hosts`, and of the configured endpoints, are found; and whether a proxy is set, in vain.
pub async fn outbound(config: &Config, mut hosts: Vec<String>, report: &mut Report) {
    const CHECK: &str = "outbound";
    let targets = &config.targets;
    let endpoints = [
        &targets.sqs_endpoint,
        &targets.sts_endpoint,
        &targets.storage_queue_endpoint,
        &targets.event_hubs_endpoint,
    ];
    hosts.extend(endpoints.into_iter().flatten().filter_map(|url| url.domain().map(str::to_owned)));
    let looked_up = join_all(hosts.iter().map(|host| is_found(host))).await;
    let lost: Vec<_> =
        hosts.iter().zip(looked_up).filter(|(_, found)| !found).map(|(host, _)| host.as_str()).collect();
    if let Some(proxy) = PROXIES.iter().find(|name| std::env::var_os(name).is_some()) {
        let seen = format!("{proxy} is set, and not used: events go to their targets directly");
        report.warn(CHECK, seen, "let this machine out to port 443");
    }
    if !lost.is_empty() {
        let seen = format!(
            "{} of {} names of targets have no address: {}",
            lost.len(),
            hosts.len(),
            lost.join(", ")
        );
        return report.warn(CHECK, seen, "if it is all of them, mend this machine's DNS (/etc/resolv.conf)");
    }
    match hosts.len() {
        0 => report.ok(CHECK, "no target's name to look up"),
        found => report.ok(CHECK, format!("{found} names of targets have addresses")),
    }
}
