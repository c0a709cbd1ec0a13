//! File descriptors: as many as the process may have, and how many of them connections may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for all but the connections of clients: database, calls to the cloud, files.
const RESERVED: usize = 256;

/// Raises the soft limit of the process to the hard one, and gives the limit. Nothing here uses `select`, for
/// which soft limits are low.
pub(super) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Connections that a limit of descriptors has room for, `most` at most.
pub(super) fn connections(limit: usize, most: usize) -> usize {
    limit.saturating_sub(RESERVED).max(limit / 2).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let low = Rlimit {
            current: Some(200),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        let limit = raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        assert!(hard.is_none_or(|hard| hard == limit as u64));
    }

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        for (limit, places) in [
            (usize::MAX, 2048),
            (4096, 2048),
            (1024, 768),
            (256, 128),
            (1, 1),
            (0, 1),
        ] {
            assert_eq!(connections(limit, 2048), places, "{limit}");
        }
    }
}
