//! The request half, between a scripted upstream and a raw client. Rows are named by their id in
//! the checklist they come from (header hygiene H, framing F, target U, bodies B, hyper P and L).

mod body;
mod capture;
mod conditions;
mod errors;
mod framing;
mod head;
mod load;
mod loops;
mod promise;
mod retry;
mod stand;
mod upstream_life;
mod upstream_tls;
