//! The admin API over real sockets, on a real store; and its clients on the command line.

mod access;
mod commands;
mod desk;
mod encrypted;
mod lists;
mod openapi;
mod probes;
mod reads;
mod standing;
mod stream;
