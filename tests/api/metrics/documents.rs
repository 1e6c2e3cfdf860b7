//! The dashboard, the alerts and the list of metrics speak of what there is, and of all of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::scrape;
use crate::support::TestApp;
use crate::support::exposition::Exposition;

const DASHBOARD: &str = include_str!("../../../docs/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../docs/alerts.yml");
const LIST: &str = include_str!("../../../docs/observability.md");

#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alerts_is_exposed() {
    let seen = everything().await;
    let names = seen.names();
    for (file, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        let used = words(text);
        assert!(used.len() > 10, "{file}: {used:?}");
        let unknown: Vec<_> = used.iter().filter(|name| !names.contains(**name)).collect();
        assert!(unknown.is_empty(), "{file} uses what is not exposed: {unknown:?}");
    }
}

#[tokio::test]
async fn every_label_of_the_dashboard_and_the_alerts_is_one_of_ours() {
    let seen = everything().await;
    let labels: BTreeSet<_> = seen.samples.iter().flat_map(|sample| sample.labels.keys()).collect();
    // What Prometheus adds.
    let is_known = |label: &str| ["instance", "job"].contains(&label) || labels.contains(&label.to_owned());
    for (file, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        for grouping in text.split("by (").skip(1) {
            let (grouped, _) = grouping.split_once(')').expect("it closes");
            for label in grouped.split(',').map(str::trim) {
                assert!(is_known(label), "{file} groups by {label}");
            }
        }
    }
}

#[tokio::test]
async fn the_list_names_every_family_and_no_other() {
    let seen = everything().await;
    let exposed: BTreeSet<_> = seen.families.keys().map(|name| bare(name)).collect();
    let (_, list) = LIST.split_once("\n## Metrics\n").expect("the list");
    let (list, _) = list.split_once("\n## ").expect("its end");
    let rows = list.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
    let listed: BTreeSet<_> = rows.map(|(name, _)| bare(name)).collect();
    let missing: Vec<_> = exposed.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&exposed).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not listed: {missing:?}; not exposed: {unknown:?}");
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    assert!(dashboard["uid"].is_string() && dashboard["title"].is_string());
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{}", panel["id"]);
        if panel["type"] != "row" {
            assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        }
    }
}

/// Every family has something to show once a request was answered.
async fn everything() -> Exposition {
    let app = TestApp::new().await;
    app.anyone().get("/livez").await.expect(200);
    scrape(&app).await
}

fn words(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("partner_api_") || word.starts_with("process_")).collect()
}

/// As the list writes it: without the service's name, and a counter with its suffix or not.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("partner_api_").unwrap_or(name);
    name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(name)
}
