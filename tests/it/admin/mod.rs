//! The admin API over real sockets, on a real store; and its clients on the command line.

mod access;
mod commands;
mod desk;
mod lists;
mod probes;
mod reads;
mod rules_test;
mod standing;
