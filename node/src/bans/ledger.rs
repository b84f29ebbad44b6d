//! The file of all bans: read whole, replaced whole under a lock, bounded in age and number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minimodel_swarm::driver::BAN;
use minimodel_swarm::store::files;
use minimodel_wire::PeerId;

use super::BansError;
use super::entry::BanEntry;
use crate::home::{Home, HomeError};
use crate::{json, private};

/// File name in the state folder.
pub const FILE_NAME: &str = "blame.jsonl";
const LOCK_NAME: &str = "blame.lock";
/// Retention of an entry, long enough to recognize a key that lies again and again.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Largest correction of the clock: entries up to this far in the future still count.
const SKEW: Duration = Duration::from_secs(300);
/// Number of contents for which a key must have been banned to be banned for all contents.
const CONTENTS: usize = 3;
/// Limit on entries; see [`forget_excess`].
const MAX_ENTRIES: usize = 4_096;
/// Bytes a second at which transfers write the file, all of them together. It is written whole: a short one at once at each ban,
/// the longest every twenty seconds, with all bans since.
const WRITE_RATE: u64 = 64 << 10;
/// Limit on the length of the file; this program writes no longer one.
const MAX_BYTES: u64 = 8 << 20;

/// The ban ledger on disk.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let peer = minimodel::PeerId(minimodel_fixtures::fixture_signing_key().verifying_key().to_bytes());
/// # let now = minimodel::clock::now_unix();
/// # let line = format!(
/// #     r#"{{"version":0,"peer":"{peer}","swarm_id":"{}","model":"tinylm 1.0","verb":"fetch","reason":"bad chunk","at_unix":{now},"until_unix":{}}}"#,
/// #     "5e".repeat(32), now + 86_400,
/// # );
/// # std::fs::create_dir_all(home.state()?)?;
/// # std::fs::write(home.state()?.join(minimodel::bans::FILE_NAME), line + "\n")?;
/// use minimodel::bans::BanLedger;
///
/// // The user knows better, and lifts the bans of a peer.
/// let ledger = BanLedger::of(&home)?;
/// let lifted = ledger.remove(now, |entry| entry.peer_id() == Some(peer))?;
/// assert_eq!(lifted[0].reason, "bad chunk");
/// assert!(ledger.read(now)?.entries.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BanLedger {
    folder: PathBuf,
}

/// The entries of the ban ledger, oldest first.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let peer = minimodel::PeerId(minimodel_fixtures::fixture_signing_key().verifying_key().to_bytes());
/// # let (now, swarm_id) = (minimodel::clock::now_unix(), "5e".repeat(32));
/// # let line = format!(
/// #     r#"{{"version":0,"peer":"{peer}","swarm_id":"{swarm_id}","model":"tinylm 1.0","verb":"fetch","reason":"bad chunk","at_unix":{now},"until_unix":{}}}"#,
/// #     now + 86_400,
/// # );
/// # std::fs::create_dir_all(home.state()?)?;
/// # std::fs::write(home.state()?.join(minimodel::bans::FILE_NAME), line + "\n")?;
/// use minimodel::bans::{BanLedger, KnownBans};
///
/// let known: KnownBans = BanLedger::of(&home)?.read(now)?;
/// for entry in &known.entries {
///     println!("{} until {}: {}", entry.peer, known.until(entry), entry.reason);
/// }
/// assert_eq!(known.banned(&swarm_id, now)[&peer].as_secs(), 86_400);
/// assert!(known.banned("another swarm", now).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBans {
    /// Entries that are neither too old nor from the future.
    pub entries: Vec<BanEntry>,
    /// Number of lines that are not an entry of this version.
    pub unreadable: usize,
    /// Keys banned for at least `CONTENTS` contents, and therefore for all.
    everywhere: BTreeSet<String>,
}

/// What became of entries that were to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Written,
    /// The file was written a moment ago; it may be written again after this time.
    NotBefore(Duration),
}

impl BanLedger {
    /// The ban ledger of this user.
    ///
    /// # Errors
    ///
    /// As [`Home::state`].
    pub fn of(home: &Home) -> Result<Self, HomeError> {
        Ok(Self { folder: home.state()?.to_owned() })
    }

    /// Reads the ledger; a missing file counts as empty. Entries that are too old or from the future are left out.
    /// `now`: seconds since 1970.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is longer than this program ever writes it.
    pub fn read(&self, now: u64) -> Result<KnownBans, BansError> {
        let path = self.path();
        let text = read_text(&path).map_err(|source| BansError::Read { path, source })?;
        let mut standing = KnownBans::default();
        for line in text.lines() {
            match BanEntry::parse(line) {
                Some(entry) if is_of_our_time(entry.at_unix, now) => {
                    standing.entries.push(entry);
                }
                Some(_) => {}
                None => standing.unreadable += 1,
            }
        }
        let mut contents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for entry in &standing.entries {
            contents.entry(&entry.peer).or_default().insert(&entry.swarm_id);
        }
        contents.retain(|_, contents| contents.len() >= CONTENTS);
        standing.everywhere = contents.into_keys().map(str::to_owned).collect();
        Ok(standing)
    }

    /// Adds entries durably, in one write.
    pub(super) fn add(&self, new: Vec<BanEntry>, now: u64) -> Result<Added, BansError> {
        let lock = self.lock()?;
        self.add_locked(&lock, new, now)
    }

    /// Like [`Self::add`], unless the file was written a moment ago, by this transfer or another one of this user: strangers
    /// bring bans about as fast as they make keys, and each rewrites the file.
    pub(super) fn add_in_turn(&self, new: Vec<BanEntry>, now: u64) -> Result<Added, BansError> {
        let lock = self.lock()?;
        match self.pause() {
            Duration::ZERO => self.add_locked(&lock, new, now),
            left => Ok(Added::NotBefore(left)),
        }
    }

    fn add_locked(&self, lock: &File, new: Vec<BanEntry>, now: u64) -> Result<Added, BansError> {
        self.change(lock, now, |entries| {
            entries.extend(new);
            forget_excess(entries);
        })?;
        Ok(Added::Written)
    }

    /// Time until the file may be written again. A file of the future, as after the clock was set back, may be written at once.
    fn pause(&self) -> Duration {
        let Ok(file) = std::fs::symlink_metadata(self.path()) else { return Duration::ZERO };
        let pause = Duration::from_millis(file.len().min(MAX_BYTES) * 1_000 / WRITE_RATE);
        let Some(since) = file.modified().ok().and_then(|written| written.elapsed().ok()) else {
            return Duration::ZERO;
        };
        pause.saturating_sub(since)
    }

    /// Removes the entries that `is_meant` selects, durably, and returns them. Every change also drops unreadable lines:
    /// nothing can be learned from them. `now`: seconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], or the file cannot be written.
    pub fn remove(&self, now: u64, is_meant: impl Fn(&BanEntry) -> bool) -> Result<Vec<BanEntry>, BansError> {
        let mut gone = Vec::new();
        let lock = self.lock()?;
        self.change(&lock, now, |entries| {
            gone = entries.extract_if(.., |entry| is_meant(entry)).collect();
        })?;
        Ok(gone)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Waits until no other thread or process changes the ledger: none loses the entries of another.
    fn lock(&self) -> Result<File, BansError> {
        let lock = || {
            private::create_folder(&self.folder)?;
            private::lock(&self.folder.join(LOCK_NAME))
        };
        lock().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> BansError {
        BansError::Write { path: self.path(), source }
    }

    /// Reads the ledger, changes it and replaces the file, under the lock of [`Self::lock`].
    fn change(
        &self,
        _lock: &File,
        now: u64,
        change: impl FnOnce(&mut Vec<BanEntry>),
    ) -> Result<(), BansError> {
        let mut entries = self.read(now)?.entries;
        change(&mut entries);
        let mut text = String::new();
        for entry in &entries {
            let line = json::line(entry).map_err(|error| self.failed(io::Error::other(error)))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::replace(&self.path(), text.as_bytes()).map_err(|source| self.failed(source))
    }
}

/// Drops the oldest entries beyond the limit, those about a chunk last: the others cost their key a connection or two, and an
/// attacker makes as many keys as it likes.
fn forget_excess(entries: &mut Vec<BanEntry>) {
    let mut excess = entries.len().saturating_sub(MAX_ENTRIES);
    entries.retain(|entry| {
        let goes = excess > 0 && entry.chunk.is_none();
        excess -= usize::from(goes);
        !goes
    });
    entries.drain(..excess);
}

impl KnownBans {
    /// Keys banned for this content at `now`, with the time left. A clock that was wrong cannot lengthen a ban.
    pub fn banned(&self, swarm_id: &str, now: u64) -> BTreeMap<PeerId, Duration> {
        let mut banned = BTreeMap::new();
        for entry in &self.entries {
            let is_everywhere = self.is_banned_everywhere(&entry.peer);
            let Some(peer) = entry.peer_id().filter(|_| is_everywhere || entry.swarm_id == swarm_id) else {
                continue;
            };
            let most = if is_everywhere { KEEP } else { BAN };
            let left = Duration::from_secs(self.until(entry).saturating_sub(now)).min(most);
            if !left.is_zero() {
                let longest: &mut Duration = banned.entry(peer).or_default();
                *longest = left.max(*longest);
            }
        }
        banned
    }

    /// End of the ban of this entry's key, for its content or for all, in seconds since 1970.
    pub fn until(&self, entry: &BanEntry) -> u64 {
        if self.is_banned_everywhere(&entry.peer) {
            entry.at_unix.saturating_add(KEEP.as_secs())
        } else {
            entry.until_unix
        }
    }

    /// True if the key was banned for so many contents that it is banned for all.
    pub fn is_banned_everywhere(&self, peer: &str) -> bool {
        self.everywhere.contains(peer)
    }
}

/// True unless the entry is too old or from the future. An entry written while the clock was ahead is ignored; it would
/// ban the key until that clock's time.
fn is_of_our_time(at_unix: u64, now: u64) -> bool {
    at_unix <= now.saturating_add(SKEW.as_secs()) && now.saturating_sub(at_unix) < KEEP.as_secs()
}

fn read_text(path: &Path) -> io::Result<String> {
    let bytes = private::read(path, MAX_BYTES)?.unwrap_or_default();
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
