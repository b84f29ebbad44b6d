//! What macOS has of its own.

use std::path::Path;

/// Whether a path lies on a file system of this machine that keeps a change time which no program can set: none is known
/// here, since it was not tried whether `setattrlist(2)` can set that of APFS. It costs a full check at each share.
pub(crate) fn keeps_change_times(_: &Path) -> bool {
    false
}
