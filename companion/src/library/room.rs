//! Room for a fetch into the library, and what must be evicted for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minimodel::private;
use minimodel_swarm::os::{FileKind, stat};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;

use super::evict::{EvictionEntry, cached_bytes, plan_eviction};
use super::row::Row;
use super::{Library, disk};
use crate::model::{EntryState, Limits};
use crate::problem::{Problem, code};

/// Inputs of the decision about a fetch, all in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    /// The whole file of the fetch.
    whole: u64,
    /// The part of it that is on the disk already.
    there: u64,
    /// Whole files of the other fetches into the library that are under way.
    others_whole: u64,
    /// The part of those that is not on the disk yet.
    others_left: u64,
    /// The library's folder now.
    folder: u64,
}

impl Library {
    /// Returns the bytes of all cached files.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn cached_bytes(&self) -> Result<u64, Problem> {
        Ok(cached_bytes(&self.held()?))
    }

    /// Returns the bytes that the library's folder occupies on its disk by blocks, partial files included.
    ///
    /// # Errors
    ///
    /// A disk error.
    pub fn folder_bytes(&self) -> Result<u64, Problem> {
        blocks_below(&self.folder).map_err(|error| disk("look through", &self.folder, &error))
    }

    /// Creates [`Library::folder_of`], accessible to this user alone, if it does not exist: before a fetch into the library.
    ///
    /// # Errors
    ///
    /// As [`Library::folder_of`], or a disk error.
    pub fn make_folder(&self, id: u64) -> Result<PathBuf, Problem> {
        let folder = self.folder_of(id)?;
        private::create_folder(&folder).map_err(|error| disk("create", &folder, &error))?;
        Ok(folder)
    }

    /// Returns the entries that must be evicted ([`Library::evict`]) before a fetch into the library, so that it stays within
    /// `cache_bytes` and `storage_bytes` of `limits`. Other running fetches keep their room; a fetch that no transfer uses
    /// (`in_use`) was abandoned and has none.
    ///
    /// # Errors
    ///
    /// [`code::DISK_FULL`] with the numbers: the file would not fit even if everything that may be evicted were. Or a database or
    /// disk error.
    pub fn check_room(
        &self,
        manifest: &Manifest,
        limits: &Limits,
        in_use: &BTreeSet<u64>,
    ) -> Result<Vec<u64>, Problem> {
        let swarm_id = hex(manifest.swarm_id());
        let rows = self.rows()?;
        if rows.iter().any(|row| row.swarm_id == swarm_id && row.cached && row.state == EntryState::Ready) {
            return Ok(Vec::new());
        }
        let there = |swarm_id: &str| {
            let folder = self.folder.join("models").join(swarm_id);
            blocks_below(&folder).map_err(|error| disk("look through", &folder, &error))
        };
        let mut need = Need {
            whole: manifest.byte_count(),
            there: there(&swarm_id)?,
            folder: self.folder_bytes()?,
            ..Need::default()
        };
        let is_under_way = |row: &&Row| row.state == EntryState::Downloading && in_use.contains(&row.id);
        for row in rows.iter().filter(is_under_way).filter(|row| row.swarm_id != swarm_id) {
            // Without a folder in the library, the fetch writes to a folder of the user.
            if self.swarm_folder(row)?.is_dir() {
                need.others_whole = need.others_whole.saturating_add(row.byte_count);
                let left = row.byte_count.saturating_sub(there(&row.swarm_id)?);
                need.others_left = need.others_left.saturating_add(left);
            }
        }
        plan(need, &self.held()?, limits, in_use).map_err(|cause| {
            let name = format!("{}@{}", manifest.model_id(), manifest.model_version());
            let error = format!("the library has no room for {name}");
            let hint = "see what is there, `minimodel library list`, and remove or unpin what you can spare; or raise \
                        the limit, see `minimodel limits`; or fetch into a folder of your own: `-o FOLDER`";
            Problem::new(code::DISK_FULL, error, hint).because(cause)
        })
    }
}

/// Returns the entries to evict so that `need` fits the limits, or why it cannot fit.
fn plan(
    need: Need,
    held: &[EvictionEntry],
    limits: &Limits,
    in_use: &BTreeSet<u64>,
) -> Result<Vec<u64>, String> {
    let cached = cached_bytes(held);
    let Need { whole, .. } = need;
    let mut keep = cached;
    if let Some(quota) = limits.cache_bytes {
        let Some(room) = quota.checked_sub(need.others_whole).and_then(|room| room.checked_sub(whole)) else {
            return Err(format!(
                "it has {whole} bytes, the cache may hold {quota}, and fetches that are under way take {} of them",
                need.others_whole
            ));
        };
        keep = keep.min(room);
    }
    let later = need.folder.saturating_add(whole.saturating_sub(need.there)).saturating_add(need.others_left);
    if let Some(limit) = limits.storage_bytes {
        let Some(room) = cached.checked_sub(later.saturating_sub(limit)) else {
            return Err(format!(
                "the library's folder holds {} bytes, with this fetch it would hold {later}, and it may hold {limit}; only \
                 {cached} of them are cached files",
                need.folder
            ));
        };
        keep = keep.min(room);
    }
    let gone = plan_eviction(held, keep, in_use);
    let left: Vec<EvictionEntry> = held.iter().filter(|entry| !gone.contains(&entry.id)).copied().collect();
    let left = cached_bytes(&left);
    if left <= keep {
        return Ok(gone);
    }
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |bytes| format!("{bytes} bytes"));
    Err(format!(
        "it has {whole} bytes, so cached files may keep {keep} (cache: {}, storage: {}), and {left} bytes of them are pinned, \
         active or in use",
        limit(limits.cache_bytes),
        limit(limits.storage_bytes)
    ))
}

/// Returns the bytes on disk of a folder and everything below it; links are not followed. A folder or file that disappears
/// meanwhile counts nothing.
fn blocks_below(folder: &Path) -> io::Result<u64> {
    let (mut sum, mut left) = (0_u64, vec![folder.to_owned()]);
    while let Some(path) = left.pop() {
        let found = match stat(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        sum = sum.saturating_add(found.stored_bytes);
        if found.kind == FileKind::Folder {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: u64, bytes: u64, pinned: bool) -> EvictionEntry {
        EvictionEntry { id, bytes, used_unix: id, cached: true, pinned, active: false }
    }

    fn limits(cache: Option<u64>, storage: Option<u64>) -> Limits {
        Limits { cache_bytes: cache, storage_bytes: storage, ..Limits::default() }
    }

    fn ask(
        need: Need,
        held: &[EvictionEntry],
        cache: Option<u64>,
        storage: Option<u64>,
    ) -> Result<Vec<u64>, String> {
        plan(need, held, &limits(cache, storage), &BTreeSet::new())
    }

    #[test]
    fn without_limits_nothing_goes() {
        let need = Need { whole: 1 << 40, folder: 500, ..Need::default() };
        assert_eq!(ask(need, &[held(1, 500, false)], None, None), Ok(Vec::new()));
    }

    #[test]
    fn cache_quota_evicts_the_oldest_and_no_more_than_needed() {
        let cached = [held(1, 300, false), held(2, 300, false), held(3, 300, false)];
        let need = Need { whole: 200, folder: 900, ..Need::default() };
        assert_eq!(ask(need, &cached, Some(1100), None), Ok(Vec::new()));
        assert_eq!(ask(need, &cached, Some(1099), None), Ok(vec![1]));
        assert_eq!(ask(need, &cached, Some(500), None), Ok(vec![1, 2]));
        assert_eq!(ask(need, &cached, Some(200), None), Ok(vec![1, 2, 3]));
        let too_large = ask(need, &cached, Some(199), None).unwrap_err();
        assert!(too_large.contains("200 bytes") && too_large.contains("199"), "{too_large}");
        let other = Need { others_whole: 100, ..need };
        assert_eq!(ask(other, &cached, Some(500), None), Ok(vec![1, 2, 3]));
        assert!(ask(other, &cached, Some(299), None).is_err());
    }

    #[test]
    fn storage_limit_counts_part_files_and_pending_bytes_of_fetches() {
        let cached = [held(1, 300, false), held(2, 300, false)];
        // 600 cached, 100 of this fetch and 50 of another are there; 100 and 150 are to come.
        let need = Need { whole: 200, there: 100, others_whole: 200, others_left: 150, folder: 750 };
        assert_eq!(ask(need, &cached, None, Some(1000)), Ok(Vec::new()));
        assert_eq!(ask(need, &cached, None, Some(999)), Ok(vec![1]));
        assert_eq!(ask(need, &cached, None, Some(400)), Ok(vec![1, 2]));
        let short = ask(need, &cached, None, Some(399)).unwrap_err();
        assert!(short.contains("1000") && short.contains("399"), "{short}");
        // The stricter limit decides.
        assert_eq!(ask(need, &cached, Some(1000), Some(699)), Ok(vec![1, 2]));
    }

    #[test]
    fn pinned_entry_is_not_evicted_and_refusal_says_its_size() {
        let cached = [held(1, 300, true), held(2, 300, false)];
        let need = Need { whole: 200, folder: 600, ..Need::default() };
        assert_eq!(ask(need, &cached, Some(500), None), Ok(vec![2]));
        let refused = ask(need, &cached, Some(499), None).unwrap_err();
        assert!(refused.contains("300 bytes of them are pinned"), "{refused}");
    }

    #[test]
    fn folder_counts_by_its_blocks_and_a_missing_one_as_zero() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(blocks_below(&folder.path().join("none")).unwrap(), 0);
        let before = blocks_below(folder.path()).unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        let grown = blocks_below(folder.path()).unwrap() - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        // A partial file is as long as the whole one and holds only what was written.
        fs::File::create(folder.path().join("a/hole")).unwrap().set_len(1 << 30).unwrap();
        assert!(blocks_below(folder.path()).unwrap() - before < 300_000);
    }
}
