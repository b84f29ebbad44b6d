//! When, and on which file systems, the times of a file reveal every change.

use std::path::Path;

use minimodel_swarm::os::{Stat, stat_target};
use minimodel_swarm::store::FileStat;

use crate::os;

/// Age that the last change of a file must have when its check begins: the coarsest clock of a file system (FAT counts
/// in two seconds), so that a later change cannot carry the times of an earlier one.
pub(super) const SETTLED_NS: i128 = 2_000_000_000;

/// True if the last change is at least `SETTLED_NS` older than `begun_ns`, the start of reading. A time in the future is not.
pub(super) fn is_settled(stat: &FileStat, begun_ns: i128) -> bool {
    let last = stat.modified_ns.max(stat.changed_ns);
    last.checked_add(SETTLED_NS).is_some_and(|settled| settled <= begun_ns)
}

/// Whether the file lies on a file system of this machine that keeps a change time which no program can set.
///
/// Network file systems (NFS, SMB) go by another machine's clock and may show an older state, FUSE file systems may
/// report anything, and some (FAT) keep no change time. A file system that is not listed is not trusted, which costs a
/// full check.
pub(super) fn is_known_place(path: &Path, stat: &FileStat) -> bool {
    let is_same = |now: Stat| now.id.device == stat.device && now.id.number == stat.inode;
    stat_target(path).is_ok_and(is_same) && os::keeps_change_times(path)
}

#[cfg(test)]
mod tests {
    use minimodel_swarm::store::Owner;

    use super::*;

    fn stat(modified_ns: i128, changed_ns: i128) -> FileStat {
        FileStat {
            not_a_file: None,
            owner: Owner::User,
            is_shared: false,
            byte_count: 1,
            device: 1,
            inode: 1,
            links: 1,
            modified_ns,
            changed_ns,
        }
    }

    #[test]
    fn both_times_must_be_two_seconds_old_when_the_reading_begins() {
        let now = 1_780_000_000_000_000_000;
        let old = now - SETTLED_NS;
        assert!(is_settled(&stat(old, old), now));
        for fresh in [old + 1, now, now + 1, i128::MAX] {
            assert!(!is_settled(&stat(fresh, old), now), "{fresh}");
            assert!(!is_settled(&stat(old, fresh), now), "{fresh}");
        }
    }

    #[test]
    fn another_file_or_none_at_the_path_is_no_known_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_known_place(file.path(), &stat(0, 0)));
        assert!(!is_known_place(Path::new("/no/such/file"), &stat(0, 0)));
    }
}
