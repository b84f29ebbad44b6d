//! A definition that is taken away: set aside first, and looked at there, so that what is removed is what was looked at.

use std::io;
use std::path::{Path, PathBuf};

use minimodel_swarm::store::files::rename_without_replacing;

use super::{Found, look};
use crate::escape;

/// The word in the name of a definition that is set aside while another takes its place.
pub(crate) const BEFORE: &str = "before";

/// An intact definition under another name, on which no manager acts.
#[derive(Debug)]
#[must_use = "it is put back or removed"]
pub(crate) struct Aside {
    path: PathBuf,
    aside: PathBuf,
}

/// What to say of the files that an install had set aside from this path when it was ended.
pub(crate) fn remarks_on_left(path: &Path) -> Vec<String> {
    let left = left_aside(path).into_iter().map(|left| {
        let [left, own] = [left.as_os_str(), path.as_os_str()].map(escape::shell_word);
        let what = "an install that was ended left the file that was there before";
        format!("{what}: put it back, `mv {left} {own}`, or remove it, `rm {left}`")
    });
    left.collect()
}

fn left_aside(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let begin = [name.as_encoded_bytes(), b".", BEFORE.as_bytes(), b"-"].concat();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut left: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(&begin))
        .map(|entry| entry.path())
        .collect();
    left.sort();
    left
}

/// What stood at the place of a definition when it was taken away.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Nothing.
    Nothing,
    /// A text as this program wrote it, now set aside.
    Ours(Aside),
    /// Something else, which is where it was.
    Foreign,
}

impl Aside {
    /// Takes the definition at `path` away, to a name with `word` at its end, unless it differs from what this program wrote, say because an editor has saved it a
    /// moment ago.
    ///
    /// # Errors
    ///
    /// The system's error; the file is then at its place, or under the other name.
    pub(crate) fn take(path: &Path, text: &str, word: &str) -> io::Result<Taken> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{word}-{}", std::process::id()));
        let aside = Self { path: path.to_owned(), aside: name.into() };
        match rename_without_replacing(path, &aside.aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::Nothing),
            moved => moved?,
        }
        match look(&aside.aside, text) {
            Ok(Found::Same | Found::Ours) => Ok(Taken::Ours(aside)),
            Ok(Found::Nothing) => Ok(Taken::Nothing),
            Ok(Found::Foreign) => aside.put_back().map(|()| Taken::Foreign),
            Err(error) => aside.put_back().and(Err(error)),
        }
    }

    /// Gives the definition its name again.
    ///
    /// # Errors
    ///
    /// The name is taken, or the system's error; the file keeps the other name.
    pub(crate) fn put_back(self) -> io::Result<()> {
        rename_without_replacing(&self.aside, &self.path)
    }

    /// Removes the definition.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.aside)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sealed;
    use super::*;

    #[test]
    fn only_an_intact_definition_is_taken_and_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unit");
        let (text, earlier) = (sealed("# {seal}\na = 1\n"), sealed("# {seal}\na = 0\n"));
        assert!(matches!(Aside::take(&path, &text, "before").unwrap(), Taken::Nothing));
        let changed = format!("{earlier}b = 2\n");
        fs::write(&path, &changed).unwrap();
        assert!(matches!(Aside::take(&path, &text, "before").unwrap(), Taken::Foreign));
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for text_there in [&text, &earlier] {
            fs::write(&path, text_there).unwrap();
            let Taken::Ours(aside) = Aside::take(&path, &text, "before").unwrap() else { panic!() };
            assert!(!path.exists());
            assert_eq!(
                left_aside(&path),
                std::slice::from_ref(&aside.aside),
                "a process that ends here leaves it"
            );
            aside.put_back().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), *text_there);
            let Taken::Ours(aside) = Aside::take(&path, &text, "before").unwrap() else { panic!() };
            aside.remove().unwrap();
            assert_eq!(names(), 0);
        }
        // A file that has come meanwhile is not replaced.
        fs::write(&path, &text).unwrap();
        let Taken::Ours(aside) = Aside::take(&path, &text, "before").unwrap() else { panic!() };
        fs::write(&path, "another").unwrap();
        assert_eq!(aside.put_back().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("another", 2));
    }
}
