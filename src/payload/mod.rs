//! The body that a receiver gets, and how captured bodies are shown. Pure: the same event gives
//! the same bytes on every attempt.
//!
//! A JSON body is embedded as the very bytes that were received (numbers, key order and
//! duplicates kept); anything else becomes a string or an object, with a `body_encoding` beside it.

mod body;
mod media;
mod render;
mod view;

pub use body::{BodyValue, BodyView, Fields, body_view};
pub use render::{RenderError, Rendered, render};
pub use view::{RequestView, ResponseView, request_view, response_view};

#[cfg(test)]
mod tests;
