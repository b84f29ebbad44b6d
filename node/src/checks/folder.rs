//! The folder of check records: one file per record, replaced whole, and tidied at every write.

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use minimodel_swarm::os::{FileKind, Stat, stat};
use minimodel_swarm::store::files::{NewFile, Privacy};
use minimodel_swarm::store::{SourceFile, step};

use super::record::{self, FileStamp};
use crate::private::{self, Exposed, Others};

/// Folder name in the state folder.
const NAME: &str = "checked";
/// Limit on records; the oldest are removed. A record takes 32 bytes per chunk, and most files have about 1,000 chunks.
const MAX_RECORDS: usize = 1_000;
/// Limit on the total bytes of all records; the oldest are removed.
const MAX_BYTES: u64 = 256 << 20;
/// Age beyond which a file that is no record is removed; a younger one may be a record that is being written.
const ON_ITS_WAY: Duration = Duration::from_secs(3_600);

/// Reads a record, at most `limit + 1` bytes. `None`: it is missing, or another account may have written it.
pub(super) fn read(state: &Path, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let path = state.join(NAME).join(name);
    // A record that another account may have written is ignored. The folders above it are this user's alone.
    let is_foreign = |there: Stat| {
        there.kind == FileKind::File && Exposed::judge(&there, Others::ReadButOwnGroup).is_some()
    };
    if stat(&path).is_ok_and(is_foreign) {
        return Ok(None);
    }
    private::read(&path, limit)
}

/// Writes a record with mode 0600, replacing an older one.
///
/// The file is not synced: after a power loss the checksum reveals a damaged record, which costs a full check.
pub(super) fn write(state: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = state.join(NAME);
    private::create_folder(&folder)?;
    let mut new = NewFile::create(&folder.join(name), Privacy::Private)?;
    new.fill(bytes)?;
    new.replace_unsynced()?;
    tidy(&folder, name)
}

/// Removes a record, if it exists.
pub(super) fn remove(state: &Path, name: &str) {
    // If the record stays, the next share finds the wrong chunk again and reports it.
    let _ = step("remove", || fs::remove_file(state.join(NAME).join(name)));
}

/// Removes records of files that are gone or changed, and the oldest beyond the limits.
fn tidy(folder: &Path, just_written: &str) -> io::Result<()> {
    let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let path = entry.path();
        if entry.file_name() == just_written {
            kept.push((SystemTime::now(), metadata.len(), path));
        } else if is_stale(&path, &metadata, modified) {
            let _ = fs::remove_file(&path);
        } else {
            kept.push((modified, metadata.len(), path));
        }
    }
    kept.sort_by_key(|(modified, _, _)| std::cmp::Reverse(*modified));
    let mut total = 0_u64;
    for (index, (_, bytes, path)) in kept.into_iter().enumerate() {
        total = total.saturating_add(bytes);
        if index > 0 && (index >= MAX_RECORDS || total > MAX_BYTES) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

fn is_stale(path: &Path, metadata: &Metadata, modified: SystemTime) -> bool {
    // Records are plain files; folders and the like stay.
    if !metadata.is_file() {
        return false;
    }
    let Ok(head) = head(path) else {
        return modified.elapsed().is_ok_and(|age| age > ON_ITS_WAY);
    };
    match stat(&head.path) {
        Ok(now) => head.file.difference(&FileStamp::from(&now)).is_some(),
        Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

fn head(path: &Path) -> io::Result<record::Head> {
    let file = SourceFile::open(path).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.reader().take(record::HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    record::parse_head(&bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::record::{Head, How};
    use super::*;

    /// A record of the file at `path` as it is now.
    fn record_of(path: &Path) -> Vec<u8> {
        let head = Head {
            checks_version: 1,
            swarm_id: [1; 32],
            file: FileStamp::from(&stat(path).unwrap()),
            checked_unix: 1,
            how: How::Read,
            path: path.to_owned(),
        };
        record::render(&head, &[[2; 32]; 3]).unwrap()
    }

    fn names(state: &Path) -> Vec<String> {
        let entries = fs::read_dir(state.join(NAME)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_record_is_for_this_user_alone_and_replaces_the_older_one() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("a.slm");
        fs::write(&file, "a").unwrap();
        assert_eq!(read(state.path(), "a", 100).unwrap(), None);
        write(state.path(), "a", b"older").unwrap();
        let bytes = record_of(&file);
        write(state.path(), "a", &bytes).unwrap();
        assert_eq!(read(state.path(), "a", 10_000).unwrap().unwrap(), bytes);
        assert_eq!(read(state.path(), "a", 10).unwrap().unwrap(), bytes[..11]);
        let mode = |name: &str| fs::metadata(state.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("checked"), mode("checked/a")), (0o700, 0o600));
        assert_eq!(names(state.path()), ["a"]);
        remove(state.path(), "a");
        remove(state.path(), "a");
        assert_eq!(read(state.path(), "a", 100).unwrap(), None);
    }

    #[test]
    fn writing_check_record_removes_those_of_gone_or_changed_files() {
        let state = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = state.path().join(name);
            fs::write(&path, name).unwrap();
            path
        };
        let (here, gone, changed) = (file("here"), file("gone"), file("changed"));
        for (name, path) in [("1", &here), ("2", &gone), ("3", &changed)] {
            write(state.path(), name, &record_of(path)).unwrap();
        }
        assert_eq!(names(state.path()), ["1", "2", "3"]);
        fs::remove_file(gone).unwrap();
        fs::write(changed, "another length").unwrap();
        // A fresh file that is no record may be one that is being written; a folder is left alone.
        fs::write(state.path().join(NAME).join(".x.new"), "").unwrap();
        fs::create_dir(state.path().join(NAME).join("folder")).unwrap();
        write(state.path(), "4", &record_of(&here)).unwrap();
        assert_eq!(names(state.path()), [".x.new", "1", "4", "folder"]);
        let old = SystemTime::now() - 2 * ON_ITS_WAY;
        let leftover = fs::File::options().write(true).open(state.path().join(NAME).join(".x.new")).unwrap();
        leftover.set_modified(old).unwrap();
        write(state.path(), "4", &record_of(&here)).unwrap();
        assert_eq!(names(state.path()), ["1", "4", "folder"]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("a.slm");
        fs::write(&file, "a").unwrap();
        let bytes = record_of(&file);
        write(state.path(), "first", &bytes).unwrap();
        let folder = state.path().join(NAME);
        let now = SystemTime::now();
        for age in 1..=MAX_RECORDS as u64 {
            let path = folder.join(format!("{age:04}"));
            fs::write(&path, &bytes).unwrap();
            let record = fs::File::options().write(true).open(&path).unwrap();
            record.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        write(state.path(), "last", &bytes).unwrap();
        let names = names(state.path());
        assert_eq!(names.len(), MAX_RECORDS);
        assert!(names.contains(&"last".to_owned()) && names.contains(&"first".to_owned()));
        assert!(names.contains(&"0998".to_owned()) && !names.contains(&"0999".to_owned()));
    }

    #[test]
    fn nothing_but_a_plain_file_is_read() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir_all(state.path().join(NAME).join("folder")).unwrap();
        symlink("/etc/hostname", state.path().join(NAME).join("link")).unwrap();
        assert!(read(state.path(), "folder", 10).is_err() && read(state.path(), "link", 10).is_err());
        let no_folder = tempfile::tempdir().unwrap();
        fs::write(no_folder.path().join(NAME), "").unwrap();
        assert_eq!(read(no_folder.path(), "a", 10).unwrap(), None);
        assert!(write(no_folder.path(), "a", b"").is_err());
    }
}
