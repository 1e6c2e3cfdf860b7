//! Hosts with several addresses, of which some are dead, and names that lead nowhere.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;

/// An address where nobody answers: its backlog is full.
struct Dead {
    _waiting: Vec<TcpStream>,
    _socket: tokio::net::TcpListener,
}

impl Dead {
    async fn at(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(address).expect("a free port");
        let socket = socket.listen(1).expect("it listens");
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = timeout(SECOND / 10, TcpStream::connect(address)).await {
            waiting.push(stream);
        }
        Self { _waiting: waiting, _socket: socket }
    }
}

/// Posts to a name with these addresses; how long it took.
async fn post_to(addresses: &'static [&'static str], port: u16) -> (Result<(), DeliveryError>, Duration) {
    let config = TargetsConfig { policy: PRIVATE, ..TargetsConfig::default() };
    let targets = Targets::with_resolver(config, Clock::system(), Changing::new([addresses]));
    let target = webhook(&format!("http://hooks.example.com:{port}/"));
    let began = Instant::now();
    let test = Delivery { anew: true, ..delivery() };
    (targets.send(&target, &test, 5 * SECOND).await.map(|_| ()), began.elapsed())
}

#[tokio::test]
async fn two_dead_addresses_of_three_cost_half_a_second() {
    let server = TestServer::start_on("127.0.0.4", OK).await;
    let port = server.address.port();
    let _dead = [Dead::at(&format!("127.0.0.2:{port}")).await, Dead::at(&format!("127.0.0.3:{port}")).await];
    let (sent, took) = post_to(&["127.0.0.2", "127.0.0.3", "127.0.0.4"], port).await;
    assert_eq!(sent, Ok(()));
    assert!((SECOND / 2..2 * SECOND).contains(&took), "{took:?}");
    // Where the first one lives, no other is asked.
    let (sent, took) = post_to(&["127.0.0.4", "127.0.0.2", "127.0.0.3"], port).await;
    assert_eq!(sent, Ok(()));
    assert!(took < SECOND, "{took:?}");
    let (sent, took) = post_to(&["127.0.0.2", "127.0.0.3"], port).await;
    assert_eq!(sent, Err(Reason::Timeout.into()));
    assert!((3 * SECOND..5 * SECOND).contains(&took), "both at once: {took:?}");
}

#[tokio::test]
async fn an_address_that_refuses_is_left_at_once_whatever_its_family() {
    let server = TestServer::start_on("127.0.0.4", OK).await;
    let port = server.address.port();
    for addresses in [
        &["127.0.0.2", "127.0.0.3", "127.0.0.4"][..],
        &["::1", "127.0.0.4"],
        &["127.0.0.2", "::1", "127.0.0.4"],
    ] {
        let (sent, took) = post_to(addresses, port).await;
        assert_eq!(sent, Ok(()), "{addresses:?}");
        assert!(took < SECOND, "{addresses:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_inside_is_told_like_one_that_does_not_exist_and_as_late() {
    let public = Target::Webhook(Webhook::new("https://db.corp.example/", Policy::default()).expect("a URL"));
    let mut told = Vec::new();
    let answers: [&[&str]; 5] =
        [&[], &["10.0.0.7"], &["8.8.8.8", "10.0.0.7"], &["fd00::1"], &["::ffff:10.0.0.7"]];
    for answer in answers {
        let targets =
            Targets::with_resolver(TargetsConfig::default(), Clock::system(), Changing::new([answer]));
        let began = Instant::now();
        let failed = targets.send(&public, &delivery(), 5 * SECOND).await.expect_err("it leads nowhere");
        told.push((failed.to_string(), began.elapsed().as_millis()));
    }
    assert_eq!(told, vec![("dns".to_owned(), 1_000); 5]);
}
