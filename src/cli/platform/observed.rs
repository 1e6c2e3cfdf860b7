//! What there is, held against what the file wants.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::file::{Wanted, WantedOrg};
use super::steps::{Action, Difference, Step, differing};
use crate::cli::CliError;
use crate::http::input::judge;
use crate::ids::OrgId;
use crate::routes::internal::{orgs, streams};
use crate::routes::org;
use crate::routes::queues::operator::{self, QueueDifference, RegisterQueue};
use crate::state::App;

/// The steps for streams. Nothing ever deletes one: events of it may wait.
///
/// # Errors
/// When the database cannot be asked.
pub async fn streams(app: &App, wanted: &[(String, Value)]) -> Result<Vec<Step>, CliError> {
    let mut steps = Vec::new();
    for (name, body) in wanted {
        let found = streams::shown(app, name).await?;
        let Value::Object(fields) = body else { continue };
        let differences = differing(&found.clone().unwrap_or_default(), &with_schemas(fields));
        if !differences.is_empty() {
            let (name, body, exists) = (name.clone(), body.clone(), found.is_some());
            let action = Action::PutStream { name, body, exists };
            steps.push(Step { action, differences });
        }
    }
    Ok(steps)
}

/// As streams are shown: a type without a schema has the schema null.
fn with_schemas(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    let types = fields.get_mut("types").and_then(Value::as_array_mut);
    for kind in types.into_iter().flatten().filter_map(Value::as_object_mut) {
        kind.entry("schema").or_insert(Value::Null);
    }
    fields
}

/// The steps for orgs and their queues; with `prune` also for those that the file does not name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn orgs(app: &App, wanted: &Wanted, prune: bool) -> Result<Vec<Step>, CliError> {
    let mut steps = Vec::new();
    for org in &wanted.orgs {
        let found = org::store::find_by_key(&app.db.pool, &org.key).await?;
        let org_id = found.as_ref().map(|found| found.id);
        steps.extend(one(app, org, org_id).await?);
        steps.extend(queues(app, org, org_id, prune).await?);
    }
    if prune && wanted.names_orgs {
        let named: HashSet<_> = wanted.orgs.iter().map(|org| org.key.as_str()).collect();
        let all = org::store::list(&app.db.pool).await?;
        let others = all.into_iter().filter(|org| !named.contains(org.key.as_str()));
        steps.extend(
            others.map(|org| Step { action: Action::DeleteOrg { key: org.key }, differences: Vec::new() }),
        );
    }
    Ok(steps)
}

async fn one(app: &App, wanted: &WantedOrg, org_id: Option<OrgId>) -> Result<Option<Step>, CliError> {
    let key = wanted.key.clone();
    let Some(org_id) = org_id else {
        let differences = differing(&Value::Null, &wanted.fields);
        let action = Action::MakeOrg { key, fields: wanted.fields.clone() };
        return Ok(Some(Step { action, differences }));
    };
    let found = orgs::shown(app, org_id).await?;
    let differences = differing(&found, &with_bursts(&wanted.fields));
    let differing = |field: &str| differences.iter().any(|difference| difference.field == field);
    let fields: Map<_, _> = wanted
        .fields
        .iter()
        .filter(|(field, _)| differing(field))
        .map(|(f, v)| (f.clone(), v.clone()))
        .collect();
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(Step { action: Action::ChangeOrg { key, fields }, differences }))
}

/// As limits are shown: without a burst of its own a rate is its burst.
fn with_bursts(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    if let Some(limits) = fields.get_mut("limits").and_then(Value::as_object_mut) {
        let rate = limits.get("rate").cloned().unwrap_or_default();
        let burst = if rate == json!(0) { Value::Null } else { rate };
        let shown = limits.entry("burst").or_insert_with(|| burst.clone());
        if burst.is_null() {
            *shown = Value::Null;
        }
    }
    fields
}

async fn queues(
    app: &App,
    wanted: &WantedOrg,
    org_id: Option<OrgId>,
    prune: bool,
) -> Result<Vec<Step>, CliError> {
    let Some(queues) = &wanted.queues else { return Ok(Vec::new()) };
    let (org, mut steps) = (wanted.key.clone(), Vec::new());
    for (stream, body) in queues {
        let (register, _) = judge::<RegisterQueue>(body.to_string().as_bytes(), app.clock.now());
        let register = register.ok_or("a queue was judged before")?;
        let (exists, found) = operator::differences(app, org_id, stream, &register).await?;
        if !found.is_empty() {
            let difference =
                |QueueDifference { field, from, to }| Difference { field: field.to_owned(), from, to };
            let (org, stream, body) = (org.clone(), stream.clone(), body.clone());
            let action = Action::PutQueue { org, stream, body, exists };
            steps.push(Step { action, differences: found.into_iter().map(difference).collect() });
        }
    }
    if let (true, Some(org_id)) = (prune, org_id) {
        let named: HashSet<_> = queues.iter().map(|(stream, _)| stream.as_str()).collect();
        for stream in operator::streams(&app.db, &app.clock, org_id).await? {
            if !named.contains(stream.as_str()) {
                let action = Action::RemoveQueue { org: org.clone(), stream };
                steps.push(Step { action, differences: Vec::new() });
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_compared_as_they_are_shown() {
        for (wanted, shown) in [
            (json!({"rate": 50}), json!({"rate": 50, "burst": 50})),
            (json!({"rate": 50, "burst": 100}), json!({"rate": 50, "burst": 100})),
            (json!({"rate": 0}), json!({"rate": 0, "burst": null})),
            (json!({"rate": 0, "burst": 7}), json!({"rate": 0, "burst": null})),
            (json!(null), json!(null)),
        ] {
            let Value::Object(fields) = json!({ "limits": wanted }) else { unreachable!() };
            assert_eq!(with_bursts(&fields)["limits"], shown);
        }
    }
}
