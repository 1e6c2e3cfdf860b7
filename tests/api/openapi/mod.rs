//! The OpenAPI document and the page over it (contract 11).

mod bodies;
mod errors;

use std::collections::HashSet;

use partner_api::app;
use partner_api::openapi::to_json;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::document::Document;

const COMMITTED: &str = include_str!("../../../openapi/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    assert!(
        COMMITTED == to_json(&app::document()),
        "openapi/openapi.json is stale: cargo run -- openapi > openapi/openapi.json"
    );
}

#[tokio::test]
async fn the_service_serves_that_document_to_anyone() {
    let app = TestApp::new().await;
    let reply = app.anyone().get("/openapi.json").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.text(), COMMITTED);
}

#[test]
fn it_is_openapi_3_1_with_the_credentials_described() {
    let document = Document::generated();
    assert_eq!(document.json()["openapi"], "3.1.0");
    let schemes = document.json()["components"]["securitySchemes"].as_object().expect("schemes");
    // `OrgId` is the gateway's: a client that is generated from the document must not send it.
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["MemberToken", "PartnerToken", "TenantKey"]);
    let key = &schemes["TenantKey"];
    assert_eq!(
        (&key["type"], &key["in"], &key["name"]),
        (&json!("apiKey"), &json!("header"), &json!("taih-tenant-key"))
    );
    assert_eq!(
        (&schemes["MemberToken"]["type"], &schemes["MemberToken"]["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    let flow = &schemes["PartnerToken"]["flows"]["clientCredentials"];
    assert_eq!(
        (&flow["tokenUrl"], &flow["scopes"]["partner"]),
        (&json!("/v1/oauth/token"), &json!("All that a tenant key may do."))
    );
    let description = document.json()["info"]["description"].as_str().expect("a description");
    assert!(description.contains("The headers `OrgId`"), "{description}");
}

#[test]
fn every_tag_is_described_and_every_schema_is_used() {
    let document = Document::generated();
    let tags: Vec<_> =
        document.json()["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
    for operation in document.operations() {
        assert!(
            tags.contains(&&operation.spec["tags"][0]),
            "{} has a tag that is not described",
            operation.id
        );
    }
    let mut references = HashSet::new();
    collect_references(document.json(), &mut references);
    for kind in ["schemas", "responses"] {
        for name in document.json()["components"][kind].as_object().expect("components").keys() {
            assert!(references.contains(&format!("#/components/{kind}/{name}")), "{name} is never used");
        }
    }
}

#[test]
fn every_parameter_of_a_query_can_be_left_out_and_says_what_then_holds() {
    let document = Document::generated();
    let mut seen = HashSet::new();
    for operation in document.operations() {
        for parameter in operation.spec["parameters"].as_array().into_iter().flatten() {
            let (name, place) = (parameter["name"].as_str().expect("a name"), &parameter["in"]);
            assert_eq!(parameter["required"], json!(place == "path"), "{} of {}", name, operation.id);
            if place == "query" {
                seen.insert(name.to_owned());
            }
        }
    }
    for name in ["limit", "offset", "cursor", "include_revoked", "includeExpired", "stream", "status"] {
        assert!(seen.contains(name), "{name} is not documented");
    }
    for (path, name, default) in [
        ("/v1/users", "limit", json!(25)),
        ("/v1/users", "offset", json!(0)),
        ("/v1/admin/org/tenant-keys", "include_revoked", json!(false)),
        ("/api/v1/key/list/{OwnerCode}", "includeExpired", json!(false)),
    ] {
        let parameters = document.json()["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let parameter = parameters.iter().find(|parameter| parameter["name"] == name).expect("it is there");
        assert_eq!(parameter["schema"]["default"], default, "{name} of {path}");
    }
}

#[test]
fn whatever_comes_from_a_closed_set_is_an_enum() {
    let document = Document::generated();
    let schema = |name: &str| &document.json()["components"]["schemas"][name];
    for (name, field) in [
        ("ErrorBody", "code"),
        ("OauthError", "error"),
        ("TracedErrorBody", "Code"),
        ("Problem", "type"),
        ("Queue", "type"),
        ("EventEntry", "status"),
        ("AuditEntry", "actor"),
        ("CurrentSecret", "source"),
        ("FeatureStatus", "status"),
        ("BulkResult", "status"),
        ("MemberToken", "token_type"),
        ("PartnerToken", "token_type"),
    ] {
        let field = document.followed(&schema(name)["properties"][field]);
        assert!(field["enum"].as_array().is_some_and(|set| !set.is_empty()), "{name}: {field}");
    }
    assert_eq!(
        schema("AuditActor")["enum"],
        json!(["tenant_key", "public_key", "gateway", "operator", "platform", "claim", "portal", "service"])
    );
    assert_eq!(schema("SecretSource")["enum"], json!(["server", "partner"]));
    assert_eq!(schema("EventStatus")["enum"], json!(["pending", "delivered", "failed", "skipped"]));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = Document::generated();
    let mut references = HashSet::new();
    collect_references(document.json(), &mut references);
    for reference in &references {
        assert!(document.resolve(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_says_what_it_is_who_may_call_it_and_what_it_answers() {
    let operations = Document::generated().operations();
    let mut ids = HashSet::new();
    for operation in &operations {
        let (id, spec) = (&operation.id, &operation.spec);
        assert!(!id.is_empty() && ids.insert(id), "{} {}: {id:?}", operation.method, operation.path);
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{id}");
        assert!(spec["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{id} has no summary");
        let schemes = match operation.path.as_str() {
            "/.well-known/jwks.json"
            | "/.well-known/webhook-keys.json"
            | "/.well-known/oauth-authorization-server"
            | "/v1/oauth/token"
            | "/v1/leaks"
            | "/v1/leaks/github"
            | "/v1/claims/{token}" => {
                json!([])
            }
            "/v1/users/{user_id}" => {
                json!([{"TenantKey": []}, {"PartnerToken": [spec["x-required-scope"]]}, {"MemberToken": []}])
            }
            _ => json!([{"TenantKey": []}, {"PartnerToken": [spec["x-required-scope"]]}]),
        };
        assert_eq!(spec["security"], schemes, "{id}");
        assert_eq!(spec["tags"].as_array().map(Vec::len), Some(1), "{id}");
        let responses = spec["responses"].as_object().expect("responses");
        let of_all: &[&str] = if operation.is_guarded() {
            &["400", "401", "403", "421", "429", "500", "503"]
        } else {
            &["500", "503"]
        };
        for status in of_all.iter().copied() {
            assert!(responses.contains_key(status), "{id} does not document {status}");
        }
        let succeeds = responses.keys().any(|status| status.starts_with('2'));
        assert_eq!(succeeds, !operation.is_planned(), "{id}");
        assert!(responses.values().all(|response| response["description"] != ""), "{id}");
    }
}

#[test]
fn every_parameter_of_a_path_is_described_and_every_field_of_a_body_has_an_example() {
    let document = Document::generated();
    for operation in document.operations() {
        let described: Vec<_> = operation.spec["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(described, operation.path_parameters(), "{}", operation.id);
        if operation.has_body() {
            let example = document.example_body(&operation).expect("the body is JSON");
            let is_empty = match &example {
                Value::Array(items) => items.is_empty(),
                example => example.as_object().expect("an object or a list").is_empty(),
            };
            assert!(!is_empty, "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn the_page_to_try_operations_loads_from_the_service_alone() {
    let app = TestApp::new().await;
    let page = app.anyone().get("/docs/try").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("it has a policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");

    let assets = linked(&page.text());
    assert!(assets.len() >= 3, "{assets:?}");
    for asset in assets {
        assert!(asset.starts_with("/docs/"), "{asset} is not the service's own");
        assert!(!app.anyone().get(&asset).await.expect(200).body.is_empty(), "{asset}");
    }
}

#[tokio::test]
async fn the_reference_runs_and_loads_nothing_and_every_link_in_it_leads_somewhere() {
    let app = TestApp::new().await;
    let anyone = app.anyone();
    let index = anyone.get("/docs").await.expect(200);
    anyone.get("/docs/").await.expect(200);
    let mut links: Vec<_> = linked(&index.text());
    for id in ["rotate_tenant_key", "issue_partner_token", "on_user_created"] {
        let page = anyone.get(&format!("/docs/{id}")).await.expect(200);
        let policy = page.header("content-security-policy").expect("it has a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(!page.text().contains("<script") && !page.text().contains(" style="), "{id}");
        links.extend(linked(&page.text()));
    }
    links.sort();
    links.dedup();
    let errors = anyone.get("/errors").await.expect(200).text();
    for link in links {
        match link.split_once('#') {
            Some(("/errors", code)) => assert!(errors.contains(&format!("id=\"{code}\"")), "{link}"),
            Some(("", _)) => {}
            other => drop(anyone.get(other.map_or(link.as_str(), |(page, _)| page)).await.expect(200)),
        }
    }
}

#[tokio::test]
async fn a_search_of_the_reference_needs_no_script_and_shows_what_was_typed_as_text() {
    let app = TestApp::new().await;
    let found = app.anyone().get("/docs?q=Rotate%20tenant").await.expect(200).text();
    let main = found.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a page");
    assert!(
        main.contains("href=\"/docs/rotate_tenant_key\"") && !main.contains("href=\"/docs/create_user\""),
        "{main}"
    );
    let typed = app.anyone().get("/docs?q=%22%3E%3Cscript%3E&page=2").await.expect(200).text();
    assert!(!typed.contains("<script>") && typed.contains("value=\"&quot;&gt;&lt;script&gt;\""));
    for nowhere in ["/docs/nothing", "/docs/%ff"] {
        assert_eq!(app.anyone().get(nowhere).await.expect(404).code(), "not_found");
    }
}

/// What a page loads, but for what it holds itself.
fn linked(page: &str) -> Vec<String> {
    let texts: Vec<_> = page.split(['"', '\'']).collect();
    let links = texts.windows(2).filter(|pair| pair[0].ends_with("src=") || pair[0].ends_with("href="));
    links.map(|pair| pair[1].to_owned()).filter(|link| !link.starts_with("data:")).collect()
}

fn collect_references(value: &Value, into: &mut HashSet<String>) {
    match value {
        Value::Object(object) => {
            into.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, into)),
        _ => {}
    }
}
