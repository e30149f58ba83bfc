//! The admin API. (Essay by its author.)

mod settings;

pub use settings::Settings;
