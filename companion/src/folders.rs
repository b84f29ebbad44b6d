//! Folders that the user allowed for choosing a file, so that its path need not be typed. None is allowed unless the user did so with
//! `minimodel companion folders add`; no call of the interface allows one.
//!
//! Told are names, lengths and kinds, of folders and model files of this user or root alone, and the text of manifests that hold. No link is followed, whatever becomes of
//! the path meanwhile: a folder is opened one name after the other, and what is in it is looked at from there.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use minimodel::private::{Exposed, Others, check_folder};
use minimodel_swarm::os::{FileKind, Folder, Open, OpenWith as _, Owner, Stat, is_loop, stat_file};
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::ArtifactName;
use minimodel_verifier::manifest::MAX_MANIFEST_BYTES;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::model::{FileEntry, Files, validate};
use crate::problem::{Problem, code, writing};
use crate::shell;

/// The list, in the companion's folder.
const LIST: &str = "folders.json";
/// Held while the list is changed.
const LOCK: &str = "folders.lock";
/// Longest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 1 << 20;
/// Most folders that are allowed at once.
pub const MAX_FOLDERS: usize = 64;
/// Most entries of one answer.
pub const MAX_ENTRIES: usize = 1_000;
/// Most names of a folder that are looked at.
const MAX_NAMES: usize = 20_000;

/// `folders.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    folders: Vec<PathBuf>,
}

/// The folders that the user allowed, as the companion's folder records them.
#[derive(Clone, Debug)]
pub struct AllowedFolders {
    folder: PathBuf,
}

impl AllowedFolders {
    /// The record in the companion's folder; nothing is opened or created.
    pub fn below(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Reads the folders, in the order in which they were allowed.
    ///
    /// # Errors
    ///
    /// The list cannot be read, is damaged, or others may write to it.
    pub fn list(&self) -> Result<Vec<PathBuf>, Problem> {
        let path = self.folder.join(LIST);
        let unread = |error: &dyn std::error::Error| {
            let hint = format!("see what it is and who may use it: `ls -l {}`", shell::word(&path));
            Problem::new(code::IO, format!("cannot read `{}`", path.display()), hint).because(error)
        };
        let opened = Folder::open_no_link(&self.folder)
            .and_then(|folder| folder.base().open(Path::new(LIST), Open::Read));
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| unread(&error))?,
        };
        if let Some(exposed) = Exposed::of_file(&file, Others::Read).map_err(|error| unread(&error))? {
            let hint = format!(
                "look at it, then remove it and allow your folders anew: `rm {}`",
                shell::word(&path)
            );
            let error = format!("`{}` may be written by others, and allows no folder", path.display());
            return Err(Problem::new(code::IO, error, hint).because(exposed));
        }
        let mut text = String::new();
        file.take(MAX_LIST_BYTES).read_to_string(&mut text).map_err(|error| unread(&error))?;
        let damaged = |cause: String| {
            let hint = format!("remove it, and allow your folders anew: `rm {}`", shell::word(&path));
            Problem::new(code::INVALID, format!("`{}` is not what it was", path.display()), hint)
                .because(cause)
        };
        let List { folders } = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if let Some(odd) = folders.iter().find(|folder| !folder.is_absolute()) {
            return Err(damaged(format!("{} is no whole path", odd.display())));
        }
        Ok(folders)
    }

    /// Allows a folder, and returns its path without links. One that is allowed already stays so.
    ///
    /// # Errors
    ///
    /// It is no folder or another account's, its path is not UTF-8, [`MAX_FOLDERS`] are allowed, or the list cannot be written.
    pub fn add(&self, folder: &Path) -> Result<PathBuf, Problem> {
        let place = fs::canonicalize(folder).map_err(|error| unusable(folder, &error))?;
        open(&place)?;
        if place.to_str().is_none() {
            return Err(unusable(folder, &io::Error::other("its path is not UTF-8")));
        }
        self.change(|folders| {
            if folders.contains(&place) {
                return Ok(());
            }
            if folders.len() >= MAX_FOLDERS {
                let hint = "take back one that you do not need: `minimodel companion folders remove PATH`";
                return Err(Problem::new(
                    code::QUOTA,
                    format!("{MAX_FOLDERS} folders are allowed already"),
                    hint,
                ));
            }
            folders.push(place.clone());
            Ok(())
        })?;
        Ok(place)
    }

    /// Takes back that a folder is allowed, which need not exist any more, and returns its path.
    ///
    /// # Errors
    ///
    /// It is not allowed, or the list cannot be written.
    pub fn remove(&self, folder: &Path) -> Result<PathBuf, Problem> {
        let named = std::path::absolute(folder).map_err(|error| unusable(folder, &error))?;
        let real = fs::canonicalize(folder).unwrap_or_else(|_| named.clone());
        let mut gone = None;
        self.change(|folders| {
            // A folder that became a link since is meant by its name.
            let found = folders.iter().position(|it| *it == named);
            let found = found.or_else(|| folders.iter().position(|it| *it == real));
            gone = found.map(|position| folders.remove(position));
            if gone.is_some() {
                return Ok(());
            }
            let error = format!("`{}` is not an allowed folder", named.display());
            Err(Problem::new(code::NOT_FOUND, error, "see which are: `minimodel companion folders list`"))
        })?;
        Ok(gone.unwrap_or(named))
    }

    /// Lists an allowed folder or one below it; without `under` only which folders are allowed.
    ///
    /// # Errors
    ///
    /// The path is not below an allowed folder, has a link in it, is another account's, or cannot be read.
    pub fn files(&self, under: Option<&Path>) -> Result<Files, Problem> {
        let allowed = self.list()?;
        let roots = allowed.iter().map(|root| root.to_string_lossy().into_owned()).collect();
        let Some(under) = under else { return Ok(Files { roots, ..Files::default() }) };
        validate::path("under", under)?;
        let folder = open_allowed(under, &allowed)?;
        let mut names = folder.names().map_err(|error| unusable(under, &error))?;
        let looked_at = names.by_ref().take(MAX_NAMES);
        let mut entries: Vec<_> = looked_at.filter_map(|name| entry(&folder, under, &name)).collect();
        entries.sort_by(|one, other| (!one.is_dir, &one.name).cmp(&(!other.is_dir, &other.name)));
        let more = entries.len() > MAX_ENTRIES || names.next().is_some();
        entries.truncate(MAX_ENTRIES);
        Ok(Files { roots, entries, more })
    }

    /// Reads the text of a manifest that lies below an allowed folder; of another file nothing is told.
    ///
    /// # Errors
    ///
    /// The path is not below an allowed folder or has a link in it, it is no manifest that holds, or another account's.
    pub fn manifest(&self, path: &Path) -> Result<String, Problem> {
        validate::path("path", path)?;
        let none = |cause: &dyn std::fmt::Display| {
            let error = format!("`{}` is no manifest that can be chosen", path.display());
            Problem::new(code::NOT_FOUND, error, "choose a .minimodel file of yours, or give its text")
                .because(cause)
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(none(&"it names no file"));
        };
        let folder = open_allowed(parent, &self.list()?)?;
        if !name.to_string_lossy().ends_with(ArtifactName::MANIFEST_ENDING) || is_hidden(name) {
            return Err(none(&"its name ends in another way"));
        }
        let file = folder.base().open(Path::new(name), Open::Read).map_err(|error| none(&error))?;
        let stat = stat_file(&file).map_err(|error| none(&error))?;
        if stat.kind != FileKind::File || is_foreign(&stat) {
            return Err(none(&"it is no file of this user"));
        }
        let mut text = String::new();
        let most = MAX_MANIFEST_BYTES as u64 + 1;
        file.take(most).read_to_string(&mut text).map_err(|error| none(&error))?;
        Manifest::parse(text.as_bytes()).map_err(|error| none(&error))?;
        Ok(text)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<PathBuf>) -> Result<(), Problem>) -> Result<(), Problem> {
        files::create_folder(&self.folder)?;
        check_folder(&self.folder)?;
        // Held until the end of this function, so that two commands never lose each other's folders.
        let _lock = lock(&self.folder.join(LOCK))?;
        let mut folders = self.list()?;
        change(&mut folders)?;
        let path = self.folder.join(LIST);
        let text = serde_json::to_string(&List { folders });
        let text = text.map_err(|error| writing(&path, &error.into()))?;
        files::write(&path, format!("{text}\n").as_bytes())
    }
}

fn lock(path: &Path) -> Result<File, Problem> {
    let mut options = OpenOptions::new();
    let file = options.create(true).write(true).truncate(false).private().open_no_link(path);
    let locked = file.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| writing(path, &error))
}

/// Whether a path is this root or below it, as far as the names go; hidden names below a root are left out.
fn is_below(path: &Path, root: &Path) -> bool {
    let Ok(rest) = path.strip_prefix(root) else { return false };
    rest.components().all(|part| matches!(part, Component::Normal(name) if !is_hidden(name)))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Opens a folder that is allowed, or one below it. Nothing is told of any other path, not even whether it exists.
fn open_allowed(under: &Path, allowed: &[PathBuf]) -> Result<Folder, Problem> {
    if !allowed.iter().any(|root| is_below(under, root)) {
        let error = format!("`{}` is not below a folder that is allowed", under.display());
        let hint =
            format!("allow it on a terminal: `minimodel companion folders add {}`", shell::word(under));
        return Err(Problem::new(code::CONSENT, error, hint));
    }
    open(under)
}

/// Opens a folder of this user or root, at a path without links.
fn open(path: &Path) -> Result<Folder, Problem> {
    let folder = Folder::open_without_links(path).map_err(|error| unusable(path, &error))?;
    let stat = stat_file(folder.as_file()).map_err(|error| unusable(path, &error))?;
    if is_foreign(&stat) {
        let error = format!("the folder `{}` belongs to another account", path.display());
        let hint = "its owner decides what is in it: name files there by their whole path";
        return Err(Problem::new(code::CONSENT, error, hint).because(format!("user {}", stat.owner_account)));
    }
    Ok(folder)
}

fn is_foreign(stat: &Stat) -> bool {
    stat.owner == Owner::Other
}

/// Returns what is told of a name; `None` for what is left out.
fn entry(folder: &Folder, at: &Path, name: &OsStr) -> Option<FileEntry> {
    let text = name.to_str().filter(|_| !is_hidden(name))?;
    // Of a link itself.
    let stat = folder.base().stat(Path::new(name)).ok().filter(|stat| !is_foreign(stat))?;
    let is_model = || text.ends_with(ArtifactName::MANIFEST_ENDING) || ArtifactName::of_file(text).is_some();
    let (is_dir, bytes) = match stat.kind {
        FileKind::Folder => (true, 0),
        FileKind::File if is_model() => (false, stat.byte_count),
        _ => return None,
    };
    Some(FileEntry { name: text.to_owned(), path: at.join(name).to_str()?.to_owned(), is_dir, bytes })
}

fn unusable(folder: &Path, error: &io::Error) -> Problem {
    let (code, hint) = match error.kind() {
        io::ErrorKind::NotFound => (code::NOT_FOUND, "name a folder that is there"),
        // A link in the place of a folder is refused as one, too.
        _ if is_loop(error) || error.kind() == io::ErrorKind::NotADirectory => {
            (code::NOT_FOUND, "name a folder, by a path without links: no link is followed here")
        }
        _ => (code::IO, "see whether you may read it: `ls -ld` of it"),
    };
    Problem::new(code, format!("the folder `{}` cannot be used", folder.display()), hint).because(error)
}
