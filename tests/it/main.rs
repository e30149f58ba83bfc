//! One test binary over real sockets; modules are named for the stages they test.

mod app;
mod admin;
mod cli;
mod config;
mod delivery;
mod proxy;
mod store;
mod support;
