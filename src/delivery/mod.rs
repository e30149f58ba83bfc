//! The delivery half. (Essay by its author.)

mod settings;

pub use settings::Settings;
