//! The file of all bans: read whole, replaced whole under a lock, bounded in age and number.

use std::collections::{BTreeMap, BTreeSet};
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

    /// Adds entries durably, in one write. Returns the length of the file in bytes.
    pub(super) fn add(&self, new: Vec<BanEntry>, now: u64) -> Result<u64, BansError> {
        self.change(now, |entries| {
            entries.extend(new);
            forget_excess(entries);
        })
    }

    /// Removes the entries that `is_meant` selects, durably, and returns them. Every change also drops unreadable lines:
    /// nothing can be learned from them. `now`: seconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], or the file cannot be written.
    pub fn remove(&self, now: u64, is_meant: impl Fn(&BanEntry) -> bool) -> Result<Vec<BanEntry>, BansError> {
        let mut gone = Vec::new();
        self.change(now, |entries| gone = entries.extract_if(.., |entry| is_meant(entry)).collect())?;
        Ok(gone)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn change(&self, now: u64, change: impl FnOnce(&mut Vec<BanEntry>)) -> Result<u64, BansError> {
        let path = self.path();
        let failed = |source: io::Error| BansError::Write { path: path.clone(), source };
        private::create_folder(&self.folder).map_err(failed)?;
        // Held until the end of this function, so that two processes never lose each other's entries.
        let _lock = private::lock(&self.folder.join(LOCK_NAME)).map_err(failed)?;
        let mut entries = self.read(now)?.entries;
        change(&mut entries);
        let mut text = String::new();
        for entry in &entries {
            let line = json::line(entry).map_err(|error| failed(io::Error::other(error)))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::replace(&path, text.as_bytes()).map_err(failed)?;
        Ok(text.len() as u64)
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
mod tests {
    use std::fs::File;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn entry(peer: u8, swarm: u8, at_unix: u64) -> BanEntry {
        let line = serde_json::json!({
            "version": 0, "peer": PeerId([peer; 32]).to_string(), "swarm_id": format!("{swarm:02x}").repeat(32),
            "model": "tiny 1", "verb": "fetch", "reason": "sent a chunk that fails its proof", "chunk": 3,
            "expected": null, "got": minimodel_verifier::digest::tagged(&[7; 32]),
            "at_unix": at_unix, "until_unix": at_unix + BAN.as_secs(),
        });
        BanEntry::parse(&line.to_string()).unwrap()
    }

    fn ledger() -> (tempfile::TempDir, BanLedger) {
        let home = tempfile::tempdir().unwrap();
        let ledger = BanLedger { folder: home.path().join("state") };
        (home, ledger)
    }

    fn swarm(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    // Rows: B1
    #[test]
    fn a_ban_is_for_one_content_and_for_a_day() {
        let (_home, ledger) = ledger();
        assert_eq!(ledger.read(NOW).unwrap(), KnownBans::default());
        ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
        let standing = ledger.read(NOW).unwrap();
        assert_eq!(standing.banned(&swarm(1), NOW), BTreeMap::from([(PeerId([1; 32]), BAN)]));
        assert!(standing.banned(&swarm(2), NOW).is_empty());
        let later = NOW + BAN.as_secs();
        assert!(ledger.read(later).unwrap().banned(&swarm(1), later).is_empty());
        // An entry is kept for longer than its ban lasts.
        assert_eq!(ledger.read(later).unwrap().entries.len(), 1);
        assert_eq!(ledger.read(NOW + KEEP.as_secs()).unwrap().entries.len(), 0);
    }

    // Rows: B1
    #[test]
    fn a_key_that_was_banned_for_three_contents_is_banned_for_all() {
        let (_home, ledger) = ledger();
        for (swarm, days) in [(1, 0), (2, 1), (1, 2), (1, 3)] {
            let at = NOW + days * BAN.as_secs();
            ledger.add(vec![entry(1, swarm, at)], at).unwrap();
        }
        let at = NOW + 4 * BAN.as_secs();
        assert!(ledger.read(at).unwrap().banned(&swarm(9), at).is_empty(), "two contents");
        ledger.add(vec![entry(1, 3, at)], at).unwrap();
        let standing = ledger.read(at).unwrap();
        assert_eq!(standing.banned(&swarm(9), at), BTreeMap::from([(PeerId([1; 32]), KEEP)]));
        assert_eq!(ledger.remove(at, |entry| entry.swarm_id == swarm(2)).unwrap().len(), 1);
        assert!(ledger.read(at).unwrap().banned(&swarm(9), at).is_empty());
    }

    // Rows: E16
    #[test]
    fn a_clock_that_was_a_year_ahead_bans_nobody_for_a_year() {
        let (_home, ledger) = ledger();
        ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
        for days in [0, 1, 100] {
            let right = NOW - 365 * BAN.as_secs() + days * BAN.as_secs();
            assert!(ledger.read(right).unwrap().entries.is_empty());
        }
        assert_eq!(ledger.read(NOW - 60).unwrap().entries.len(), 1, "clocks are put right by a minute");
    }

    // Rows: I6
    #[test]
    fn the_newest_entries_are_kept_and_what_is_no_entry_is_counted() {
        let (_home, ledger) = ledger();
        private::create_folder(&ledger.folder).unwrap();
        let mut text = String::from("no entry\n{\"version\":1}\n");
        for n in 0..MAX_ENTRIES as u64 {
            text += &format!("{}\n", json::line(&entry(2, 2, NOW - 5_000 + n)).unwrap());
        }
        std::fs::write(ledger.path(), text).unwrap();
        assert_eq!(ledger.read(NOW).unwrap().unreadable, 2);
        ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
        let standing = ledger.read(NOW).unwrap();
        assert_eq!((standing.entries.len(), standing.unreadable), (MAX_ENTRIES, 0));
        assert_eq!(standing.entries[0].at_unix, NOW - 5_000 + 1);
        assert_eq!(standing.entries.last().unwrap().peer, PeerId([1; 32]).to_string());
    }

    // Rows: E9
    #[test]
    fn a_symlink_is_not_followed_and_a_file_without_end_is_refused() {
        let (home, ledger) = ledger();
        private::create_folder(&ledger.folder).unwrap();
        let other = home.path().join("other");
        std::fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, ledger.folder.join(LOCK_NAME)).unwrap();
        assert!(ledger.add(vec![entry(1, 1, NOW)], NOW).is_err());
        std::fs::remove_file(ledger.folder.join(LOCK_NAME)).unwrap();
        std::os::unix::fs::symlink(&other, ledger.path()).unwrap();
        assert!(ledger.read(NOW).is_err());
        std::fs::remove_file(ledger.path()).unwrap();
        File::create(ledger.path()).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(ledger.read(NOW).is_err());
    }

    // Rows: H6
    #[test]
    fn flood_of_bans_for_less_does_not_push_out_those_for_a_chunk() {
        let (_home, ledger) = ledger();
        let liar = entry(1, 1, NOW);
        ledger.add(vec![liar.clone()], NOW).unwrap();
        let flood = |_| {
            let mut less = entry(2, 1, NOW);
            less.chunk = None;
            less
        };
        ledger.add((0..MAX_ENTRIES).map(flood).collect(), NOW).unwrap();
        let kept = ledger.read(NOW).unwrap().entries;
        assert_eq!((kept.len(), &kept[0]), (MAX_ENTRIES, &liar));
        // Among those for a chunk the newest are kept.
        ledger.add((0..MAX_ENTRIES).map(|_| entry(3, 1, NOW)).collect(), NOW).unwrap();
        let kept = ledger.read(NOW).unwrap().entries;
        assert!(kept.len() == MAX_ENTRIES && kept.iter().all(|kept| kept.peer == entry(3, 1, NOW).peer));
    }
}
