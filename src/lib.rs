//! sidehook: turns the traffic of an existing HTTP API into durable webhooks.
//! The modules stand in reading order; `src/README.md` is the map.

pub mod clock;
pub mod dashboard;
pub mod expr;
pub mod model;
pub mod sabotage;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

pub mod view;

pub mod payload;
pub mod rules;
pub mod sign;

pub mod egress;
pub mod store;

pub mod admin;
pub mod delivery;
pub mod proxy;

pub mod app;
pub mod cli;
pub mod config;
