//! What is stored, in short: keys that end soon, and queues that do not get rid of their events.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use url::Url;

use super::finding::Report;
use crate::db::Db;

/// What ends within this time is worth a word; partners are told at 30, 7 and 1 days.
const SOON: TimeDelta = TimeDelta::days(7);
/// Hosts whose names are looked up.
const MAX_HOSTS: i64 = 20;

/// Looks at keys and queues of all orgs; gives the hosts that queues lead to.
///
/// # Errors
/// When the database cannot be asked.
pub async fn check(db: &Db, now: DateTime<Utc>, report: &mut Report) -> Result<Vec<String>, sqlx::Error> {
    keys(db, now, report).await?;
    queues(db, now, report).await
}

async fn keys(db: &Db, now: DateTime<Utc>, report: &mut Report) -> Result<(), sqlx::Error> {
    const CHECK: &str = "keys";
    let found = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM orgs) AS "orgs!",
                  (SELECT count(*) FROM orgs WHERE frozen_at IS NOT NULL) AS "frozen!",
                  (SELECT count(*) FROM tenant_keys WHERE revoked_at IS NULL AND rotated_at IS NULL
                       AND pending_of IS NULL AND expires_at BETWEEN $1 AND $2) AS "tenant_keys!",
                  (SELECT count(*) FROM public_keys WHERE deleted_at IS NULL
                       AND expires_at BETWEEN $1 AND $2) AS "public_keys!",
                  (SELECT count(*) FROM tenant_keys WHERE leaked_at IS NOT NULL AND revoked_at IS NULL
                       AND (expires_at IS NULL OR expires_at > $1)) AS "leaked!""#,
        now,
        now + SOON,
    )
    .fetch_one(&db.pool)
    .await?;
    let days = SOON.num_days();
    for (count, what, advice) in [
        (
            found.tenant_keys,
            "API keys without a successor end",
            "have their partners rotate them: `key list`",
        ),
        (found.public_keys, "public keys end", "have their partners register the next ones (docs/keys.md)"),
    ] {
        if count > 0 {
            report.warn(CHECK, format!("{count} {what} within {days} days"), advice);
        }
    }
    if found.leaked > 0 {
        let seen = format!("{} leaked API keys still work", found.leaked);
        report.warn(CHECK, seen, "have their partners replace them, or `key revoke` (docs/incidents.md)");
    }
    if found.frozen > 0 {
        let seen = format!("the administration of {} orgs is frozen", found.frozen);
        report.warn(CHECK, seen, "settle it with their partners, then `org thaw`");
    }
    if found.tenant_keys + found.public_keys + found.leaked + found.frozen == 0 {
        report.ok(CHECK, format!("{} orgs; no key ends within {days} days", found.orgs));
    }
    Ok(())
}

async fn queues(db: &Db, now: DateTime<Utc>, report: &mut Report) -> Result<Vec<String>, sqlx::Error> {
    const CHECK: &str = "queues";
    let found = sqlx::query!(
        r#"SELECT count(*) AS "queues!", count(*) FILTER (WHERE failing_since IS NOT NULL) AS "failing!",
                  count(*) FILTER (WHERE paused_at IS NOT NULL) AS "paused!",
                  count(*) FILTER (WHERE expires_at < $1) AS "ending!"
           FROM event_queues"#,
        now + SOON,
    )
    .fetch_one(&db.pool)
    .await?;
    for (count, what, advice) in [
        (
            found.failing,
            "do not take their events",
            "docs/incidents.md, a dead queue; `org queues --key ...` names them",
        ),
        (found.paused, "are paused", "resume them once their receivers are back: `org queues --resume`"),
        (found.ending, "have a credential that ends within a week", "have their partners renew it"),
    ] {
        if count > 0 {
            report.warn(CHECK, format!("{count} of {} queues {what}", found.queues), advice);
        }
    }
    if found.failing + found.paused + found.ending == 0 {
        report.ok(CHECK, format!("{} queues, none failing or paused", found.queues));
    }
    let settings = sqlx::query_scalar!(
        "SELECT DISTINCT settings FROM event_queues
         WHERE type IN ('webhook', 'kafka') AND paused_at IS NULL LIMIT $1",
        MAX_HOSTS,
    )
    .fetch_all(&db.pool)
    .await?;
    let mut hosts: Vec<_> = settings.iter().flat_map(names).collect();
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// The names in the address of a webhook, or in those of a cluster's brokers.
fn names(settings: &Value) -> Vec<String> {
    let brokers = settings["bootstrap_servers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let urls = settings["url"].as_str().map(str::to_owned).into_iter();
    let urls = urls.chain(brokers.map(|broker| format!("https://{broker}")));
    urls.filter_map(|url| url.parse::<Url>().ok()?.domain().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_looked_up_and_addresses_are_not() {
        let brokers = json!({"bootstrap_servers": ["broker-1.acme.example:9093", "192.0.2.1:9093"]});
        assert_eq!(names(&brokers), ["broker-1.acme.example"]);
        assert_eq!(names(&json!({"url": "https://hooks.acme.example/x"})), ["hooks.acme.example"]);
        assert!(names(&json!({"url": "https://[2001:db8::1]/x"})).is_empty() && names(&json!({})).is_empty());
    }
}
