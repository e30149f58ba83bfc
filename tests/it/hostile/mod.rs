//! The checklists of hostile input as tables: what each row sends, and what has to come of it.
//!
//! Rows are named by their ids in the lists (proxy.md 1.1 to 1.5: H, F, U, B; security.md 3: P). A
//! table runs whole before it fails, so that one run shows every row that is wrong. With
//! `SIDEHOOK_REPORT` set to a file's path, each row is appended to it: `id | what | result`.
//!
//! The other side of each row reads with a parser of its own that forgives nothing (`strict`): an
//! upstream that guesses what a request means is the very thing that these rows are about.

mod recorder;
mod report;
mod requests;
mod responses;
mod slow;
mod stand;
mod strict;
mod table;
mod talk;
mod transparency;
