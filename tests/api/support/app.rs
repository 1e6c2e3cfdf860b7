//! The service under test, driven without sockets.

use std::ops::Deref;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, request};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use partner_api::app::{self, Door};
use partner_api::audit::Author;
use partner_api::background::key_patterns;
use partner_api::clock::Clock;
use partner_api::config::Config;
use partner_api::crypto::keyring::Keyring;
use partner_api::crypto::platform_token::PlatformToken;
use partner_api::db::change_feed::ChangeFeed;
use partner_api::identity::platform::PlatformScope;
use partner_api::limits::Listener;
use partner_api::routes::internal::tokens;
use partner_api::routes::org::{self, OrgChange};
use partner_api::serve::{Listeners, serve};
use partner_api::state::App;
use partner_api::telemetry::AccessLog;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::database::MASTER_KEYS;
use super::{Database, Reply, within};

/// When every test begins.
const START: &str = "2026-11-21T08:00:00Z";

/// A service with a database of its own and a clock that stands still.
pub struct TestApp {
    pub state: App,
    pub clock: Clock,
    public: Door,
    /// Made for whoever calls it first: it takes as long as the public one, and most tests call only that.
    internal: OnceLock<Door>,
    tasks: JoinSet<()>,
    // Last, so that it is dropped after all who use it.
    pub database: Database,
}

impl TestApp {
    /// The service as it is when nothing is configured.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The service with these variables set.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let clock = Clock::manual(START.parse().expect("a date"));
        // Slow without optimisation, once a process; a key must not wait for it longer than it may.
        tokio::task::spawn_blocking(public_keys::rsa::prepare).await.expect("it is prepared");
        let database = Database::new().await;
        let config = configuration(variables);
        let db = database.db();
        let master = config.master.keys.clone().expect("it is configured");
        let keyring = Keyring::open(&db.pool, master).await.expect("the template was made with this master");
        let state = App::new(config, clock.clone(), db, keyring, AccessLog::off());
        // As before the listeners open.
        key_patterns::look(&state).await;
        let public = app::public(&state);
        Self { state, clock, public, internal: OnceLock::new(), tasks: JoinSet::new(), database }
    }

    /// Makes an org; whoever calls for it sends its `OrgId`.
    pub async fn org(&self, key: &str) -> Org {
        let author = Author::operator(&self.state.keyring);
        let id = org::create(&self.state.db.pool, &self.clock, author, (key, key), &[])
            .await
            .expect("the org is made")
            .0;
        Org::known(self, id, key)
    }

    /// Stops serving an org, as an operator does.
    pub async fn suspend(&self, org: &Org) {
        self.operate(org, OrgChange::Suspend { reason: None }).await;
    }

    /// Serves it again.
    pub async fn resume(&self, org: &Org) {
        self.operate(org, OrgChange::Resume).await;
    }

    /// Deletes it.
    pub async fn delete(&self, org: &Org) {
        self.operate(org, OrgChange::Delete).await;
    }

    async fn operate(&self, org: &Org, change: OrgChange) {
        org::operate(&self.state.db, &self.clock, &self.state.keyring, &org.key, change)
            .await
            .expect("the org is there");
    }

    /// A caller of the public listener without credentials.
    pub fn anyone(&self) -> Caller {
        Caller::of(self.public.clone())
    }

    /// A caller who authenticates with a tenant key.
    pub fn holder(&self, key: &str) -> Caller {
        self.anyone().with("taih-tenant-key", key)
    }

    /// A caller of the internal listener.
    pub fn operations(&self) -> Caller {
        Caller::of(self.internal.get_or_init(|| app::internal(&self.state)).clone())
    }

    /// A service of the platform, whose token may do this; gives the token's id as well.
    pub async fn platform(&self, scopes: &[PlatformScope]) -> (Uuid, Caller) {
        let (id, token) = self.platform_token(scopes).await;
        (id, self.operations().with("authorization", format!("Bearer {token}")))
    }

    /// A platform token that may do this, and its id.
    pub async fn platform_token(&self, scopes: &[PlatformScope]) -> (Uuid, String) {
        let token = PlatformToken::generate(self.state.config.key_form.env);
        let (db, now) = (&self.state.db.pool, self.clock.now());
        let id = tokens::insert(db, &self.state.keyring, &token, ("billing", scopes), now).await;
        (id.expect("the token is stored"), token.expose().to_owned())
    }

    /// Puts the service's outer layers around routes of the test's own.
    pub fn wrapping(&self, routes: Router<App>) -> Caller {
        Caller::of(app::finish(&self.state, Listener::Public, routes))
    }

    /// Starts to hear what changes, which is what lets caches be believed.
    pub async fn listen(&mut self) {
        let (listener, _) =
            ChangeFeed::new(self.state.db.clone(), self.state.trust.clone(), self.clock.clone());
        self.tasks.spawn(listener.run(self.state.caches()));
        self.trusted().await;
    }

    /// Waits until caches are believed.
    pub async fn trusted(&self) {
        let fresh = async || self.state.trust.is_fresh().then_some(());
        within(Duration::from_secs(10), "caches are believed", fresh).await;
    }

    /// Opens both listeners on ports of their own.
    pub async fn serve(&self) -> Serving {
        let listeners = Listeners::bind(&self.state.config).await.expect("ports are free");
        let (public, internal) = listeners.addresses().expect("sockets have addresses");
        let (stop, stopped) = oneshot::channel::<()>();
        let service = serve(self.state.clone(), listeners, async { drop(stopped.await) });
        Serving { public, internal, stop, service: tokio::spawn(service) }
    }
}

/// The defaults, on ports that are free, with these variables set.
fn configuration(variables: &[(&str, &str)]) -> Config {
    let ours = [
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("INTERNAL_LISTEN_ADDR", "127.0.0.1:0"),
        ("MASTER_KEYS", MASTER_KEYS),
    ];
    let get = |name: &str| variables.iter().chain(&ours).find(|(set, _)| *set == name);
    Config::read(|name| get(name).map(|(_, value)| (*value).to_owned())).expect("the configuration is good")
}

/// A service that listens.
pub struct Serving {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    stop: oneshot::Sender<()>,
    service: JoinHandle<()>,
}

impl Serving {
    /// Stops it as SIGTERM does, and waits for the end.
    pub async fn stop(self) {
        drop(self.stop);
        self.service.await.expect("it ends well");
    }
}

/// An org, and its backend as a caller.
pub struct Org {
    pub id: Uuid,
    pub key: String,
    caller: Caller,
}

impl Deref for Org {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Org {
    /// One that is there already.
    pub fn known(app: &TestApp, id: Uuid, key: &str) -> Self {
        Self { id, key: key.to_owned(), caller: app.anyone().with("orgid", id.to_string()) }
    }

    /// Mints a tenant key; gives its id and itself.
    pub async fn mint(&self) -> (String, String) {
        self.mint_with(json!({"name": "billing"})).await
    }

    /// Mints a tenant key as this body says.
    pub async fn mint_with(&self, body: Value) -> (String, String) {
        let made = self.post("/v1/admin/org/tenant-keys", body).await.expect(201).json();
        let text = |field: &str| made["data"][field].as_str().expect(field).to_owned();
        (text("id"), text("secret"))
    }

    /// Has the service make a signing secret; gives its id and its bytes.
    pub async fn make_signing_secret(&self, grace: u32) -> (String, Vec<u8>) {
        let body = json!({"grace_period_seconds": grace});
        let made = self.post("/v1/auth/signing-secret/rotate", body).await.expect(200).json();
        let text = |field: &str| made["data"][field].as_str().expect(field).to_owned();
        let secret = text("new_signing_secret");
        let base64 = secret.strip_prefix("whsec_").expect("the usual form");
        (text("secret_id"), STANDARD.decode(base64).expect("base64"))
    }

    /// Registers a webhook for a stream.
    pub async fn register_webhook(&self, stream: &str, url: &str) {
        let body = json!({"type": "webhook", "webhook": {"url": url}});
        self.post(&format!("/v1/admin/org/queues/{stream}"), body).await.expect(201);
    }
}

/// Somebody who sends requests. All have the id `test`, so that whole bodies can be compared.
#[derive(Clone)]
pub struct Caller {
    door: Door,
    headers: HeaderMap,
}

impl Caller {
    pub(super) fn of(door: Door) -> Self {
        Self { door, headers: HeaderMap::new() }.with("host", "localhost").with("x-request-id", "test")
    }

    /// The same caller, who sends one header more.
    #[must_use]
    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut caller = self.clone();
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header's value");
        caller.headers.append(name.parse::<HeaderName>().expect("a header's name"), value);
        caller
    }

    /// The same caller, whose requests have this id.
    #[must_use]
    pub fn named(&self, request_id: &str) -> Self {
        self.without("x-request-id").with("x-request-id", request_id)
    }

    /// The same caller, who does not send a header.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.remove(name);
        caller
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.bodyless("GET", path).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.bodyless("DELETE", path).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.json("POST", path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.json("PATCH", path, body).await
    }

    /// Sends a body of JSON.
    pub async fn json(&self, method: &str, path: &str, body: Value) -> Reply {
        self.raw(method, path, body.to_string()).await
    }

    /// Sends any bytes as a body of JSON.
    pub async fn raw(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        self.send(request(method, path).header(CONTENT_TYPE, "application/json"), body).await
    }

    /// Sends no body.
    pub async fn bodyless(&self, method: &str, path: &str) -> Reply {
        self.send(request(method, path), Body::empty()).await
    }

    /// Asks, and does not take the answer yet.
    pub async fn open(&self, path: &str) -> Response {
        self.respond(request("GET", path), Body::empty()).await
    }

    /// Sends anything.
    pub async fn send(&self, head: request::Builder, body: impl Into<Body>) -> Reply {
        Reply::read(self.respond(head, body).await).await
    }

    async fn respond(&self, head: request::Builder, body: impl Into<Body>) -> Response {
        let mut request = head.body(body.into()).expect("a request");
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        match self.door.answer(None, request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The head of a request.
pub fn request(method: &str, path: &str) -> request::Builder {
    Request::builder().method(method).uri(path)
}
