//! Consent log as this process knows it, and the calls that append to it.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::chain::{Broken, Chain, Head};
use super::error::ConsentError;
use super::grants::Grants;
use super::line::{Given, Kind, Restored, Revoked};
use super::log::{Files, Held, Stamp};
use super::model::{LogEntry, LogVerdict, NewGrant};
use super::{NotAGrant, check};

/// The consent log of a state folder. Several processes may have it open; each appends under a lock, to the log as it is on disk
/// then.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use minimodel::consent::{ConsentBook, NewGrant};
/// use minimodel::{Action, clock::now_unix};
///
/// let mut book = ConsentBook::open(home.state()?, home.data()?)?;
/// let new = NewGrant { actions: vec![Action::Serve], by: "dialog".into(), ..NewGrant::default() };
/// let numbers = book.grant(&new, now_unix())?;
/// book.revoke(numbers[0], "dialog", now_unix())?;
/// assert!(book.verify().ok);
/// assert_eq!(book.lines().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ConsentBook {
    files: Files,
    chain: Chain,
    grants: Grants,
    /// Heads of the log that this process read, or that its caller remembered: a log that lacks one of them was replaced.
    remembered: Vec<Head>,
    /// Stamp of the files when they were last read; `None`: not read yet, or damaged.
    seen: Option<Stamp>,
}

/// Checks the log of a state folder: its own chain, and that it has the lines seen before, by the data folder and by
/// `remembered`. Changes and creates nothing, so read-only folders will do. A log that never existed is valid, with no lines.
///
/// # Errors
///
/// A disk error. A damaged log is a verdict, not an error.
pub fn verify(state: &Path, data: &Path, remembered: &[Head]) -> Result<LogVerdict, ConsentError> {
    verdict(&Files::new(state, data), remembered)
}

fn verdict(files: &Files, remembered: &[Head]) -> Result<LogVerdict, ConsentError> {
    let (read, seen) = files.look()?;
    let read = read.unwrap_or_else(|| Ok(Chain::default()));
    let held = read.and_then(|chain| {
        seen.iter().chain(remembered).try_for_each(|seen| chain.hold_against_seen(seen)).map(|()| chain)
    });
    Ok(held.map_or_else(Broken::verdict, |chain| chain.verdict()))
}

impl ConsentBook {
    /// Reads the log, and finishes what a crash interrupted. A log that does not exist is empty, and no file is created.
    ///
    /// # Errors
    ///
    /// [`ConsentError::Damaged`] with what is wrong, or a disk error; then nothing is granted.
    pub fn open(state: &Path, data: &Path) -> Result<Self, ConsentError> {
        let mut book = Self::unread(state, data);
        book.load()?;
        Ok(book)
    }

    /// A book that grants nothing until [`Self::reload_if_changed`] or an append has read the log: for a process that continues
    /// without grants when [`Self::open`] fails, or that only appends.
    pub fn unread(state: &Path, data: &Path) -> Self {
        let (files, chain, grants) = (Files::new(state, data), Chain::default(), Grants::default());
        Self { files, chain, grants, remembered: Vec::new(), seen: None }
    }

    /// Adds a head that the log must have, from the next read on.
    pub fn remember(&mut self, head: Head) {
        if !self.remembered.contains(&head) {
            self.remembered.push(head);
        }
    }

    /// Returns the heads that the log must have.
    pub fn remembered(&self) -> &[Head] {
        &self.remembered
    }

    /// Returns the last line as of the last read; `None`: the log has none, or cannot be believed.
    pub fn head(&self) -> Option<Head> {
        self.chain.head()
    }

    /// Returns the newest head that this process has read or written, also when the log was replaced since by an older one.
    pub fn newest(&self) -> Option<&Head> {
        self.remembered.iter().max_by_key(|head| head.number)
    }

    /// Accepts the log as it is now, although a newer or another log was seen: it was restored from a copy, or begun anew.
    /// Records that in it and ends all its grants, since one of them may have been revoked meanwhile. Returns the number of seen
    /// heads that are given up; 0: the log has them all, and nothing was written.
    ///
    /// # Errors
    ///
    /// The log's own chain is broken, or a disk error.
    pub fn restore(&mut self, by: &str, now_unix: u64) -> Result<usize, ConsentError> {
        check::text("by", by)?;
        let held = self.files.lock_to_write()?;
        self.forget();
        let mut chain = self.files.read(&held)?.map_err(|broken| self.damaged(broken))?;
        self.files.settle(&held, &mut chain)?;
        let mut given_up: Vec<Head> = Vec::new();
        for seen in self.files.read_seen()?.into_iter().chain(self.remembered.iter().cloned()) {
            if chain.hold_against_seen(&seen).is_err() && !given_up.contains(&seen) {
                given_up.push(seen);
            }
        }
        let restored = |seen: &Head| {
            let (seen_number, seen_hash) = (seen.number, seen.hash.clone());
            Kind::Restore(Restored { seen_number, seen_hash, by: by.to_owned() })
        };
        self.files.append(&held, &mut chain, now_unix, given_up.iter().map(restored).collect())?;
        self.take(&held, chain)?;
        Ok(given_up.len())
    }

    /// Records grants durably, one line per action; returns their numbers.
    ///
    /// # Errors
    ///
    /// As [`Self::grant_all`].
    pub fn grant(&mut self, new: &NewGrant, now_unix: u64) -> Result<Vec<u64>, ConsentError> {
        self.grant_all(std::slice::from_ref(new), now_unix)
    }

    /// Records many grants durably, one line per action, all or none, at the cost of one append. Returns their numbers in the
    /// order of `new`, and within each in the order of [`Action::ALL`](super::Action::ALL).
    ///
    /// # Errors
    ///
    /// An invalid grant, a full or damaged log, or a disk error; then none of the grants stands.
    pub fn grant_all(&mut self, new: &[NewGrant], now_unix: u64) -> Result<Vec<u64>, ConsentError> {
        // Nothing is made on the disk for what is no grant whatever else is granted.
        new.iter().try_for_each(|new| check::grant(new, now_unix))?;
        if new.is_empty() {
            return Ok(Vec::new());
        }
        self.append(now_unix, |grants| {
            let lines = check::all_lines_of(new, now_unix, grants.clone())?;
            Ok(lines.into_iter().map(Kind::Grant).collect())
        })
    }

    /// Validates what [`Self::grant_all`] would record after the grants of these numbers are revoked; records nothing.
    ///
    /// # Errors
    ///
    /// A grant that would not be recorded.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let home = minimodel::Home::at(folder.path());
    /// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
    /// # let now = minimodel::clock::now_unix();
    /// use minimodel::Action;
    /// use minimodel::consent::{NewGrant, NotAGrant};
    ///
    /// let of = |action| NewGrant { actions: vec![action], by: "dialog".into(), ..NewGrant::default() };
    /// let serve = book.grant(&of(Action::Serve), now)?;
    /// assert_eq!(book.check_all(&[of(Action::Publish)], &[], now), Ok(()));
    /// assert!(matches!(book.check_all(&[of(Action::Publish)], &serve, now), Err(NotAGrant::Alone { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_all(&self, new: &[NewGrant], revoked: &[u64], now_unix: u64) -> Result<(), NotAGrant> {
        let mut grants = self.grants.clone();
        grants.leave_out(revoked);
        check::all_lines_of(new, now_unix, grants).map(drop)
    }

    /// Revokes a grant durably and for good. Nothing is written if it was revoked already.
    ///
    /// # Errors
    ///
    /// As [`Self::revoke_all`].
    pub fn revoke(&mut self, id: u64, by: &str, now_unix: u64) -> Result<(), ConsentError> {
        self.revoke_all(&[id], by, now_unix)
    }

    /// Revokes many grants durably and for good, all or none, at the cost of one append. Grants revoked already are skipped.
    ///
    /// # Errors
    ///
    /// An unknown grant, a full or damaged log, or a disk error; then none of them is revoked.
    pub fn revoke_all(&mut self, ids: &[u64], by: &str, now_unix: u64) -> Result<(), ConsentError> {
        check::text("by", by)?;
        let ids: BTreeSet<u64> = ids.iter().copied().collect();
        let Some(&first) = ids.first() else { return Ok(()) };
        if !self.files.are_there()? {
            return Err(ConsentError::Unknown(first));
        }
        self.append(now_unix, |grants| {
            let mut kinds = Vec::new();
            for grant in ids {
                if !grants.is_revoked(grant).ok_or(ConsentError::Unknown(grant))? {
                    kinds.push(Kind::Revoke(Revoked { grant, by: by.to_owned() }));
                }
            }
            Ok(kinds)
        })?;
        Ok(())
    }

    /// Records the consent for one run of a verb, durably; returns its number.
    ///
    /// # Errors
    ///
    /// A text that the log does not accept, a damaged log, or a disk error; then nothing may be done with the consent.
    pub(super) fn record_given(&mut self, given: Given, now_unix: u64) -> Result<u64, ConsentError> {
        check::given(&given)?;
        let numbers = self.append(now_unix, |_| Ok(vec![Kind::Given(given)]))?;
        numbers.first().copied().ok_or(ConsentError::NotAGrant(NotAGrant::Nothing))
    }

    /// Reads the log again if another process changed it; returns true if it was read.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]. Then this book grants nothing until a later call can read the log.
    pub fn reload_if_changed(&mut self) -> Result<bool, ConsentError> {
        if let Some(seen) = self.seen {
            let now = self.files.stamp();
            if now.as_ref().is_ok_and(|now| *now == seen) {
                return Ok(false);
            }
        }
        self.load()?;
        Ok(true)
    }

    /// Returns the log for display, oldest first. Its texts are not escaped.
    pub fn lines(&self) -> Vec<LogEntry> {
        self.chain.lines.iter().map(super::line::Line::entry).collect()
    }

    /// Returns the newest time in the log as of the last read, in seconds since 1970.
    pub fn newest_unix(&self) -> Option<u64> {
        let times = self.lines().into_iter().filter_map(|line| line.time_utc.parse::<Timestamp>().ok());
        times.max().and_then(|newest| u64::try_from(newest.as_second()).ok())
    }

    /// Checks the log as it is on disk now.
    pub fn verify(&self) -> LogVerdict {
        verdict(&self.files, &self.remembered).unwrap_or_else(|error| {
            let fault = Some(error.to_string());
            LogVerdict { ok: false, entries: 0, head: String::new(), fault }
        })
    }

    /// Returns the grants as of the last read.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    fn load(&mut self) -> Result<(), ConsentError> {
        self.forget();
        // Taken before the read: the next call then sees a file created meanwhile as a change.
        let before = self.files.stamp()?;
        match self.files.lock_if_there()? {
            Some(held) => self.read(&held),
            None => {
                let seen = self.files.read_seen()?;
                self.hold(&Chain::default(), seen.as_ref())?;
                self.seen = Some(before);
                Ok(())
            }
        }
    }

    fn append(
        &mut self,
        now_unix: u64,
        kinds: impl FnOnce(&Grants) -> Result<Vec<Kind>, ConsentError>,
    ) -> Result<Vec<u64>, ConsentError> {
        let held = self.files.lock_to_write()?;
        self.forget();
        self.read(&held)?;
        let kinds = kinds(&self.grants)?;
        let before = self.chain.lines.len();
        let appended = self.files.append(&held, &mut self.chain, now_unix, kinds);
        match &appended {
            Ok(_) => {
                self.chain.lines.iter().skip(before).for_each(|line| self.grants.take(line));
                self.remembered = self.chain.head().into_iter().collect();
                self.seen = Some(self.files.stamp()?);
            }
            // Nothing was written.
            Err(ConsentError::Full { .. }) => {}
            // The next read finds out what is on disk now.
            Err(_) => self.forget(),
        }
        appended
    }

    fn read(&mut self, held: &Held) -> Result<(), ConsentError> {
        let seen = self.files.read_seen()?;
        let read = self.files.read(held)?.map_err(|broken| self.damaged(broken));
        let held_against = read.and_then(|chain| self.hold(&chain, seen.as_ref()).map(|()| chain));
        let mut chain = held_against.inspect_err(|_| self.leave_word(held, seen.as_ref()))?;
        self.files.settle(held, &mut chain)?;
        if let Some(head) = chain.head() {
            self.files.keep_seen(held, &head);
        }
        self.take(held, chain)
    }

    /// Writes the newest remembered head for later processes when the log fails its check: they see only the files, all of which
    /// may be older copies.
    fn leave_word(&self, held: &Held, seen: Option<&Head>) {
        if let Some(newest) =
            self.newest().filter(|newest| seen.is_none_or(|seen| seen.number < newest.number))
        {
            self.files.keep_seen(held, newest);
        }
    }

    /// Takes over a chain that was read, is valid and is settled.
    fn take(&mut self, _held: &Held, chain: Chain) -> Result<(), ConsentError> {
        self.grants = Grants::of(&chain.lines);
        self.remembered = chain.head().into_iter().collect();
        self.chain = chain;
        self.seen = Some(self.files.stamp()?);
        Ok(())
    }

    /// Checks a log against all heads that were seen of it.
    fn hold(&self, chain: &Chain, seen: Option<&Head>) -> Result<(), ConsentError> {
        let mut all = seen.into_iter().chain(&self.remembered);
        all.try_for_each(|seen| chain.hold_against_seen(seen)).map_err(|broken| self.damaged(broken))
    }

    fn damaged(&self, broken: Broken) -> ConsentError {
        ConsentError::Damaged { path: self.files.log(), verdict: broken.verdict() }
    }

    /// Drops all grants until the log is read again.
    fn forget(&mut self) {
        (self.chain, self.grants, self.seen) = (Chain::default(), Grants::default(), None);
    }
}
