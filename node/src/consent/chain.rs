//! Checks that bytes are a valid log: pure, so that tests can try every damage.

use minimodel_verifier::digest::{hex, parse_hex};
use minimodel_verifier::sha256;
use serde::{Deserialize, Serialize};

use super::line::{Kind, Line, LineError, OPENING};
use super::model::LogVerdict;

const HEAD_VERSION: u32 = 1;

/// Damage of a log. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// A line was changed, or is not a line of a log.
    #[error("line {line} was changed or is no line of the log: {why}")]
    Line {
        /// Which.
        line: u64,
        /// Why.
        why: LineError,
    },
    /// A line has another number than its position.
    #[error("line {line} has number {found} where {expected} comes: lines were removed, added or moved")]
    Number {
        /// Which.
        line: u64,
        /// Its number.
        found: u64,
        /// The number that its position requires.
        expected: u64,
    },
    /// A line names another predecessor than the line before it.
    #[error("line {line} does not follow the line before it")]
    Link {
        /// Which.
        line: u64,
    },
    /// Lines at the end are missing.
    #[error(
        "the log ends after line {line}, number {found}, and `consent.head` says that number {expected} was written"
    )]
    Cut {
        /// The last line that is there.
        line: u64,
        /// Its number.
        found: u64,
        /// The last number that was written.
        expected: u64,
    },
    /// More lines follow the head than one interrupted append can leave.
    #[error(
        "the log goes on to line {line}, number {found}, and `consent.head` knows it to number {expected} only"
    )]
    Ahead {
        /// The last line.
        line: u64,
        /// Its number.
        found: u64,
        /// The number in the head; 0: there is no head.
        expected: u64,
    },
    /// The head names another line.
    #[error("line {line} is not the one that `consent.head` names")]
    Head {
        /// The line of the head's number.
        line: u64,
    },
    /// The head is no head.
    #[error("`consent.head` was changed or is no head of a log")]
    NoHead,
    /// A first line without a head, written or prepared, that names it.
    #[error("`consent.head` is gone")]
    HeadGone,
    /// The log is shorter than a number that was seen: it was rolled back.
    #[error(
        "the log ends with number {found}, and number {seen} was written: an older copy of it was put in its place, or it \
         was moved away"
    )]
    RolledBack {
        /// The last number that is there; 0: the log has no line.
        found: u64,
        /// The last number that was seen.
        seen: u64,
    },
    /// Another line was seen under this number: the log was exchanged.
    #[error("number {seen} is not the line that was written: another log was put in the place of this one")]
    Exchanged {
        /// The number.
        seen: u64,
    },
    /// The record of the newest seen line cannot be read.
    #[error("`consent.seen` in the data folder was changed or is no head of a log")]
    NoSeen,
    /// The log is longer than this program ever writes one.
    #[error("the log has more than {most} bytes")]
    TooLong {
        /// The limit.
        most: u64,
    },
}

/// Number and hash of the last line that was acted on.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let agreed = minimodel::RunConsent::given([minimodel::Action::Fetch], "dialog");
/// # agreed.record(&home, "fetch", None)?;
/// use minimodel::consent::{ConsentBook, Head, verify};
///
/// // The program keeps the head elsewhere, and later notices that the log is gone.
/// let head: Head = ConsentBook::open(home.state()?, home.data()?)?.head().expect("it has a line");
/// assert!(verify(home.state()?, home.data()?, &[head.clone()])?.ok);
/// std::fs::remove_dir_all(home.state()?)?;
/// assert!(!verify(home.state()?, home.data()?, &[head])?.ok);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    version: u32,
    pub(super) number: u64,
    pub(super) hash: String,
}

impl Head {
    pub(super) fn new(number: u64, hash: String) -> Self {
        Self { version: HEAD_VERSION, number, hash }
    }

    pub(super) fn render(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// As [`Self::parse`], but invalid bytes give a head that no log has (number 0, with their hash), so that they are not
    /// mistaken for a missing file.
    pub(super) fn parse_seen(bytes: &[u8]) -> Self {
        Self::parse(bytes).unwrap_or_else(|| Self::new(0, hex(&sha256(bytes))))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let head: Self = serde_json::from_slice(bytes).ok()?;
        let is_head = head.version == HEAD_VERSION && head.number > 0 && parse_hex(&head.hash).is_some();
        (is_head && head.render().is_ok_and(|ours| ours.as_bytes() == bytes)).then_some(head)
    }
}

/// A valid log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) lines: Vec<Line>,
    /// Hash of the last line; empty: there is none.
    pub(super) hash: String,
    /// Hash that the next line must name: `hash`, or before the first line that of no bytes.
    pub(super) prev: String,
    /// Valid bytes; the `torn` bytes that follow them are an append that was never completed.
    pub(super) len: u64,
    pub(super) torn: u64,
    /// The last line is not named by the head yet: an append that was complete but for its head.
    pub(super) is_ahead: bool,
    /// The head prepared for that append exists and names the last line.
    pub(super) is_prepared: bool,
}

/// How far a damaged log is valid, and why no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) fault: Fault,
    pub(super) entries: u64,
    pub(super) hash: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            hash: String::new(),
            prev: hex(&sha256(b"")),
            len: 0,
            torn: 0,
            is_ahead: false,
            is_prepared: false,
        }
    }
}

impl Chain {
    pub(super) fn verdict(&self) -> LogVerdict {
        let (entries, head) = (self.lines.len() as u64, self.hash.clone());
        LogVerdict { ok: true, entries, head, fault: None }
    }

    /// Returns the number of the next line.
    pub(super) fn next_number(&self) -> u64 {
        self.lines.len() as u64 + 1
    }

    /// The last line.
    pub(super) fn head(&self) -> Option<Head> {
        (!self.lines.is_empty()).then(|| Head::new(self.lines.len() as u64, self.hash.clone()))
    }

    /// Checks that the log has a line that was seen of it. A line of [`Kind::Restore`] that names this head stands for it: the
    /// user has given it up.
    pub(super) fn hold_against_seen(&self, seen: &Head) -> Result<(), Broken> {
        let at = usize::try_from(seen.number).unwrap_or(usize::MAX);
        // The hash of each line but the last is in the line after it.
        let hash = match self.lines.get(at) {
            _ if at == 0 => None,
            Some(next) => Some(&next.prev),
            None => Some(&self.hash).filter(|_| at == self.lines.len()),
        };
        let is_given_up = |line: &Line| match &line.kind {
            Kind::Restore(restored) => {
                (restored.seen_number, &restored.seen_hash) == (seen.number, &seen.hash)
            }
            Kind::Given(_) | Kind::Grant(_) | Kind::Revoke(_) => false,
        };
        if hash == Some(&seen.hash) || self.lines.iter().any(is_given_up) {
            return Ok(());
        }
        let found = self.lines.len() as u64;
        Err(self.broken(match seen.number {
            0 => Fault::NoSeen,
            seen if found < seen => Fault::RolledBack { found, seen },
            seen => Fault::Exchanged { seen },
        }))
    }

    fn broken(&self, fault: Fault) -> Broken {
        let entries = self.lines.len() as u64;
        Broken { fault, entries, hash: self.hash.clone() }
    }
}

impl Broken {
    pub(super) fn verdict(self) -> LogVerdict {
        let fault = Some(self.fault.to_string());
        LogVerdict { ok: false, entries: self.entries, head: self.hash, fault }
    }
}

/// Parses a log and the head beside it.
#[cfg(test)]
pub(super) fn read(log: &[u8], head: Option<&[u8]>) -> Result<Chain, Broken> {
    read_with(log, head, None)
}

/// Parses a log, the head beside it, and the head prepared for an append that may be incomplete. An append of several lines
/// counts whole or not at all: fewer lines than the prepared head names are torn, like a part of a line.
pub(super) fn read_with(log: &[u8], head: Option<&[u8]>, prepared: Option<&[u8]>) -> Result<Chain, Broken> {
    let known = head.and_then(Head::parse).map_or(0, |head| head.number);
    let prepared = prepared.and_then(Head::parse);
    let batch = prepared.as_ref().filter(|prepared| prepared.number > known.saturating_add(1));
    // A disk that lost power may keep parts of a write and not others, which then read as zeros.
    let is_lost = |line: &[u8], number: u64| batch.is_some() && number > known && line.contains(&0);
    let end = log.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let (whole, tail) = log.split_at(end);
    let mut lines = whole.split_inclusive(|&byte| byte == b'\n').peekable();
    let mut chain = Chain::default();
    // A first line that is no beginning of one was not written by this version: it is kept, and not cut away as torn.
    let is_begun = |tail: &[u8]| tail.starts_with(OPENING) || OPENING.starts_with(tail) || tail.contains(&0);
    if lines.peek().is_none() && !is_begun(tail) {
        return Err(chain.broken(Fault::Line { line: 1, why: LineError::NoHash }));
    }
    let mut marks = vec![Mark { prev: chain.prev.clone(), end: chain.len }];
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none() && tail.is_empty();
        match Line::parse(line.strip_suffix(b"\n").unwrap_or(line)) {
            // The end of the line reached the disk, its beginning did not.
            Err(_) if is_last && line.contains(&0) => break,
            Err(_) if is_lost(line, chain.next_number()) => break,
            parsed => chain.follow(line.len(), parsed, &mut marks)?,
        }
    }
    chain.hold_against(head, prepared.as_ref(), batch, &marks)?;
    chain.torn = (log.len() as u64).saturating_sub(chain.len);
    Ok(chain)
}

/// State of a log after some number of its lines.
struct Mark {
    prev: String,
    end: u64,
}

impl Chain {
    fn follow(
        &mut self,
        len: usize,
        parsed: Result<(Line, String), LineError>,
        marks: &mut Vec<Mark>,
    ) -> Result<(), Broken> {
        let at = self.next_number();
        let (line, hash) = parsed.map_err(|why| self.broken(Fault::Line { line: at, why }))?;
        if line.number != self.next_number() {
            let (found, expected) = (line.number, self.next_number());
            return Err(self.broken(Fault::Number { line: at, found, expected }));
        }
        if line.prev != self.prev {
            return Err(self.broken(Fault::Link { line: at }));
        }
        self.len += len as u64;
        self.append(line, hash.clone());
        marks.push(Mark { prev: hash, end: self.len });
        Ok(())
    }

    /// Adds a line that was checked or has just been written.
    pub(super) fn append(&mut self, line: Line, hash: String) {
        self.lines.push(line);
        self.prev.clone_from(&hash);
        self.hash = hash;
    }

    fn hold_against(
        &mut self,
        head: Option<&[u8]>,
        prepared: Option<&Head>,
        batch: Option<&Head>,
        marks: &[Mark],
    ) -> Result<(), Broken> {
        let found = self.lines.len() as u64;
        let line = found;
        let mut expected = 0;
        if let Some(bytes) = head {
            let head = Head::parse(bytes).ok_or_else(|| self.broken(Fault::NoHead))?;
            expected = head.number;
            if found < expected {
                return Err(self.broken(Fault::Cut { line, found, expected }));
            }
            let named = usize::try_from(expected).ok().and_then(|at| marks.get(at));
            if named.is_none_or(|named| named.prev != head.hash) {
                return Err(self.broken(Fault::Head { line: expected }));
            }
        }
        if let Some(batch) = batch.filter(|_| found > expected) {
            if found < batch.number {
                self.cut_back(expected, marks);
                return Ok(());
            }
            self.is_prepared = found == batch.number && self.hash == batch.hash;
        }
        if found > expected + 1 && !self.is_prepared {
            return Err(self.broken(Fault::Ahead { line, found, expected }));
        }
        // The first append prepares its head durably before it writes the line: without either head, this is not the state that a
        // crash leaves.
        if head.is_none() && found == 1 {
            self.is_prepared =
                prepared.is_some_and(|prepared| prepared.number == 1 && prepared.hash == self.hash);
            if !self.is_prepared {
                return Err(self.broken(Fault::HeadGone));
            }
        }
        self.is_ahead = found > expected;
        Ok(())
    }

    /// Cuts the log back to its first `count` lines.
    fn cut_back(&mut self, count: u64, marks: &[Mark]) {
        let Ok(count) = usize::try_from(count) else { return };
        let Some(mark) = marks.get(count) else { return };
        self.lines.truncate(count);
        self.len = mark.end;
        self.prev.clone_from(&mark.prev);
        self.hash = if count == 0 { String::new() } else { mark.prev.clone() };
    }
}
