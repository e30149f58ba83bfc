//! The store through its public API, as proxy, delivery half and admin API use it.

mod by_hand;
mod contract;
mod copied;
mod cut;
mod definitions;
mod filters;
mod fixture;
mod formats;
mod headers;
mod lists;
mod model;
mod offline;
mod ordered;
mod owner;
mod recovering;
mod recovery;
mod retention;
