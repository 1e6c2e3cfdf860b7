//! The service through which a platform gives its partners users, API keys, signing secrets and
//! public keys. Start reading at [`app`], which shows the layers, or at `routes`, one folder a
//! resource.

pub mod app;
pub mod audit;
pub mod background;
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod crypto;
pub mod db;
pub mod error;
pub mod events;
pub mod features;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod key_calendar;
pub mod limits;
pub mod metrics;
pub mod network;
pub mod openapi;
pub mod outbox;
pub mod page;
pub mod portal;
pub mod queue_health;
pub mod readiness;
pub mod request_id;
pub mod routes;
pub mod sending;
pub mod serve;
pub mod state;
pub mod streams;
pub mod telemetry;
pub mod workers;
