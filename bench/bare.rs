//! The limit that the service is measured against: axum with one fixed reply, and the service's
//! own access line for each request. Nothing else; with `DATABASE_URL`, at `/statement`, the one of `STATEMENT` by sqlx.

use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, any, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use partner_api::clock::Clock;
use partner_api::request_id::RequestId;
use partner_api::telemetry::{self, AccessLine, AccessLog, Format};
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:8090".into());
    let (log, _guard) = telemetry::init(Format::Json, &telemetry::LogFilter::default());
    let door = TcpListener::bind(address).await?;
    let reply = async || (StatusCode::OK, [(CONTENT_TYPE, "application/json")], r#"{"data":{}}"#);
    let mut router = Router::new().route("/", any(reply));
    if let (Ok(url), Ok(text)) = (std::env::var("DATABASE_URL"), std::env::var("STATEMENT")) {
        router = router.route("/statement", statement(&url, text));
    }
    let router =
        router.layer(from_fn(move |request: Request, next: Next| logged(log.clone(), request, next)));
    loop {
        let (stream, _) = door.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Runs a statement for each request, and reads its body.
fn statement(url: &str, text: String) -> MethodRouter {
    let text: &'static str = text.leak();
    #[expect(clippy::disallowed_types, reason = "no limits: this is the limit")]
    let pool: sqlx::PgPool = PgPoolOptions::new()
        .max_connections(10)
        .test_before_acquire(false)
        .connect_lazy(url)
        .expect("DATABASE_URL names a database");
    post(async move |_body: Bytes| match sqlx::query(text).execute(&pool).await {
        Ok(_) => StatusCode::CREATED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

async fn logged(log: AccessLog, request: Request, next: Next) -> Response {
    let (started, method) = (Instant::now(), request.method().clone());
    let request_id = RequestId::of(request.headers());
    let response = next.run(request).await;
    let access = AccessLine {
        method: &method,
        route: Some("/"),
        status: Some(response.status()),
        took: started.elapsed(),
        request_id: &request_id,
        client: None,
        trace: None,
        caller: None,
        code: None,
    };
    log.write(&Clock::system(), &access);
    response
}
