//! Whether a gRPC call was a success: its HTTP status is 200 in any case, and what became of it stands
//! in `grpc-status`, among the trailers, or in the head of a response that has nothing else.

use http::HeaderMap;

use crate::proxy::wire::Head;

const STATUS: &str = "grpc-status";

/// What is known of the outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is no gRPC call: its HTTP status says it all.
    Http,
    /// Nothing yet; a call that ends so is no success.
    Open,
    Success,
    Failure,
}

impl Outcome {
    /// As the request's head has it.
    pub(super) fn expected(request: &Head) -> Self {
        let is_grpc = |value: &[u8]| {
            const TYPE: &[u8] = b"application/grpc";
            value
                .split_at_checked(TYPE.len())
                .is_some_and(|(start, _)| start.eq_ignore_ascii_case(TYPE))
        };
        if request.all_named("content-type").any(is_grpc) { Self::Open } else { Self::Http }
    }

    /// After the response's head.
    pub(super) fn after_head(self, response: &Head) -> Self {
        match (self, response.all_named(STATUS).next()) {
            (Self::Open, Some(status)) => Self::of(status),
            _ => self,
        }
    }

    /// After the trailers.
    pub(super) fn after_trailers(self, trailers: &HeaderMap) -> Self {
        match (self, trailers.get(STATUS)) {
            (Self::Http, _) | (_, None) => self,
            (_, Some(status)) => Self::of(status.as_bytes()),
        }
    }

    fn of(status: &[u8]) -> Self {
        if status.trim_ascii() == b"0" { Self::Success } else { Self::Failure }
    }
}
