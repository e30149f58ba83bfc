//! A captured call as others see it: bodies as JSON (contract 3.2), request and response as the
//! admin API shows them, and the variables of expressions. Pure.
//!
//! A JSON body is embedded as the very bytes that were received (numbers, key order and
//! duplicates kept); anything else becomes a string or an object, with a `body_encoding` beside it.

mod body;
mod decode;
mod exchange;
mod media;
mod scope;

pub use body::{BodyValue, BodyView, Fields, body_view};
pub use decode::{Decoded, decoded_bytes};
pub use exchange::{RequestView, ResponseView, request_view, response_view};
pub use scope::{call_scope, delivery_scope};
