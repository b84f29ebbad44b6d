//! The log as this process knows it, and the calls that add to it.

use std::path::Path;

use jiff::Timestamp;

use super::chain::{Broken, Chain};
use super::error::ConsentError;
use super::grants::Grants;
use super::line::{Given, Kind, Revoked};
use super::log::{Files, Held, Stamp};
use super::{NotAGrant, check};
use crate::api::types::{LogEntry, LogVerdict, NewGrant};

/// The consent log of a state folder. Several processes may have it open; each change is made under a lock on what the
/// log is then.
#[derive(Debug)]
pub struct ConsentBook {
    files: Files,
    chain: Chain,
    grants: Grants,
    /// How the files looked when they were read; none: they were not, or are damaged.
    seen: Option<Stamp>,
}

/// Whether the log of a state folder holds; nothing is changed.
///
/// # Errors
///
/// The disk's. A damaged log is a verdict.
pub fn verify(state_folder: &Path) -> Result<LogVerdict, ConsentError> {
    let files = Files::new(state_folder);
    let Some(held) = files.lock_if_there()? else { return Ok(Chain::default().verdict()) };
    Ok(files.read(&held)?.map_or_else(Broken::verdict, |chain| chain.verdict()))
}

impl ConsentBook {
    /// Reads the log; one that is not there is empty, and nothing is made. What a crash interrupted is finished.
    ///
    /// # Errors
    ///
    /// [`ConsentError::Damaged`] with what is wrong, or the disk's; then nothing is granted.
    pub fn open(state_folder: &Path) -> Result<Self, ConsentError> {
        let mut book = Self::unread(state_folder);
        book.load()?;
        Ok(book)
    }

    /// A book that grants nothing until [`Self::reload_if_changed`] or an append has read the log: for a process that goes on
    /// without grants where [`Self::open`] fails, or that only appends.
    pub fn unread(state_folder: &Path) -> Self {
        let (files, chain, grants) = (Files::new(state_folder), Chain::default(), Grants::default());
        Self { files, chain, grants, seen: None }
    }

    /// Records grants, one line an action, durably; gives their numbers.
    ///
    /// # Errors
    ///
    /// What cannot be granted, a damaged log, or the disk's. After the disk's, grants of the first actions may stand.
    pub fn grant(&mut self, new: &NewGrant, now_unix: u64) -> Result<Vec<u64>, ConsentError> {
        check::grant(new, now_unix)?;
        self.append(now_unix, |grants| {
            let lines = check::lines_of(new, now_unix, grants)?;
            Ok(lines.into_iter().map(Kind::Grant).collect())
        })
    }

    /// Takes a grant back, durably and for good. One that was taken back already stays so, and nothing is written.
    ///
    /// # Errors
    ///
    /// No such grant, a damaged log, or the disk's.
    pub fn revoke(&mut self, id: u64, by: &str, now_unix: u64) -> Result<(), ConsentError> {
        check::text("by", by)?;
        if !self.files.are_there()? {
            return Err(ConsentError::Unknown(id));
        }
        self.append(now_unix, |grants| match grants.is_revoked(id) {
            None => Err(ConsentError::Unknown(id)),
            Some(true) => Ok(Vec::new()),
            Some(false) => Ok(vec![Kind::Revoke(Revoked { grant: id, by: by.to_owned() })]),
        })?;
        Ok(())
    }

    /// Records a verb's own consent, durably; gives its number.
    ///
    /// # Errors
    ///
    /// A text that the log does not take, a damaged log, or the disk's; then nothing may be done with the consent.
    pub fn record_given(&mut self, given: Given, now_unix: u64) -> Result<u64, ConsentError> {
        check::given(&given)?;
        let numbers = self.append(now_unix, |_| Ok(vec![Kind::Given(given)]))?;
        numbers.first().copied().ok_or(ConsentError::NotAGrant(NotAGrant::Nothing))
    }

    /// Reads the log again where another process changed it; whether it did.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]. Then this book grants nothing, until a later call can read it.
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

    /// The log for people, oldest first. Lines of before the chain have number 0; their texts are not escaped.
    pub fn lines(&self) -> Vec<LogEntry> {
        let chained = self.chain.lines.iter().map(super::line::Line::entry);
        self.chain.older_entries.iter().cloned().chain(chained).collect()
    }

    /// The newest time in the log, as it was read last.
    pub fn newest_unix(&self) -> Option<u64> {
        let times = self.lines().into_iter().filter_map(|line| line.time_utc.parse::<Timestamp>().ok());
        times.max().and_then(|newest| u64::try_from(newest.as_second()).ok())
    }

    /// Whether the log holds as it is on disk now.
    pub fn verify(&self) -> LogVerdict {
        let held_or_not = self.files.lock_if_there().and_then(|held| match held {
            Some(held) => self.files.read(&held),
            None => Ok(Ok(Chain::default())),
        });
        match held_or_not {
            Ok(read) => read.map_or_else(Broken::verdict, |chain| chain.verdict()),
            Err(error) => {
                let fault = Some(error.to_string());
                LogVerdict { ok: false, entries: 0, older: 0, head: String::new(), fault }
            }
        }
    }

    /// What the log grants, as it was last read.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    fn load(&mut self) -> Result<(), ConsentError> {
        self.forget();
        match self.files.lock_if_there()? {
            Some(held) => self.read(&held),
            None => {
                self.seen = Some(self.files.stamp()?);
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
        let mut numbers = Vec::new();
        for kind in kinds(&self.grants)? {
            let appended = self.files.append(&held, &mut self.chain, now_unix, kind);
            let Ok(number) = appended else {
                // What is on disk now is for the next reading to say.
                self.forget();
                return appended.map(|number| vec![number]);
            };
            numbers.push(number);
            self.chain.lines.last().into_iter().for_each(|line| self.grants.take(line));
        }
        self.seen = Some(self.files.stamp()?);
        Ok(numbers)
    }

    fn read(&mut self, held: &Held) -> Result<(), ConsentError> {
        let damaged =
            |broken: Broken| ConsentError::Damaged { path: self.files.log(), verdict: broken.verdict() };
        let mut chain = self.files.read(held)?.map_err(damaged)?;
        self.files.settle(held, &mut chain)?;
        self.grants = Grants::of(&chain.lines);
        self.chain = chain;
        self.seen = Some(self.files.stamp()?);
        Ok(())
    }

    /// Grants nothing until the log was read.
    fn forget(&mut self) {
        (self.chain, self.grants, self.seen) = (Chain::default(), Grants::default(), None);
    }
}
