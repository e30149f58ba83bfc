//! The delivery half: takes what is due from the store and brings it to the receivers.
//!
//! `schedule` decides who may go, per webhook and over all; `deliver` is one attempt on one
//! screen: render, sign, send, classify, decide, record. `health` makes of the attempts how a
//! webhook stands, `announce` tells of it. Nothing is handed in from the request half: a restart
//! needs only the store.

mod announce;
mod classify;
mod deliver;
mod health;
mod lane;
mod outgoing;
mod preview;
mod probes;
mod rate;
mod record;
mod retry;
mod retry_after;
mod schedule;
mod settings;
mod trace;

pub use preview::preview;
pub use schedule::{start, start_with};
pub use settings::{InForce, Settings};
