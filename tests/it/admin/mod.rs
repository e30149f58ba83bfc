//! The admin API over real sockets, on a real store; and its clients on the command line.

mod access;
mod again;
mod commands;
mod desk;
mod encrypted;
mod lists;
mod managing;
mod openapi;
mod previews;
mod probes;
mod reader;
mod reads;
mod standing;
mod stream;
