//! Settings that can be read, and are dangerous or odd together.

use url::Url;

use super::finding::Report;
use crate::cli::serve::is_private;
use crate::config::Config;

/// A gateway that remembers longer goes on letting revoked keys in for as long.
const LONG_GATEWAY_MEMORY: u32 = 60;

/// Looks at the settings; `is_known` says which variables could be read.
pub fn check(config: &Config, is_known: impl Fn(&str) -> bool, report: &mut Report) {
    gateway_proof(config, &is_known, report);
    addresses(config, &is_known, report);
    targets(config, report);
    if config.gateway_cache_seconds > LONG_GATEWAY_MEMORY {
        let seconds = config.gateway_cache_seconds;
        report.warn(
            "settings",
            format!("GATEWAY_CACHE_SECONDS={seconds}: a revoked key may work that long at the gateway"),
            format!("set at most {LONG_GATEWAY_MEMORY}"),
        );
    }
    let everybody = ["203.0.113.1", "2001:db8::1"].iter().filter_map(|it| it.parse().ok());
    if everybody.into_iter().any(|address| config.trusted_proxies.contain(address)) {
        report.warn(
            "settings",
            "TRUSTED_PROXIES takes in addresses of the internet: anybody may say what client they are",
            "name the proxies' own networks",
        );
    }
    if config.database.is_none() && !config.listen_addr.ip().is_loopback() {
        report.warn(
            "settings",
            "the embedded Postgres serves other machines: it has no backups and no failover",
            "set DATABASE_URL for anything that matters (docs/operations.md)",
        );
    }
}

/// Whether `OrgId` is the gateway's own word (contract 0).
fn gateway_proof(config: &Config, is_known: &impl Fn(&str) -> bool, report: &mut Report) {
    const CHECK: &str = "gateway proof";
    let make_one = "set GATEWAY_SECRETS, here and at the gateway: openssl rand -hex 24";
    let secrets = &config.gateway_secrets;
    if !is_known("GATEWAY_SECRETS") || !is_known("GATEWAY_SECRETS_FILE") {
        return;
    }
    if secrets.is_empty() {
        let whom = match (config.listen_addr.ip().is_loopback(), config.trust_org_id) {
            (true, _) => "every program on this machine",
            (false, true) => "everyone who can connect (TRUST_ORG_ID)",
            (false, false) => return,
        };
        return report.warn(CHECK, format!("none: OrgId is believed from {whom}"), make_one);
    }
    if config.trust_org_id {
        report.warn(CHECK, "TRUST_ORG_ID is set beside GATEWAY_SECRETS, and does nothing", "leave it out");
    }
    if secrets.has_guessable() {
        return report.warn(CHECK, "a secret has few different characters, or comes twice", make_one);
    }
    match secrets.count() {
        1 => report.ok(CHECK, "one secret"),
        _ => report.warn(
            CHECK,
            "two secrets: a roll is under way",
            "leave the second one out once every gateway sends the first",
        ),
    }
}

fn addresses(config: &Config, is_known: &impl Fn(&str) -> bool, report: &mut Report) {
    if !is_private(config.internal_listen_addr.ip()) {
        report.warn(
            "settings",
            format!(
                "INTERNAL_LISTEN_ADDR={} can be reached from other networks",
                config.internal_listen_addr
            ),
            "let only the gateway, Prometheus and the platform's services through",
        );
    }
    if !is_known("PUBLIC_URL") {
        return;
    }
    let is_local = config.listen_addr.ip().is_loopback();
    if !config.is_public_url_set {
        if !is_local {
            let advice = "set it to the URL that clients use: signatures and tokens are for it";
            report.warn("settings", "PUBLIC_URL is not set", advice);
        }
        return;
    }
    let Ok(url) = config.public_url.parse::<Url>() else { return };
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "http" && !is_loopback {
        let advice = "put TLS before the service and say https: keys and tokens travel there";
        report.warn("settings", format!("PUBLIC_URL={} is not https", config.public_url), advice);
    }
}

fn targets(config: &Config, report: &mut Report) {
    if config.targets.policy.allow_private {
        report.warn(
            "settings",
            "ALLOW_PRIVATE_TARGETS=true: partners' queues may lead into your own network",
            "leave it out but for tests",
        );
    }
    let endpoints = [
        ("SQS_ENDPOINT", &config.targets.sqs_endpoint),
        ("STS_ENDPOINT", &config.targets.sts_endpoint),
        ("STORAGE_QUEUE_ENDPOINT", &config.targets.storage_queue_endpoint),
        ("EVENT_HUBS_ENDPOINT", &config.targets.event_hubs_endpoint),
    ];
    for (name, _) in endpoints.iter().filter(|(_, url)| matches!(url, Some(url) if url.scheme() == "http")) {
        report.warn("settings", format!("{name} is plain http"), "leave it out but for tests");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn seen(set: &[(&str, &str)]) -> Vec<(Level, String)> {
        let get = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let mut report = Report::default();
        check(&Config::read(get).unwrap(), |_| true, &mut report);
        report.levels()
    }

    const SECRET: (&str, &str) = ("GATEWAY_SECRETS", "4f1d9c07a2b8e3655d0f7a91c2e4b6d8");

    #[test]
    fn what_production_sets_raises_no_warning() {
        let found = seen(&[
            SECRET,
            ("LISTEN_ADDR", "10.0.0.5:8080"),
            ("INTERNAL_LISTEN_ADDR", "10.0.0.5:8081"),
            ("PUBLIC_URL", "https://api.example.com"),
            ("DATABASE_URL", "postgres://db.internal/partner_api"),
        ]);
        assert_eq!(found, [(Level::Ok, "one secret".to_owned())]);
    }

    #[test]
    fn dangerous_combinations_are_named_and_secrets_are_not() {
        for (set, expected) in [
            (&[][..], "every program on this machine"),
            (&[("LISTEN_ADDR", "10.0.0.5:80"), ("TRUST_ORG_ID", "true")], "everyone who can connect"),
            (&[("GATEWAY_SECRETS", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")], "few different characters"),
            (&[SECRET, ("TRUST_ORG_ID", "true")], "does nothing"),
            (&[SECRET, ("INTERNAL_LISTEN_ADDR", "0.0.0.0:8081")], "other networks"),
            (&[SECRET, ("PUBLIC_URL", "http://api.example.com")], "not https"),
            (&[SECRET, ("LISTEN_ADDR", "0.0.0.0:80")], "PUBLIC_URL is not set"),
            (&[SECRET, ("ALLOW_PRIVATE_TARGETS", "true")], "into your own network"),
            (&[SECRET, ("SQS_ENDPOINT", "http://localhost:9324")], "SQS_ENDPOINT is plain http"),
            (&[SECRET, ("TRUSTED_PROXIES", "0.0.0.0/0")], "anybody may say"),
            (&[SECRET, ("GATEWAY_CACHE_SECONDS", "300")], "GATEWAY_CACHE_SECONDS=300"),
        ] {
            let found = seen(set);
            assert!(
                found.iter().any(|(level, seen)| *level == Level::Warn && seen.contains(expected)),
                "{expected}: {found:?}"
            );
            assert!(!format!("{found:?}").contains(SECRET.1));
        }
    }
}
