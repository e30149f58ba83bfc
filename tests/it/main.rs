//! One test binary over real sockets; modules are named for the stages they test.

mod admin;
mod app;
mod cli;
mod config;
mod delivery;
mod hostile;
mod proxy;
mod recipes;
mod store;
mod support;
