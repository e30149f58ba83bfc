//! The store through its public API, as proxy, delivery half and admin API use it.

mod contract;
mod fixture;
mod lists;
mod model;
mod offline;
mod ordered;
mod recovery;
mod retention;
