//! What a key's restrictions would refuse, and the narrowest that it could do with (contract 13.3): asked before a policy
//! is set from `report` to `enforce`.

mod networks;
mod store;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use self::store::Seen;
use super::input::KeyPath;
use crate::error::{ApiError, Code};
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::identity::usage::SEEN_WITHIN;
use crate::ids::KeyId;
use crate::state::App;

/// What was seen of a key, held against what it may do. What reached the service in the last minute may not be in it
/// yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantKeyRestrictions {
    /// The key's id.
    #[schema(value_type = uuid::Uuid)]
    key_id: KeyId,
    /// Since when requests with it are known: at most 35 days.
    watched_since: DateTime<Utc>,
    /// What the policy `report` let through, and `enforce` would refuse.
    would_refuse: WouldRefuse,
    /// The narrowest restrictions that all it was seen to do needs, refused requests apart. It can be sent as it is in
    /// PATCH.
    suggestion: Suggestion,
    /// For people: what the suggestion lacks, and why.
    #[schema(required)]
    note: Option<String>,
}

/// Requests that would be refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldRefuse {
    /// By the scope that they needed.
    scopes: Vec<RefusedScope>,
    /// By the network that they came from.
    networks: Vec<RefusedNetwork>,
}

/// Requests beyond the key's scopes.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedScope {
    /// The scope that they needed.
    #[schema(example = "users:write")]
    scope: String,
    /// How many.
    #[schema(minimum = 1, example = 12)]
    requests: i64,
    /// The last one.
    last_seen_at: DateTime<Utc>,
}

/// Requests from outside the networks that are allowed.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedNetwork {
    /// The /24 of IPv4 or /48 of IPv6 that they came from; null where no address was known.
    #[schema(required, example = "198.51.100.0/24")]
    network: Option<String>,
    /// How many.
    #[schema(minimum = 1, example = 12)]
    requests: i64,
    /// The last one from there.
    last_seen_at: DateTime<Utc>,
}

/// Restrictions, as PATCH takes them. What cannot be suggested is not there.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggestion {
    /// The scopes that its requests needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["users:read", "users:write"]))]
    scopes: Vec<String>,
    /// The networks that they came from: neighbours are one, and of more than 20 those that lie nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 20, example = json!(["198.51.100.0/24", "2001:db8:1::/48"]))]
    allowed_networks: Vec<String>,
}

/// Show what restrictions of a tenant API key would refuse.
///
/// And the narrowest ones that what it was seen to do needs. Restrict with the policy `report` first, look
/// here until nothing is refused that should not be, then set `enforce`.
#[utoipa::path(
    get, path = "/v1/admin/org/tenant-keys/{key_id}/restrictions", tag = "Tenant keys", params(KeyPath),
    extensions(("x-required-scope" = json!(KeyScope::TenantKeysRead))),
    responses(
        (status = 200, description = "What would be refused, and what is suggested.", body = Data<TenantKeyRestrictions>),
        (status = 404, description = "`not_found`: this org has no such key."),
    ),
)]
pub(super) async fn get_tenant_key_restrictions(
    State(app): State<App>,
    partner: Partner,
    Valid(KeyPath { key_id }): Valid<KeyPath>,
) -> Result<Json<Data<TenantKeyRestrictions>>, ApiError> {
    let since = app.clock.now() - SEEN_WITHIN;
    let seen = store::load(&app.db.pool, partner.org_id, key_id, since).await?.ok_or(Code::NotFound)?;
    Ok(Json(Data { data: TenantKeyRestrictions::of(key_id, seen, since) }))
}

impl TenantKeyRestrictions {
    fn of(key_id: KeyId, seen: Seen, since: DateTime<Utc>) -> Self {
        let (suggestion, note) = suggested(&seen, since);
        let would_refuse = WouldRefuse { scopes: refused_scopes(&seen), networks: refused_networks(&seen) };
        Self { key_id, watched_since: seen.counted_since.max(since), would_refuse, suggestion, note }
    }
}

fn refused_scopes(seen: &Seen) -> Vec<RefusedScope> {
    let refused = |scope: &store::SeenScope| {
        let last_seen_at = scope.last_reported_at.filter(|_| scope.reported > 0)?;
        Some(RefusedScope { scope: scope.scope.clone(), requests: scope.reported, last_seen_at })
    };
    seen.scopes.iter().filter_map(refused).collect()
}

fn refused_networks(seen: &Seen) -> Vec<RefusedNetwork> {
    let reported = seen.networks.iter().filter(|network| network.reported > 0);
    let refused = reported.map(|network| RefusedNetwork {
        network: Some(network.network.clone()).filter(|network| !network.is_empty()),
        requests: network.reported,
        last_seen_at: network.last_seen_at,
    });
    refused.collect()
}

/// What is suggested, and what is to be said of it.
fn suggested(seen: &Seen, since: DateTime<Utc>) -> (Suggestion, Option<String>) {
    let let_through = |requests: i64, refused: i64| requests > refused;
    let scopes = seen.scopes.iter().filter(|scope| let_through(scope.requests, scope.refused));
    let scopes: Vec<_> = scopes.map(|scope| scope.scope.clone()).collect();
    let networks = seen.networks.iter().filter(|network| let_through(network.requests, network.refused));
    let networks: Vec<_> = networks.map(|network| network.network.as_str()).collect();
    if networks.is_empty() {
        let note = "No request was seen that was let through, so nothing is known of what it needs.";
        return (Suggestion::default(), Some(note.to_owned()));
    }
    let lacks = if seen.sources_dropped_at.is_some_and(|dropped| dropped >= since) {
        Some("It was used from more sources than are remembered, so the networks are not all known.")
    } else if networks.contains(&"") {
        Some("The address of some requests is not known, so no networks can be suggested.")
    } else {
        None
    };
    let allowed_networks = if lacks.is_some() { Vec::new() } else { networks::narrowest(&networks) };
    (Suggestion { scopes, allowed_networks }, lacks.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::store::{SeenNetwork, SeenScope};
    use super::*;

    fn at(day: u32) -> DateTime<Utc> {
        format!("2026-11-{day:02}T08:00:00Z").parse().unwrap()
    }

    fn scope(scope: &str, requests: i64, reported: i64, refused: i64) -> SeenScope {
        let last_reported_at = (reported > 0).then(|| at(9));
        SeenScope { scope: scope.to_owned(), requests, reported, last_reported_at, refused }
    }

    fn network(network: &str, requests: i64, reported: i64, refused: i64) -> SeenNetwork {
        SeenNetwork { network: network.to_owned(), last_seen_at: at(9), requests, reported, refused }
    }

    fn seen(scopes: Vec<SeenScope>, networks: Vec<SeenNetwork>) -> Seen {
        Seen { counted_since: at(1), sources_dropped_at: None, scopes, networks }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_was_seen_is_suggested_and_nothing_that_was_refused() {
        let seen = seen(
            vec![scope("org:read", 2, 0, 2), scope("users:read", 7, 0, 0), scope("users:write", 3, 1, 2)],
            vec![network("198.51.100.0/24", 9, 3, 1), network("203.0.113.0/24", 5, 0, 5)],
        );
        let (suggestion, note) = suggested(&seen, at(2));
        let scopes = texts(&["users:read", "users:write"]);
        assert_eq!(suggestion, Suggestion { scopes, allowed_networks: texts(&["198.51.100.0/24"]) });
        assert_eq!(note, None);
        let [refused] = &refused_scopes(&seen)[..] else { panic!("one was reported") };
        assert_eq!(
            (refused.scope.as_str(), refused.requests, refused.last_seen_at),
            ("users:write", 1, at(9))
        );
        let [refused] = &refused_networks(&seen)[..] else { panic!("one was reported") };
        assert_eq!((refused.network.as_deref(), refused.requests), (Some("198.51.100.0/24"), 3));
    }

    #[test]
    fn what_is_not_all_known_is_not_suggested_and_that_is_said() {
        let one = || vec![scope("users:read", 1, 0, 0)];
        let dropped = Seen {
            sources_dropped_at: Some(at(5)),
            ..seen(one(), vec![network("198.51.100.0/24", 1, 0, 0)])
        };
        let (suggestion, note) = suggested(&dropped, at(5));
        assert_eq!(suggestion, Suggestion { scopes: texts(&["users:read"]), allowed_networks: vec![] });
        assert!(note.unwrap().starts_with("It was used from more sources"));
        let (suggestion, note) = suggested(&dropped, at(6));
        assert_eq!((suggestion.allowed_networks, note), (texts(&["198.51.100.0/24"]), None), "long ago");

        let unknown = seen(one(), vec![network("", 1, 0, 0), network("198.51.100.0/24", 1, 0, 0)]);
        let (suggestion, note) = suggested(&unknown, at(5));
        assert_eq!(suggestion.allowed_networks, [""; 0]);
        assert!(note.unwrap().starts_with("The address of some requests"));

        let (suggestion, note) = suggested(&seen(vec![], vec![network("198.51.100.0/24", 4, 0, 4)]), at(5));
        assert_eq!(suggestion, Suggestion::default());
        assert!(note.unwrap().starts_with("No request was seen"));
    }
}
