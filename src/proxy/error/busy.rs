//! What is said to a call for which an HTTP/2 upstream has no place.

use std::time::Duration;

use crate::proxy::UpstreamAddress;

/// It has waited for too long.
pub(super) fn place_words(
    upstream: &UpstreamAddress,
    limit: Duration,
    connections: usize,
    takes_any: bool,
) -> String {
    if !takes_any {
        return format!(
            "The upstream {upstream} allows no streams on its HTTP/2 connections \
             (SETTINGS_MAX_CONCURRENT_STREAMS is 0), and did not change that within {limit:?} \
             (`[proxy] response_timeout`). The call was not forwarded."
        );
    }
    format!(
        "All streams that the upstream {upstream} allows on {connections} HTTP/2 connections were in \
         use, and none became free for this call within {limit:?} (`[proxy] response_timeout`). The \
         call was not forwarded."
    )
}

/// Too many wait already.
pub(super) fn crowded_words(upstream: &UpstreamAddress, limit: usize) -> String {
    format!(
        "All streams that the upstream {upstream} allows on its HTTP/2 connections are in use, and \
         {limit} calls (`[proxy] max_connections`) wait for one already. This call was not forwarded."
    )
}
