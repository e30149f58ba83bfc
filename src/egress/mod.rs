//! The only way out for webhooks. (Essay by its author.)

mod settings;

pub use settings::Settings;
