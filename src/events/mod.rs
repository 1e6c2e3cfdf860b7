//! The catalogue of events (contract 6), in one place: what there is, on which stream, and what
//! it says. An event is written by the statement of the change that it tells of.

mod body;
mod catalogue;
mod cloudevent;
pub mod envelope;
mod event_id;
pub mod message;
pub mod options;
pub mod pollers;
pub mod queue;
pub mod schemas;
pub mod secrets;
pub mod stream_name;
pub mod targets;

pub use self::body::{Draft, EventBody, EventData, PauseReason, Subject};
pub use self::catalogue::{EventType, Stream};
pub use self::event_id::{cut, first_id_at, id_at, parse_wire_id, wire_id};
pub use self::stream_name::StreamName;
