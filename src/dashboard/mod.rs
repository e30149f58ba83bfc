//! The files of the dashboard, as they lie in `web/`: embedded, so that the binary is all there is to
//! install. Nothing is decided here; `admin/dashboard.rs` serves them.

mod assets;

pub use assets::{ASSETS, Asset};
