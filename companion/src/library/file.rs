//! State changes of an entry's file: fetch, placement, use, refresh and check.

use std::path::Path;

use minimodel_verifier::Manifest;

use super::row::{self, FileFault, Link};
use super::{Library, Row, put, row_in};
use crate::db::Table;
use crate::model::{Entry, EntryState};
use crate::problem::{Problem, code};

/// Shortest time between two recorded uses of an entry, in seconds.
const USE_SECONDS: u64 = 60;

impl Library {
    /// Records that a fetch of this entry begins: Downloading, but an entry whose file is ready stays Ready.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn begin_fetch(&self, id: u64) -> Result<Entry, Problem> {
        self.unless_ready(id, |row, is_gone| {
            if !is_gone && row.reason.is_none() {
                row.reason = Some("its file was not checked".to_owned());
            }
            // The reason stays with an existing bad file: dropping the fetch makes it Failed again with this reason.
            (row.state, row.is_going) = (EntryState::Downloading, false);
        })
    }

    /// Records that a fetch of this entry ended for good without a file: Failed, but an entry whose file is ready is Ready.
    ///
    /// # Errors
    ///
    /// As [`Library::begin_fetch`].
    pub fn fetch_failed(&self, id: u64, reason: &str) -> Result<Entry, Problem> {
        self.unless_ready(id, |row, _| row.fail(reason.to_owned()))
    }

    /// Sets an entry whose file is ready to Ready; changes any other by `work`, whose second argument is true if the file is
    /// gone.
    fn unless_ready(&self, id: u64, work: impl FnOnce(&mut Row, bool)) -> Result<Entry, Problem> {
        self.update(id, |row| {
            if row.has_ready_file() {
                row.state = EntryState::Ready;
                return Ok(());
            }
            let is_gone = matches!(row.file_fault(), Some(FileFault::Gone(_)));
            if is_gone {
                row.lose_file();
            }
            work(row, is_gone);
            Ok(())
        })
    }

    /// Records that a fetch of this entry is no longer wanted: the entry returns to its state by what is on the disk, Ready,
    /// Available, or Failed if a bad file is there. An entry that is not Downloading stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Library::begin_fetch`].
    pub fn fetch_dropped(&self, id: u64) -> Result<Entry, Problem> {
        self.update(id, |row| {
            if row.state != EntryState::Downloading {
                return Ok(());
            }
            match (row.file_fault(), row.reason.take()) {
                (None, None) => row.state = EntryState::Ready,
                (Some(FileFault::Gone(_)), _) => row.lose_file(),
                (None, Some(reason)) => row.fail(reason),
                (Some(fault), _) => row.fail(fault.text()),
            }
            Ok(())
        })
    }

    /// Records that the entry's file was checked in full and is at `path`: Ready. The model's link follows if the entry is
    /// active. `cached`: the file is the library's, below [`Library::folder_of`]; else it is the user's own. If the library
    /// already has a ready cached file, the entry keeps that one, and the user's own is left alone.
    ///
    /// # Errors
    ///
    /// The path is not absolute or not UTF-8; a cached file is not in its folder; the user's own file would replace a cached one
    /// that failed its check, which nothing would then remove; or a database error.
    pub fn placed(
        &self,
        id: u64,
        path: &Path,
        receipt: Option<&Path>,
        cached: bool,
        now_unix: u64,
    ) -> Result<Entry, Problem> {
        if let Some(odd) = [Some(path), receipt].into_iter().flatten().find(|path| !row::is_plain(path)) {
            let error = format!("the library cannot keep the path `{}`", odd.display());
            return Err(Problem::new(code::USAGE, error, "use an absolute path that is UTF-8"));
        }
        if cached && !path.starts_with(self.folder_of(id)?) {
            let error = format!("`{}` is not in the library's folder for entry {id}", path.display());
            return Err(Problem::new(
                code::UNEXPECTED,
                error,
                "this is a fault of the program: please report it",
            ));
        }
        self.db.change(|change| {
            let mut row = row_in(change, id)?;
            let is_other = row.cached && !cached && row.path.as_deref() != Some(path);
            if is_other && row.has_ready_file() {
                (row.state, row.used_unix) = (EntryState::Ready, row.used_unix.max(now_unix));
                return put(change, &row);
            }
            if is_other && !matches!(row.file_fault(), Some(FileFault::Gone(_))) {
                let error = format!("the library keeps a file of {} that is not right", row.name());
                let hint = format!(
                    "remove that one first, `minimodel library remove {} --delete-cached`, and add yours again",
                    row.name()
                );
                let problem = Problem::new(code::USAGE, error, hint);
                return Err(match &row.reason {
                    Some(reason) => problem.because(reason),
                    None => problem,
                });
            }
            let known = self.known_targets(change, &row.model_id)?;
            row = Row {
                state: EntryState::Ready,
                reason: None,
                path: Some(path.to_owned()),
                receipt: receipt.map(Path::to_owned),
                cached,
                is_going: false,
                used_unix: row.used_unix.max(now_unix),
                ..row
            };
            put(change, &row)?;
            let link: Option<Link> = change.get(Table::Active, &row.model_id)?;
            if link.is_some_and(|link| link.current == Some(id)) {
                self.place_link(&row, &known)?;
            }
            Ok::<_, Problem>(())
        })?;
        self.get(id)
    }

    /// Records that an entry is used now: served, verified or activated. Writes nothing if a use was recorded within the last
    /// minute.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn touch(&self, id: u64, now_unix: u64) -> Result<Entry, Problem> {
        if now_unix < self.row(id)?.used_unix.saturating_add(USE_SECONDS) {
            return self.get(id);
        }
        self.update(id, |row| {
            row.used_unix = row.used_unix.max(now_unix);
            Ok(())
        })
    }

    /// Rechecks a Ready entry by its file's existence and length: a missing cached file makes it Available; a missing user's own
    /// file, or any change of length, Failed. The file is not read.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn refresh(&self, id: u64) -> Result<Entry, Problem> {
        if self.row(id)?.state != EntryState::Ready {
            return self.get(id);
        }
        self.update(id, |row| {
            match row.file_fault().filter(|_| row.state == EntryState::Ready) {
                None => {}
                Some(FileFault::Gone(_)) if row.cached => row.lose_file(),
                Some(fault) => row.fail(fault.text()),
            }
            Ok(())
        })
    }

    /// [`Library::refresh`] for all entries.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn refresh_all(&self) -> Result<(), Problem> {
        for row in self.rows()? {
            if row.state == EntryState::Ready && row.file_fault().is_some() {
                self.refresh(row.id)?;
            }
        }
        Ok(())
    }

    /// Checks an entry's file in full by `check` and records the result: Ready, or Failed with the reason. Nothing is recorded if
    /// the entry has another file by then.
    ///
    /// # Errors
    ///
    /// There is no file; it was evicted, removed or replaced meanwhile; or the error of `check`. The entry becomes Failed only if
    /// that error says that the bytes are wrong.
    pub fn verify(
        &self,
        id: u64,
        check: &dyn Fn(&Manifest, &Path) -> Result<(), Problem>,
        now_unix: u64,
    ) -> Result<Entry, Problem> {
        let manifest = self.parsed_manifest(id)?;
        let checked = self.row(id)?;
        let Some(path) = checked.path.clone() else {
            let error = format!("no file of {} is here to be checked", checked.name());
            let hint = "fetch it, or add a file that you have: `minimodel library add MANIFEST FILE.slm`";
            return Err(Problem::new(code::NOT_FOUND, error, hint));
        };
        if let Some(FileFault::Gone(cause)) = checked.file_fault() {
            self.refresh(id)?;
            let error = format!("the file of {} cannot be checked", checked.name());
            let hint =
                "fetch it again, or add it from where it is now: `minimodel library add MANIFEST FILE.slm`";
            return Err(Problem::new(code::NOT_FOUND, error, hint).because(cause));
        }
        let found = check(&manifest, &path);
        let reason = match &found {
            Ok(()) => None,
            Err(problem) if problem.code == code::VERIFICATION => {
                Some(problem.cause.clone().unwrap_or_else(|| problem.error.clone()))
            }
            Err(_) => return found.and_then(|()| self.get(id)),
        };
        let entry = self.update(id, |row| {
            if (&row.path, row.cached) != (&checked.path, checked.cached) {
                let error = format!("the file of {} was replaced while it was checked", row.name());
                let hint = "see where it is now, `minimodel library show`, and check that: `minimodel library verify`";
                return Err(Problem::new(code::BUSY, error, hint));
            }
            match reason {
                None => {
                    (row.state, row.reason, row.is_going) = (EntryState::Ready, None, false);
                    row.used_unix = row.used_unix.max(now_unix);
                }
                Some(reason) => row.fail(reason),
            }
            Ok(())
        })?;
        found.map(|()| entry)
    }
}
