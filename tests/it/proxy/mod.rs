//! The request half, between a scripted upstream and a raw client. Rows are named by their id in
//! the checklist they come from (header hygiene H, framing F, target U, bodies B, hyper P and L).

mod body;
mod callers;
mod capture;
mod conditions;
mod disconnect;
mod early;
mod errors;
mod files;
mod framing;
mod h2;
mod head;
mod late_readers;
mod listening;
mod load;
mod loops;
mod pressure;
mod promise;
mod proxy_protocol;
mod retry;
mod shapes;
pub(crate) mod stand;
mod streaming;
mod upgrade;
mod upstream_life;
mod upstream_tls;
