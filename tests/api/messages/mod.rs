//! Signed responses and encrypted bodies (contract 12.2, 12.3).

mod bodies;
mod responses;

use crate::support::TestApp;

const URL: &str = "https://api.example.com";
const USER: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

async fn app() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", URL)]).await
}
