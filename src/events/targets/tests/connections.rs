//! Connections that are kept: how long, and what happens when the other side gave one up.

use chrono::{DateTime, TimeDelta};

use super::*;

const CLOSE: StubAnswer = StubAnswer::WriteAndClose("");

async fn send(targets: &Targets, server: &TestServer) -> Result<(), String> {
    let sent = targets.send(&webhook(&server.url()), &delivery(), SECOND).await;
    sent.map(|_| ()).map_err(|error| error.to_string())
}

/// Requests and connections so far.
fn seen(server: &TestServer) -> (usize, usize) {
    (server.requests().len(), server.connections())
}

#[tokio::test]
async fn a_request_that_fails_on_a_reused_connection_is_sent_again_at_once_on_a_new_one() {
    let server = TestServer::start(OK).await;
    let targets = targets(PRIVATE);
    assert_eq!(send(&targets, &server).await, Ok(()));
    server.next_answers([CLOSE]);
    assert_eq!(send(&targets, &server).await, Ok(()));
    assert_eq!(seen(&server), (3, 2));
    let requests = server.requests();
    assert_eq!(requests[1], requests[2], "the very same request");
    // Some servers say 408 as they close.
    assert_eq!(send(&targets, &server).await, Ok(()));
    server.next_answers([StubAnswer::WriteAndClose("HTTP/1.1 408 Idle\r\nconnection: close\r\n\r\n")]);
    assert_eq!(send(&targets, &server).await, Ok(()));
    assert_eq!(seen(&server), (6, 4));
}

#[tokio::test]
async fn it_is_sent_again_once_and_only_if_nothing_of_an_answer_came() {
    let server = TestServer::start(OK).await;
    let targets = targets(PRIVATE);
    server.next_answers([CLOSE]);
    assert_eq!(send(&targets, &server).await, Err("closed".to_owned()));
    assert_eq!(seen(&server), (1, 1), "a first request is not sent again");
    assert_eq!(send(&targets, &server).await, Ok(()));
    server.next_answers([CLOSE, CLOSE]);
    assert_eq!(send(&targets, &server).await, Err("closed".to_owned()));
    assert_eq!(seen(&server), (4, 3));
    assert_eq!(send(&targets, &server).await, Ok(()));
    server.next_answers([StubAnswer::WriteAndClose("HTTP/1.1 2")]);
    assert_eq!(send(&targets, &server).await, Err("closed".to_owned()));
    assert_eq!(seen(&server), (6, 4));
}

#[tokio::test]
async fn a_test_uses_no_connection_that_stands() {
    let server = TestServer::start(OK).await;
    let targets = targets(PRIVATE);
    let test = Delivery { anew: true, ..delivery() };
    for _ in 0..3 {
        assert_eq!(send(&targets, &server).await, Ok(()));
        assert_eq!(
            targets.send(&webhook(&server.url()), &test, SECOND).await,
            Ok(Receipt { status: Some(200), rest: None })
        );
    }
    assert_eq!(seen(&server), (6, 4));
}

#[tokio::test]
async fn a_host_that_moves_is_followed_within_a_minute_however_busy_its_connection_is() {
    let here = TestServer::start_on("127.0.0.2", OK).await;
    let port = here.address.port();
    let there = TestServer::start_at(&format!("127.0.0.3:{port}"), OK).await;
    let clock = Clock::manual(DateTime::UNIX_EPOCH);
    let config = TargetsConfig { policy: PRIVATE, ..TargetsConfig::default() };
    let resolver = Changing::new([&["127.0.0.2"], &["127.0.0.3"]]);
    let targets = Targets::with_resolver(config, clock.clone(), resolver);
    let target = webhook(&format!("http://hooks.example.com:{port}/"));
    for second in 0..90 {
        assert_eq!(
            targets.send(&target, &delivery(), SECOND).await,
            Ok(Receipt { status: Some(200), rest: None })
        );
        if second == 55 {
            assert!(there.requests().is_empty());
        }
        clock.advance(TimeDelta::seconds(1));
    }
    let (stayed, followed) = (here.requests().len(), there.requests().len());
    assert_eq!(stayed + followed, 90);
    assert!((55..=60).contains(&stayed), "{stayed}");
    assert_eq!((here.connections(), there.connections()), (1, 1));
}
