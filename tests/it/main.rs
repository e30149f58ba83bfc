//! One test binary over real sockets; modules are named for the stages they test.

mod config;
mod proxy;
mod delivery;
mod support;
