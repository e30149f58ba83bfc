//! The admin API over real sockets, on a real store; and its clients on the command line.

mod access;
mod again;
mod commands;
mod dashboard;
mod desk;
mod encrypted;
mod lists;
mod managed_strictly;
mod managing;
mod openapi;
mod previews;
mod probes;
mod reader;
mod reads;
mod rules_test;
mod series;
mod standing;
mod stream;
