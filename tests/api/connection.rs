//! What happens on a connection before and beside HTTP's happy path (contract 0, step 1, and
//! architecture 4: clients hang up).

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time;
use uuid::Uuid;

use crate::support::raw::{Connection, RawReply, ask, get, post};
use crate::support::{TestApp, within};

const ADA: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

#[tokio::test]
async fn two_hundred_headers_are_taken_and_one_more_is_refused() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let with_headers = |count: usize| {
        // `host` is one of them.
        let headers: String = (1..count).map(|number| format!("x-{number}: y\r\n")).collect();
        get("/livez", &headers)
    };
    assert_eq!(ask(server.public, with_headers(200)).await.status, 200);
    let refused = ask(server.public, with_headers(201)).await;
    assert_eq!((refused.status, refused.body.as_str()), (431, ""));
}

#[tokio::test]
async fn headers_of_sixty_kib_are_taken_and_of_more_than_sixty_four_refused() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let of_size = |kib: usize| get("/livez", &format!("x-long: {}\r\n", "y".repeat(kib * 1024)));
    assert_eq!(ask(server.public, of_size(60)).await.status, 200);
    assert_eq!(ask(server.public, of_size(65)).await.status, 431);
    let in_the_path = format!("/v1/{}", "y".repeat(70 * 1024));
    assert!([414, 431].contains(&ask(server.public, get(&in_the_path, "")).await.status));
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_request() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    for nonsense in [
        "nonsense\r\n\r\n",
        "GET /livez\r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
        "GET /li vez HTTP/1.1\r\n\r\n",
        "G\0T /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: a\r\nbro ken: b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: a\0b\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /v1/users HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.public).await;
        connection.send(nonsense).await;
        let reply = connection.reply().await.expect("an answer");
        assert_eq!((reply.status, reply.body.as_str()), (400, ""), "{nonsense:?}");
        assert!(connection.is_closed().await, "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_client_that_dribbles_its_headers_is_told_so_and_hung_up_on() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let mut connection = Connection::open(server.public).await;
    connection.send(get("/livez", "")).await;
    assert_eq!(connection.reply().await.expect("an answer").status, 200);
    for byte in ["G", "E", "T", " "] {
        connection.send(byte).await;
        pass(Duration::from_secs(8)).await;
    }
    assert_eq!(connection.reply().await.expect("an answer").status, 408);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_connection_that_stays_idle_is_closed() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let mut connection = Connection::open(server.public).await;
    connection.send(get("/livez", "")).await;
    assert_eq!(connection.reply().await.expect("an answer").status, 200);
    pass(Duration::from_secs(31)).await;
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_their_order() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let org = format!("orgid: {}\r\n", acme.id);
    let user = json!({"user_id": ADA}).to_string();
    let mut connection = Connection::open(server.public).await;

    connection
        .send(
            [post("/v1/users", &org, &user), get(&format!("/v1/users/{ADA}"), &org), get("/v1/users", "")]
                .concat(),
        )
        .await;

    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(connection.reply().await.expect("an answer").status);
    }
    assert_eq!(statuses, [201, 200, 401]);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let expects = format!("orgid: {}\r\nexpect: 100-continue\r\n", acme.id);
    let request = post("/v1/users", &expects, &json!({"user_id": ADA}).to_string());
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut connection = Connection::open(server.public).await;

    connection.send(format!("{head}\r\n\r\n")).await;
    assert_eq!(connection.reply().await.expect("an answer").status, 100);
    connection.send(body).await;
    assert_eq!(connection.reply().await.expect("an answer").status, 201);
}

#[tokio::test]
async fn a_client_that_asks_first_and_may_not_is_told_so_without_its_body() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let head = "POST /v1/users HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    assert_eq!(ask(server.public, head).await.status, 401);
}

#[tokio::test]
async fn a_client_that_is_answered_before_it_has_sent_its_body_can_go_on_sending() {
    let app = TestApp::new().await;
    let serving = app.serve().await;
    for length in [2, 60_000, 1_000_000] {
        let mut connection = Connection::open(serving.public).await;
        for _ in 0..2 {
            let head =
                format!("POST /v1/users HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
            connection.send(head).await;
            assert_eq!(connection.reply().await.expect("an answer").status, 401);
            pass(Duration::from_millis(50)).await;
            connection.send(vec![b'x'; length]).await;
        }
        connection.send(get("/livez", "")).await;
        assert_eq!(connection.reply().await.expect("an answer").status, 200);
    }
    serving.stop().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for_for_ever() {
    let app = TestApp::new().await;
    let serving = app.serve().await;
    let mut connection = Connection::open(serving.public).await;
    connection.send("POST /v1/users HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n").await;
    assert_eq!(connection.reply().await.expect("an answer").status, 401);
    let began = std::time::Instant::now();
    assert!(connection.is_closed().await);
    assert!(began.elapsed() < Duration::from_secs(4));
    serving.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_has_the_same_limit() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let in_chunks = |body: &str| {
        let chunks: String = body
            .as_bytes()
            .chunks(4096)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
            .collect();
        format!(
            "POST /v1/users HTTP/1.1\r\nhost: localhost\r\norgid: {}\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n",
            acme.id
        )
    };
    let user = json!({"user_id": ADA}).to_string();
    assert_eq!(ask(server.public, in_chunks(&user)).await.status, 201);
    let reply = ask(server.public, in_chunks(&" ".repeat(64 * 1024 + 1))).await;
    assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (413, json!("payload_too_large")));
}

#[tokio::test]
async fn a_body_that_ends_too_early_creates_nothing() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let request = post("/v1/users", &format!("orgid: {}\r\n", acme.id), &json!({"user_id": ADA}).to_string());
    let mut connection = Connection::open(server.public).await;
    connection.send(&request[..request.len() - 1]).await;
    drop(connection);
    acme.get(&format!("/v1/users/{ADA}")).await.expect(404);
}

#[tokio::test]
async fn head_and_errors_keep_a_connection_usable() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let mut connection = Connection::open(server.public).await;
    for (path, status) in [("/v1/users", 401), ("/v1/nonsense", 404), ("/livez", 200)] {
        connection.send(get(path, "")).await;
        let reply = connection.reply().await.expect("an answer");
        assert_eq!(reply.status, status);
        assert!(reply.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn stopping_finishes_what_runs_and_takes_nothing_new() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let listeners = [server.public, server.internal];
    for listener in listeners {
        assert_eq!(ask(listener, get("/livez", "")).await.status, 200);
    }
    server.stop().await;
    for listener in listeners {
        assert!(TcpStream::connect(listener).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_leave_no_transaction_open_and_lose_no_acknowledged_row() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let mut acknowledged = Vec::new();
    for round in 0..40_u64 {
        let patience = Duration::from_micros(round * 150);
        let hasty = (0..8).map(|_| tokio::spawn(hang_up_after(server.public, acme.id, patience)));
        let hasty: Vec<_> = hasty.collect();
        acknowledged.push(create(server.public, acme.id).await);
        for client in hasty {
            acknowledged.extend(client.await.expect("no panic"));
        }
    }
    let mut database = app.database.connect().await;
    let idle = async || {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&mut database)
        .await
        .expect("the database answers");
        (open == 0).then_some(())
    };
    within(Duration::from_secs(2), "no transaction is left open", idle).await;
    let found: Vec<Uuid> = sqlx::query_scalar("SELECT user_id FROM users")
        .fetch_all(&mut app.database.connect().await)
        .await
        .unwrap();
    assert!(acknowledged.len() >= 40);
    assert!(acknowledged.iter().all(|user_id| found.contains(user_id)), "an acknowledged user is lost");
}

/// Creates a user, and waits for the answer only for so long; its id, if it was acknowledged.
async fn hang_up_after(address: SocketAddr, org_id: Uuid, patience: Duration) -> Option<Uuid> {
    let user_id = Uuid::new_v4();
    let mut connection = Connection::open(address).await;
    connection.send(creation(org_id, user_id)).await;
    let reply: Option<RawReply> = time::timeout(patience, connection.reply()).await.ok().flatten();
    reply.filter(|reply| reply.status == 201).map(|_| user_id)
}

async fn create(address: SocketAddr, org_id: Uuid) -> Uuid {
    let user_id = Uuid::new_v4();
    assert_eq!(ask(address, creation(org_id, user_id)).await.status, 201);
    user_id
}

fn creation(org_id: Uuid, user_id: Uuid) -> String {
    post("/v1/users", &format!("orgid: {org_id}\r\n"), &json!({"user_id": user_id}).to_string())
}

/// Lets time pass for the server's timers without waiting for it, once it has seen what was sent.
async fn pass(duration: Duration) {
    time::sleep(Duration::from_millis(5)).await;
    time::pause();
    time::advance(duration).await;
    time::resume();
}
