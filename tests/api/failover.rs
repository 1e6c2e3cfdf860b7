//! What a fail-over does to statements and connections, without one (tests/interop/failover has the real one).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use partner_api::db::{Pool, notices};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

use crate::support::{Database, TestApp, within};

const KEY: &str = "order-7-0123456789abcdef";
const USERS: &str = "/v1/users";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";
/// What the server says where its wait for a synchronous standby was cancelled, here at the end of each transaction.
/// One by one: a distributed database hands each on to its workers.
const NOBODY_CONFIRMS: [&str; 3] = [
    "CREATE FUNCTION unconfirmed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE WARNING 'canceling wait for synchronous replication due to user request';
         RETURN NULL;
     END $$",
    "CREATE CONSTRAINT TRIGGER unconfirmed AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION unconfirmed()",
    "CREATE CONSTRAINT TRIGGER unconfirmed AFTER INSERT ON tenant_keys DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION unconfirmed()",
];
const STANDBY_IS_BACK: [&str; 2] =
    ["DROP TRIGGER unconfirmed ON users", "DROP TRIGGER unconfirmed ON tenant_keys"];
/// Whatever writes an event of a user fails as its transaction ends.
const NO_COMMIT: [&str; 2] = [
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure';
     END $$",
    "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION refuse()",
];

async fn run(app: &TestApp, statements: &[&str]) {
    for statement in statements {
        app.database.execute(statement).await;
    }
}

#[tokio::test]
async fn what_no_standby_confirmed_is_not_acknowledged() {
    let _ = tracing_subscriber::registry().with(notices::listening()).try_init();
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    let again = acme.with("idempotency-key", KEY);
    let [alone, kept, line] = [1, 2, 3].map(|n| json!({"user_id": Uuid::from_u128(n)}));
    run(&app, &NOBODY_CONFIRMS).await;

    assert_eq!(acme.post(USERS, alone.clone()).await.expect(503).header("retry-after"), Some("5"));
    again.post(USERS, kept.clone()).await.expect(503);
    acme.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(503);
    again.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(503);
    let bulk =
        crate::support::request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    assert!(acme.send(bulk, line.to_string()).await.expect(200).text().contains("\"failed\""));

    run(&app, &STANDBY_IS_BACK).await;
    acme.post(USERS, alone).await.expect(409);
    assert_eq!(again.post(USERS, kept).await.expect(201).header("idempotent-replayed"), Some("true"));
    let rotated = again.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(200);
    assert_eq!(rotated.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn what_fails_as_it_is_committed_is_not_acknowledged() {
    // Of a distributed database's worker, the coordinator tells by a warning alone.
    let _ = tracing_subscriber::registry().with(notices::listening()).try_init();
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let again = acme.with("idempotency-key", KEY);
    let [ada, alone, kept] = [1, 2, 3].map(|n| json!({"user_id": Uuid::from_u128(n), "first_name": "Ada"}));
    let hers = format!("{USERS}/{}", Uuid::from_u128(1));
    acme.post(USERS, ada.clone()).await.expect(201);
    run(&app, &NO_COMMIT).await;

    acme.post(USERS, alone.clone()).await.expect(503);
    again.post(USERS, kept.clone()).await.expect(503);
    acme.patch(&hers, json!({"first_name": "Eve"})).await.expect(503);
    acme.delete(&hers).await.expect(503);

    run(&app, &["DROP TRIGGER refuse ON events"]).await;
    assert_eq!(acme.get(&hers).await.expect(200).json()["data"]["profile"]["first_name"], "Ada");
    acme.post(USERS, alone).await.expect(201);
    again.post(USERS, kept).await.expect(201);
}

/// A proxy before the database that accepts, and hangs up for as long as it has no primary to lead to.
struct Proxy {
    directory: PathBuf,
    serving: JoinHandle<()>,
}

impl Proxy {
    fn start(database: &Database, name: &str, without_primary: Duration, makes_wait: Duration) -> Self {
        let directory = std::env::temp_dir().join(format!("{}-{name}", database.name()));
        std::fs::create_dir(&directory).expect("a directory");
        let to = Arc::new(database.options());
        let socket = format!(".s.PGSQL.{}", to.get_port());
        let door = UnixListener::bind(directory.join(socket)).expect("a socket");
        let began = Instant::now();
        let serving = tokio::spawn(async move {
            while let Ok((near, _)) = door.accept().await {
                if began.elapsed() > without_primary {
                    let to = to.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(makes_wait).await;
                        lead(near, to).await;
                    });
                }
            }
        });
        Self { directory, serving }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn lead(mut near: UnixStream, to: Arc<PgConnectOptions>) {
    let mut far: Box<dyn Stream> = match to.get_socket() {
        Some(directory) => {
            let socket = directory.join(format!(".s.PGSQL.{}", to.get_port()));
            Box::new(UnixStream::connect(socket).await.expect("the database's socket"))
        }
        None => {
            let address = (to.get_host().to_owned(), to.get_port());
            Box::new(TcpStream::connect(address).await.expect("the database"))
        }
    };
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_proxy_without_a_primary_is_waited_for_as_long_as_for_any_connection() {
    let database = Database::new().await;
    let ask = async |proxy: &Proxy, patience| {
        let began = Instant::now();
        let options = database.options().socket(&proxy.directory);
        let pool = Pool::new(options, 2, patience, Arc::default());
        let answer = sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await;
        (answer, began.elapsed())
    };
    let [patience, hasty] = [Duration::from_secs(5), Duration::from_millis(300)];

    let hands_over = Proxy::start(&database, "hands-over", Duration::from_secs(1), Duration::ZERO);
    let (answer, took) = ask(&hands_over, patience).await;
    assert_eq!(answer.expect("the next primary answers"), 1);
    assert!(took < Duration::from_secs(2), "{took:?}");

    let has_none = Proxy::start(&database, "has-none", Duration::from_secs(3600), Duration::ZERO);
    let (answer, took) = ask(&has_none, hasty).await;
    answer.expect_err("there is no primary");
    assert!(took < 2 * hasty, "{took:?}");
}

#[tokio::test]
async fn a_connection_that_takes_longer_to_make_than_anybody_waits_is_made_all_the_same() {
    let database = Database::new().await;
    let is_slow = Proxy::start(&database, "slow", Duration::ZERO, Duration::from_millis(900));
    let pool = Pool::new(
        database.options().socket(&is_slow.directory),
        2,
        Duration::from_millis(300),
        Arc::default(),
    );
    let asked = async || sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await.ok();
    assert_eq!(asked().await, None, "nobody waits that long");
    assert_eq!(within(Duration::from_secs(5), "the next ones have it", asked).await, 1);
}
