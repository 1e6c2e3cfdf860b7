//! The service as its callers see it. One file for each resource or concern; `support` holds what
//! they are written with.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test says so when something is not as promised")]

mod audit;
mod client_address;
mod command_line;
mod connection;
mod console;
mod conventions;
mod docs_width;
mod error_pages;
mod events;
mod features;
mod freeze;
mod gateway_key;
mod guides;
mod health;
mod host;
mod idempotency;
mod identity;
mod index;
mod internal;
mod key_renewal;
mod layers;
mod leaks;
mod members;
mod memory;
mod messages;
mod metrics;
mod oauth;
mod openapi;
mod org;
mod overload;
mod paging;
mod portal;
mod public_keys;
mod rates;
mod references;
mod reports;
mod resilience;
mod schema;
mod scopes;
mod shares;
mod signatures;
mod signing_secrets;
mod statements;
mod streams;
mod support;
mod sweeps;
mod tasks;
mod tenant_keys;
mod traces;
mod trust;
mod unread;
mod users;
mod verification;
