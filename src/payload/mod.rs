//! The body that a receiver gets, in each format. Pure: the same event gives the same bytes on
//! every attempt. How captured bodies appear in it is said by `view`.

mod cloudevents;
mod exchange;
mod flat;
mod render;

pub use render::{RenderError, Rendered, render};

#[cfg(test)]
mod tests;
