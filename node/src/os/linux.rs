//! What Linux has of its own: numbers of file systems.

use std::path::Path;

/// `f_type` of `statfs(2)`: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, overlayfs.
const KNOWN: [u32; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630];

/// Whether a path lies on a file system of this machine that keeps a change time which no program can set.
pub(crate) fn keeps_change_times(path: &Path) -> bool {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "magic numbers have 32 bits")]
    let kind = rustix::fs::statfs(path).map(|answer| answer.f_type as u32);
    kind.is_ok_and(|kind| KNOWN.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_change_times_is_not_known() {
        assert!(!keeps_change_times(Path::new("/proc/self/status")));
        assert!(!keeps_change_times(Path::new("/no/such/file")));
    }
}
