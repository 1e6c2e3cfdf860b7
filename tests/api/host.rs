//! Which host a request is for: exactly one (RFC 9112 3.2), and while `OrgId` is believed without
//! proof one that is ours, whatever name was made to lead here.

use crate::support::raw::{Connection, ask};
use crate::support::{Caller, TestApp, envelope};

const SECRET: &str = "current-0123456789012345678901234567";

#[tokio::test]
async fn http_1_1_names_one_host_and_http_1_0_may_name_none() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    for listener in [server.public, server.internal] {
        for head in [
            "GET /livez HTTP/1.1\r\n",
            "GET /livez HTTP/1.1\r\nhost: \r\n",
            "GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n",
            "GET /livez HTTP/1.1\r\nhost: a, b\r\n",
            "GET /livez HTTP/1.1\r\nhost: user@a\r\n",
            "GET /livez HTTP/1.1\r\nhost: http://a/\r\n",
            "GET /livez HTTP/1.1\r\nhost: [::1%25lo]\r\n",
            "GET http://a/livez HTTP/1.1\r\n",
            "GET http://user@a/livez HTTP/1.1\r\nhost: a\r\n",
            "GET /livez HTTP/1.0\r\nhost: a\r\nhost: b\r\n",
        ] {
            let mut connection = Connection::open(listener).await;
            connection.send(format!("{head}x-request-id: test\r\n\r\n")).await;
            let reply = connection.reply().await.expect("an answer");
            let refused = envelope("invalid_request", "Host must be sent once, and name a host.");
            assert_eq!((reply.status, reply.json()), (400, refused), "{head:?}");
            assert!(connection.is_closed().await, "{head:?}");
        }
        for head in [
            "GET /livez HTTP/1.0\r\n",
            "GET /livez HTTP/1.0\r\nhost: a\r\n",
            "GET /livez HTTP/1.1\r\nhost: a:1\r\n",
            "GET http://b/livez HTTP/1.1\r\nhost: a\r\n",
        ] {
            assert_eq!(ask(listener, format!("{head}\r\n")).await.status, 200, "{head:?}");
        }
    }
}

#[tokio::test]
async fn an_org_id_without_proof_is_believed_only_in_requests_to_this_machine() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for own in ["localhost", "LOCALHOST.:8080", "acme.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:8080"] {
        to(&acme, own).get("/v1/features").await.expect(200);
    }
    for other in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "127.1",
        "0.0.0.0:8080",
        "10.0.0.1",
        "[::]",
        "[fe80::1]",
    ] {
        misdirected(&to(&acme, other)).await;
        // Before anything is said about the org.
        misdirected(&to(&acme, other).without("orgid").with("orgid", "nonsense")).await;
    }
    assert_eq!(acme.without("host").get("/v1/features").await.expect(400).code(), "invalid_request");
}

#[tokio::test]
async fn the_host_of_the_public_url_is_ours_as_well() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com/base")]).await;
    let acme = app.org("acme").await;
    for own in ["api.example.com", "API.example.com:8443", "api.example.com.", "localhost"] {
        to(&acme, own).get("/v1/features").await.expect(200);
    }
    for other in ["example.com", "api.example.com.evil.example", "10.0.0.1"] {
        misdirected(&to(&acme, other)).await;
    }
}

#[tokio::test]
async fn a_whole_url_in_the_request_line_decides_which_host_it_is() {
    let app = TestApp::new().await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let send = async |target: &str, host: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\norgid: {}\r\n\r\n", acme.id);
        ask(server.public, head).await.status
    };
    assert_eq!(send("http://evil.example/v1/features", "localhost").await, 421);
    assert_eq!(send("http://localhost/v1/features", "evil.example").await, 200);
    let old = format!("GET /v1/features HTTP/1.0\r\norgid: {}\r\n\r\n", acme.id);
    assert_eq!(ask(server.public, old).await.status, 421, "no host is not ours");
}

#[tokio::test]
async fn whoever_proves_who_they_are_may_use_any_name() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await;
    let acme = app.org("acme").await;
    let gateway = acme.with("x-gateway-auth", SECRET);
    to(&gateway, "evil.example").get("/v1/features").await.expect(200);

    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, key) = acme.mint().await;
    let holder = app.holder(&key);
    to(&holder, "evil.example").get("/v1/features").await.expect(200);
    to(&holder.with("orgid", acme.id.to_string()), "evil.example").get("/v1/features").await.expect(200);
    to(&app.anyone(), "evil.example").get("/v1/features").await.expect(401);
}

#[tokio::test]
async fn a_misdirected_request_under_the_public_keys_is_told_so_in_their_shape() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let reply = to(&acme, "evil.example").get("/api/v1/key/list/acme").await.expect(421);
    assert_eq!(reply.json()["Error"]["Code"], "misdirected_request");
}

/// The same caller, who means another host.
fn to(caller: &Caller, host: &str) -> Caller {
    caller.without("host").with("host", host)
}

async fn misdirected(caller: &Caller) {
    let message = "OrgId is believed here only in requests to localhost or to the host of PUBLIC_URL.";
    caller.get("/v1/features").await.expect_json(421, &envelope("misdirected_request", message));
}
