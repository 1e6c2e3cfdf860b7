//! Every operation of the OpenAPI document, tried in the same way. A route that is added is swept
//! without anybody thinking of it; every answer is held against what the document promises.

mod again;
mod examples;
mod frozen;
mod hostile;
mod identity;
mod messages;
mod query;
mod scopes;
mod superseded;
mod tenancy;
mod twins;

use std::collections::HashMap;

use axum::body::Body;
use axum::http::request::Builder;
use partner_api::background::reports;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::document::{Document, Operation};
use crate::support::{Caller, Org, Reply, TestApp, request, webhook};

/// Answers that the document does not promise, by operation id and status. This list may only
/// shrink.
const UNDOCUMENTED: &[(&str, u16)] = &[];

/// The service and its document.
struct Sweep {
    app: TestApp,
    document: Document,
    /// Where events can be sent.
    webhook: String,
}

impl Sweep {
    async fn new() -> Self {
        // A limit that nothing here comes near: every reply has to tell of it.
        let variables = [("ALLOW_PRIVATE_TARGETS", "true"), ("RATE_LIMIT", "100000")];
        let mut app = TestApp::with(&variables).await;
        // Many requests: the org comes from memory, as it does in service.
        app.listen().await;
        Self { app, document: Document::generated(), webhook: webhook::start().await }
    }

    /// An org that has what some operations ask for: one tenant key, a signing secret, and a public
    /// key to deliver to.
    async fn equipped_org(&self, key: &str) -> Org {
        let org = self.app.org(key).await;
        mint(&org).await;
        rotate_secret(&org).await;
        register(&org, "rsa4096.spki.pem").await;
        org
    }

    fn operations(&self) -> Vec<Operation> {
        let operations = self.document.operations();
        assert!(operations.len() >= 30, "the document has lost its operations");
        operations.into_iter().filter(Operation::is_guarded).collect()
    }

    /// Operations that are built, and take an id in their path.
    fn on_a_resource(&self) -> Vec<Operation> {
        let operations = self.operations().into_iter();
        operations.filter(|o| !o.is_planned() && !o.path_parameters().is_empty()).collect()
    }

    /// The document's example, with an address of the test's own, and for `owner`.
    fn example_body(&self, operation: &Operation, owner: &str) -> Option<Value> {
        let mut body = self.document.example_body(operation)?;
        self.edit(&mut body);
        if let Some(code) = body.get_mut("OwnerCode") {
            *code = json!(owner);
        }
        Some(body)
    }

    /// Puts what is the partner's own into an example; whether there was anything.
    fn edit(&self, body: &mut Value) -> bool {
        if let Some(url) = body.pointer_mut("/webhook/url") {
            *url = json!(self.webhook);
            return true;
        }
        let file = if body["Type"] == "PGP" { "pgp-curve.asc" } else { "rsa3072.spki.pem" };
        body.get_mut("PublicKey").map(|key| *key = json!(fixture(file))).is_some()
    }

    /// Sends the request that the document gives as an example, on `path`.
    async fn example(&self, caller: &Caller, operation: &Operation, path: &str) -> Reply {
        self.example_for(caller, operation, path, "acme").await
    }

    async fn example_for(&self, caller: &Caller, operation: &Operation, path: &str, owner: &str) -> Reply {
        match self.example_body(operation, owner) {
            Some(body) => self.send(caller, operation, json_request(operation, path), body.to_string()).await,
            None if operation.takes_lines() => {
                let head = request(&operation.method, path).header("content-type", "application/x-ndjson");
                self.send(caller, operation, head, Body::empty()).await
            }
            None => self.send(caller, operation, request(&operation.method, path), Body::empty()).await,
        }
    }

    /// Sends anything, and holds the answer against the document.
    async fn send(
        &self,
        caller: &Caller,
        operation: &Operation,
        head: Builder,
        body: impl Into<Body>,
    ) -> Reply {
        let reply = caller.send(head, body).await;
        if !UNDOCUMENTED.contains(&(operation.id.as_str(), reply.status)) {
            let objections = self.document.objections(operation, &reply);
            assert!(
                objections.is_empty(),
                "{}: {objections:?}: {} {}",
                operation.id,
                reply.status,
                reply.text()
            );
        }
        reply
    }
}

/// The head of a request with a body of JSON.
fn json_request(operation: &Operation, path: &str) -> Builder {
    request(&operation.method, path).header("content-type", "application/json")
}

/// What an operation's path names: something that an org has, and something that nobody has.
struct Named {
    theirs: String,
    nobodys: String,
}

impl Sweep {
    /// Makes what an operation's path names, in `org`.
    async fn named(&self, org: &Org, operation: &Operation) -> Named {
        let (mut theirs, mut nobodys) = (HashMap::new(), HashMap::new());
        for parameter in operation.path_parameters() {
            let named = self.resource(org, parameter, operation).await;
            theirs.insert(parameter.to_owned(), named.theirs);
            nobodys.insert(parameter.to_owned(), named.nobodys);
        }
        Named { theirs: operation.path_with(&theirs), nobodys: operation.path_with(&nobodys) }
    }

    /// One arm for each parameter that occurs in a path. What the caller chooses a name for is not
    /// made beforehand.
    async fn resource(&self, org: &Org, parameter: &str, operation: &Operation) -> Named {
        let theirs = match parameter {
            "user_id" => create_user(org).await,
            "key_id" if operation.id == "confirm_tenant_key_rotation" => {
                let body = json!({"key_id": mint(org).await, "activation": "on_confirm"});
                text(&org.post("/v1/auth/tenant-key/rotate", body).await.expect(200), "/data/key_id")
            }
            "key_id" => mint(org).await,
            "UniqueId" => challenged(&self.app, org, register(org, "rsa2048.spki.pem").await).await,
            "OwnerCode" => return Named { theirs: org.key.clone(), nobodys: "nobody".to_owned() },
            "secret_id" if operation.id == "confirm_signing_secret_rotation" => {
                rotate_secret(org).await;
                let body = json!({"activation": "on_confirm"});
                text(&org.post("/v1/auth/signing-secret/rotate", body).await.expect(200), "/data/secret_id")
            }
            "secret_id" => {
                let previous = rotate_secret(org).await;
                rotate_secret(org).await;
                previous
            }
            "report_id" => self.report(org).await,
            "event_id" => {
                create_user(org).await;
                let events = org.get("/v1/admin/org/events?stream=users&limit=1").await.expect(200);
                let nobodys = format!("evt_{}", Uuid::new_v4().simple());
                return Named { theirs: text(&events, "/data/0/event_id"), nobodys };
            }
            "queue_name" => {
                if !operation.chooses_a_name() {
                    let body = match operation.id.as_str() {
                        "fetch_messages" | "acknowledge_messages" => json!({"type": "poll", "poll": {}}),
                        _ => json!({"type": "webhook", "webhook": {"url": self.webhook}}),
                    };
                    let made = org.post("/v1/admin/org/queues/users", body).await;
                    assert!(
                        made.status == 201 || made.code() == "queue_already_configured",
                        "{}",
                        made.text()
                    );
                }
                return Named { theirs: "users".to_owned(), nobodys: "credentials".to_owned() };
            }
            _ => panic!("a new kind of resource: teach `Sweep::resource` how to make a {parameter}"),
        };
        Named { theirs, nobodys: Uuid::new_v4().to_string() }
    }
}

impl Sweep {
    /// Has a report made; gives its id.
    async fn report(&self, org: &Org) -> String {
        // Registered once: an org may have a key to encrypt to already.
        let asked = async || org.post("/v1/admin/org/reports", json!({"type": "users"})).await;
        let mut reply = asked().await;
        if reply.status == 409 {
            register(org, "rsa3072.spki.pem").await;
            reply = asked().await;
        }
        reports::step(&self.app.state).await.expect("it is made");
        text(&reply.expect(202), "/data/report_id")
    }
}

async fn create_user(org: &Org) -> String {
    let user_id = Uuid::new_v4().to_string();
    org.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    user_id
}

/// Makes a tenant key; gives its id.
async fn mint(org: &Org) -> String {
    text(&org.post("/v1/admin/org/tenant-keys", json!({"name": "swept"})).await.expect(201), "/data/id")
}

/// A committed public key.
fn fixture(file: &str) -> String {
    let path = format!("{}/crates/public-keys/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the fixture is there")
}

/// Registers a committed public key; gives its id.
async fn register(org: &Org, file: &str) -> String {
    let body = json!({"OwnerCode": org.key, "Usage": ["CredentialsDownload", "Reports"], "Type": "RSA",
                      "PublicKey": fixture(file), "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    text(&org.post("/api/v1/key", body).await.expect(200), "/UniqueId")
}

/// Gives a public key a challenge that the document's example answers; only the private half would open a real one.
async fn challenged(app: &TestApp, org: &Org, unique_id: String) -> String {
    sqlx::query(
        "INSERT INTO public_key_challenges (org_id, unique_id, challenge_id, answer, expires_at)
         VALUES ($1, $2, gen_random_uuid(), sha256('an-answer-that-only-your-private-key-reveals'), $3)",
    )
    .bind(org.id)
    .bind(unique_id.parse::<Uuid>().expect("an id"))
    .bind(app.clock.now() + chrono::TimeDelta::minutes(10))
    .execute(&mut app.database.connect().await)
    .await
    .expect("it is stored");
    unique_id
}

/// Makes a signing secret; gives its id.
async fn rotate_secret(org: &Org) -> String {
    text(&org.bodyless("POST", "/v1/auth/signing-secret/rotate").await.expect(200), "/data/secret_id")
}

fn text(reply: &Reply, pointer: &str) -> String {
    reply.json().pointer(pointer).and_then(Value::as_str).expect("it is there").to_owned()
}
