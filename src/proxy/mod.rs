//! The request half. (Essay by its author.)

mod settings;

pub use settings::{CaptureSettings, CommitMode, Settings};
