//! Open files: every connection is one, twice where there is an upstream behind it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: the store, listeners, attempts.
const FILES_BESIDE: u64 = 1024;

/// The default of `max_connections` is a bound and nobody's wish: a limit with room for so many
/// connections is worth no warning.
const CONNECTIONS_ORDINARY: u64 = 1000;

/// Raises this process's limit as far as the system lets it; warns when that is too little for the
/// connections that somebody has asked for, or for an ordinary number of them.
pub(super) fn raise_limit(connections_max: usize, is_asked_for: bool) {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(allowed) = limit.maximum else { return };
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: Some(allowed) };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "could not raise the limit of open files");
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    let warning = limit.and_then(|limit| warning(limit, connections_max as u64, is_asked_for));
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
}

fn warning(limit: u64, connections_max: u64, is_asked_for: bool) -> Option<String> {
    let needed = |connections: u64| connections.saturating_mul(2).saturating_add(FILES_BESIDE);
    let expected =
        if is_asked_for { connections_max } else { connections_max.min(CONNECTIONS_ORDINARY) };
    if limit >= needed(expected) {
        return None;
    }
    let (needed, fitting) = (needed(connections_max), limit.saturating_sub(FILES_BESIDE) / 2);
    let lower = match fitting {
        0 => String::new(),
        fitting => format!(", or set max_connections = {fitting}"),
    };
    Some(format!(
        "sidehook may open {limit} files, and [proxy] max_connections = {connections_max} may need \
         {needed}: with more than {fitting} connections at a time, some may fail. Raise the limit \
         (LimitNOFILE={needed}, ulimit -n {needed}){lower}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_where_it_would_be_felt_with_the_numbers() {
        for (limit, connections_max, is_asked_for, told) in [
            (20_000, 10_000, false, None),
            (3024, 10_000, false, None),
            (3023, 10_000, false, Some(("may need 21024", ", or set max_connections = 999"))),
            (1024, 10_000, false, Some(("LimitNOFILE=21024", "ulimit -n 21024)"))),
            (1224, 100, false, None),
            (1223, 100, false, Some(("may need 1224", "max_connections = 99"))),
            (21_024, 10_000, true, None),
            (20_000, 10_000, true, Some(("more than 9488", ", or set max_connections = 9488"))),
            (u64::MAX, u64::MAX, true, None),
        ] {
            let warning = warning(limit, connections_max, is_asked_for);
            let case = format!("{limit}, {connections_max}, {is_asked_for}: {warning:?}");
            assert_eq!(warning.is_some(), told.is_some(), "{case}");
            if let (Some(warning), Some((part, end))) = (warning, told) {
                assert!(warning.contains(part) && warning.ends_with(end), "{case}");
            }
        }
    }
}
