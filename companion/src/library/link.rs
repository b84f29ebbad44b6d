//! Active version of a model: a symbolic link `active/MODEL-ID.slm` below the library's folder.
//!
//! The database records the link's target. The link is renamed into place inside the transaction that records it, so a reader
//! sees the old version or the new one, never none. [`Library::settle`] repairs what a crash left in between.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minimodel::private;
use minimodel_swarm::os::{Base, Folder, create_link, is_unsupported, link_target};
use minimodel_swarm::store::step;
use minimodel_verifier::artifact::{ArtifactName, Format};

use super::row::{Link, Row, format_of};
use super::{Library, disk, put, row_in, rows_in};
use crate::db::{Change, Table, number_key};
use crate::model::{Activated, EntryState};
use crate::problem::{Problem, code};

/// Relative target of links to cached files, so that the library's folder can be moved as a whole.
const OWN_FOLDER: &str = "../models";

impl Library {
    /// Points the model's link at this version.
    ///
    /// # Errors
    ///
    /// The entry is not Ready; its file is missing or has another length; the link's name is taken by something that is not the
    /// library's link; or a disk error. Nothing has changed then.
    pub fn activate(&self, id: u64, now_unix: u64) -> Result<Activated, Problem> {
        self.lead(now_unix, |change| {
            let model_id = row_in(change, id)?.model_id;
            let mut link: Link = change.get(Table::Active, &model_id)?.unwrap_or_default();
            let left = link.current.filter(|&left| left != id);
            link.lead_to(id);
            Ok((model_id, link, left))
        })
    }

    /// Points the model's link back at the version that was active before the last activation; the next call goes one further
    /// back. A version that is not ready, for example evicted, is skipped and dropped from the history.
    ///
    /// # Errors
    ///
    /// No earlier version is ready; or as [`Library::activate`].
    pub fn rollback(&self, model_id: &str, now_unix: u64) -> Result<Activated, Problem> {
        self.lead(now_unix, |change| {
            let mut link: Link = change.get(Table::Active, model_id)?.unwrap_or_default();
            let (left, mut passed) = (link.current, Vec::new());
            while let Some((id, _)) = link.lead_back() {
                let row: Option<Row> = change.get(Table::Entries, &number_key(id))?;
                match row {
                    // The history leads back to the version that is active now.
                    Some(_) if Some(id) == left => {}
                    Some(row) if row.state == EntryState::Ready && row.file_fault().is_none() => {
                        return Ok((model_id.to_owned(), link, left));
                    }
                    Some(row) => passed.push(row.name()),
                    None => {}
                }
            }
            let error = format!("no version of `{model_id}` is known to have been active before and is ready");
            let hint = "see the versions there are, `minimodel library list`, and choose one: `minimodel library \
                        activate NAME`";
            let problem = Problem::new(code::NOT_FOUND, error, hint);
            passed.dedup();
            Err(if passed.is_empty() {
                problem
            } else {
                problem.because(format!("not ready: {}", passed.join(", ")))
            })
        })
    }

    /// Restores every link to its target in the database, after a crash or when someone removed it, and completes removals of
    /// files that a crash interrupted. Returns the problems that could not be repaired.
    pub fn settle(&self) -> Vec<Problem> {
        let mut problems = self.settle_links();
        problems.extend(self.sweep_rest());
        problems
    }

    fn settle_links(&self) -> Vec<Problem> {
        let mend = |model_id: &str, id: u64| {
            self.db.change(|change| {
                let row = row_in(change, id)?;
                if row.state != EntryState::Ready || row.file_fault().is_some() {
                    return Ok(());
                }
                let known = self.known_targets(change, model_id)?;
                self.place_link(&row, &known)
            })
        };
        match self.links() {
            Ok(links) => {
                let all = links.iter().filter_map(|(model_id, link)| Some((model_id, link.current?)));
                all.filter_map(|(model_id, id)| mend(model_id, id).err()).collect()
            }
            Err(problem) => vec![problem],
        }
    }

    /// Returns the path of a model's link, whose name ends as the file that it leads to.
    pub(super) fn link_path(&self, model_id: &str, format: Format) -> PathBuf {
        // A model id is a route-safe word: no slash, no dot at its beginning.
        self.folder.join("active").join(ArtifactName::new(model_id, format).file())
    }

    fn lead(
        &self,
        now_unix: u64,
        whereto: impl FnOnce(&mut Change<'_>) -> Result<(String, Link, Option<u64>), Problem>,
    ) -> Result<Activated, Problem> {
        let mut moved = None;
        let led = self.db.change(|change| {
            let (model_id, link, left) = whereto(change)?;
            let Some(id) = link.current else { return Err(super::no_such(0)) };
            let mut row = row_in(change, id)?;
            check_ready(&row)?;
            change.put(Table::Active, &model_id, &link)?;
            row.used_unix = row.used_unix.max(now_unix);
            put(change, &row)?;
            let known = self.known_targets(change, &model_id)?;
            self.place_link(&row, &known)?;
            moved = Some(model_id.clone());
            Ok((model_id, id, left))
        });
        if led.is_err() && moved.is_some() {
            // The link was placed but the transaction failed: restore the links that the database records.
            self.settle_links();
        }
        let (model_id, id, left) = led?;
        let entry = self.get(id)?;
        let path = entry.path.as_deref().map(Path::new);
        let link = self.link_path(&model_id, format_of(path)).display().to_string();
        Ok(Activated { entry, link, previous: left })
    }

    /// Returns the targets that the library's links to this model may have: the files of its entries.
    pub(super) fn known_targets(&self, change: &Change<'_>, model_id: &str) -> Result<Vec<PathBuf>, Problem> {
        let rows = rows_in(change)?.into_iter().filter(|row| row.model_id == model_id);
        Ok(rows.filter_map(|row| self.target(&row)).collect())
    }

    fn target(&self, row: &Row) -> Option<PathBuf> {
        let path = row.path.as_ref()?;
        let inside = path.strip_prefix(self.folder.join("models")).ok().filter(|_| row.cached);
        Some(inside.map_or_else(|| path.clone(), |inside| Path::new(OWN_FOLDER).join(inside)))
    }

    /// Replaces the library's own link, if any, by one to this entry's file. `known`: [`Self::known_targets`].
    pub(super) fn place_link(&self, row: &Row, known: &[PathBuf]) -> Result<(), Problem> {
        let link = self.link_path(&row.model_id, row.format());
        let Some(target) = self.target(row) else { return check_ready(row) };
        let failed = |error: io::Error| disk("put the link in place", &link, &error);
        let is_ours =
            |found: &Path| found.starts_with(OWN_FOLDER) || known.iter().any(|known| known == found);
        let found = look(&link, known).map_err(failed)?;
        match &found {
            Found::Link(found) if *found == target => return Ok(()),
            Found::Link(found) if !is_ours(found) => return Err(taken(&link)),
            Found::Other => return Err(taken(&link)),
            Found::Link(_) | Found::Nothing => {}
        }
        let folder = self.folder.join("active");
        private::create_folder(&folder).map_err(failed)?;
        let temporary =
            folder.join(format!(".{}.new", ArtifactName::new(&*row.model_id, row.format()).file()));
        match look(&temporary, known).map_err(failed)? {
            Found::Nothing => {}
            // Left by a crash.
            Found::Link(_) => step("remove", || fs::remove_file(&temporary)).map_err(failed)?,
            Found::Other => return Err(taken(&temporary)),
        }
        step("create", || create_link(&target, &temporary)).map_err(failed)?;
        let placed = match &found {
            Found::Nothing => rename(&temporary, &link),
            _ => swap(&temporary, &link, &found, known),
        };
        if let Err(error) = placed {
            let _ = fs::remove_file(&temporary);
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            return Err(if is_taken { taken(&link) } else { failed(error) });
        }
        // One of another format led to the version before.
        for other in Format::all().filter(|&format| format != row.format()) {
            let other = self.link_path(&row.model_id, other);
            if matches!(look(&other, known).map_err(failed)?, Found::Link(found) if is_ours(&found)) {
                step("remove", || fs::remove_file(&other)).map_err(failed)?;
            }
        }
        // Some file systems cannot sync a folder; `settle` repairs the link then.
        if let Ok(folder) = Folder::open(&folder) {
            let _ = step("sync_dir", || folder.sync());
        }
        Ok(())
    }

    /// Removes the link if it leads to this entry's file.
    pub(super) fn remove_link(&self, row: &Row) -> Result<(), Problem> {
        let link = self.link_path(&row.model_id, row.format());
        let failed = |error: io::Error| disk("remove the link", &link, &error);
        let target = self.target(row);
        match look(&link, target.as_slice()).map_err(failed)? {
            Found::Link(found) if Some(&found) == target.as_ref() => {
                step("remove", || fs::remove_file(&link)).map_err(failed)
            }
            _ => Ok(()),
        }
    }
}

/// What exists under a name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Link(PathBuf),
    Other,
}

/// Looks at a name; `known`: the targets that a link of the library may have.
fn look(path: &Path, known: &[PathBuf]) -> io::Result<Found> {
    match link_target(path, known) {
        Ok(Some(target)) => Ok(Found::Link(target)),
        Ok(None) => Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// Renames the new link to a name that must be free.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    or_plainly(step("rename", || Base::current().rename_no_replace(from, to)), from, to)
}

/// Exchanges the new link with the present one.
fn exchange(new: &Path, link: &Path) -> io::Result<()> {
    or_plainly(step("rename", || Base::current().exchange(new, link)), new, link)
}

/// Renames plainly where the file system supports neither: the name was checked just before.
fn or_plainly(renamed: io::Result<()>, from: &Path, to: &Path) -> io::Result<()> {
    match renamed {
        Err(error) if is_unsupported(&error) => step("rename", || fs::rename(from, to)),
        answer => answer,
    }
}

/// Exchanges the new link with the present one, and back if that is not the one expected: a file that is not the library's is
/// never replaced, even if it appeared at the last moment.
fn swap(new: &Path, link: &Path, expected: &Found, known: &[PathBuf]) -> io::Result<()> {
    exchange(new, link)?;
    match look(new, known)? {
        Found::Nothing => Ok(()),
        found if found == *expected => step("remove", || fs::remove_file(new)),
        _ => {
            exchange(new, link)?;
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }
}

fn taken(path: &Path) -> Problem {
    let error = format!("`{}` is there and is no link of the library's", path.display());
    Problem::new(code::IO, error, "it is not touched: move it away, then run the same command again")
}

fn check_ready(row: &Row) -> Result<(), Problem> {
    let name = row.name();
    let hint = format!("see how it stands: `minimodel library show {name}`");
    if row.state != EntryState::Ready {
        let error = format!("{name} is not ready, so it cannot be the active version");
        let problem = Problem::new(code::USAGE, error, hint);
        return Err(match &row.reason {
            Some(reason) => problem.because(reason),
            None => problem,
        });
    }
    match row.file_fault() {
        None => Ok(()),
        Some(fault) => {
            let error = format!("the file of {name} is not what it was, so it cannot be the active version");
            let hint = format!("check it in full: `minimodel library verify {name}`");
            Err(Problem::new(code::VERIFICATION, error, hint).because(fault.text()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    // Rows: E10, E11
    #[test]
    fn what_took_the_links_place_after_it_was_looked_at_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (new, link) = (folder.path().join("new"), folder.path().join("link"));
        let expected = Found::Link("old".into());
        symlink("new-target", &new).unwrap();
        fs::write(&link, "mine").unwrap();
        assert_eq!(swap(&new, &link, &expected, &[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&link).unwrap(), b"mine");
        assert_eq!(look(&new, &[]).unwrap(), Found::Link("new-target".into()));
        fs::remove_file(&link).unwrap();
        symlink("old", &link).unwrap();
        swap(&new, &link, &expected, &[]).unwrap();
        assert_eq!(look(&link, &[]).unwrap(), Found::Link("new-target".into()));
        assert_eq!(look(&new, &[]).unwrap(), Found::Nothing);
        // Also if the name was free and was taken meanwhile.
        symlink("third", &new).unwrap();
        let late = rename(&new, &link).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
    }
}
