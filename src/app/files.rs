//! Open files: every connection is one, twice where there is an upstream behind it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: the store, listeners, attempts.
const FILES_BESIDE: u64 = 1024;

/// Raises this process's limit as far as the system lets it; warns when it is less than the
/// configured connections may need.
pub(super) fn raise_limit(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(allowed) = limit.maximum else { return };
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: Some(allowed) };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "could not raise the limit of open files");
        }
    }
    let needed = (connections_max as u64).saturating_mul(2).saturating_add(FILES_BESIDE);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is lower than [proxy] max_connections may need; raise it \
             (ulimit -n, LimitNOFILE=) or lower max_connections"
        );
    }
}
