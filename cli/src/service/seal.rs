//! The seal of a definition: a comment with the SHA-256 of the rest of the file, by which a later run tells a file that is as
//! this program wrote it from any other.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use minimodel_swarm::os::OpenWith as _;
use minimodel_verifier::sha256;

/// Begins the seal within its line.
const MARK: &str = "written by `minimodel companion install`, unchanged while sha256 is ";
/// Most bytes of a definition that are read; ours have about 1 KiB.
const MOST: u64 = 64 * 1024;

/// What stands at the place of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Exactly the text that would be written.
    Same,
    /// A text as an earlier run wrote it.
    Ours,
    /// Anything else: another file, a file that was changed, a link, a folder.
    Foreign,
}

/// Puts the seal into the place of the one `{seal}` in `template`.
pub(crate) fn sealed(template: &str) -> String {
    let hash = HEXLOWER.encode(&sha256(template.replacen("{seal}", "", 1).as_bytes()));
    template.replacen("{seal}", &format!("{MARK}{hash}"), 1)
}

/// Whether the text carries the seal of itself.
pub(super) fn is_intact(text: &str) -> bool {
    let Some((before, after)) = text.split_once(MARK) else { return false };
    let Some((hash, after)) = after.split_at_checked(64) else { return false };
    HEXLOWER.encode(&sha256(format!("{before}{after}").as_bytes())) == hash
}

/// Looks at what stands at `path`, without following a link, and compares it with `text`.
pub(crate) fn look(path: &Path, text: &str) -> io::Result<Found> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() {
        return Ok(Found::Foreign);
    }
    let mut bytes = Vec::new();
    // A file that has become a link or a pipe since then is neither followed nor waited for.
    OpenOptions::new().read(true).open_no_link(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(match String::from_utf8(bytes) {
        Ok(found) if found == text => Found::Same,
        Ok(found) if is_intact(&found) => Found::Ours,
        _ => Found::Foreign,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_seal_holds_for_its_own_text_alone() {
        let text = sealed("# {seal}\na = 1\n");
        assert!(is_intact(&text));
        for other in ["", "a = 1\n", &text.replace("a = 1", "a = 2"), &text.replace('#', "##"), &text[..60]] {
            assert!(!is_intact(other), "{other}");
        }
    }

    #[test]
    fn what_is_there_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unit");
        let (text, earlier) = (sealed("# {seal}\na = 1\n"), sealed("# {seal}\na = 0\n"));
        assert_eq!(look(&path, &text).unwrap(), Found::Nothing);
        for (content, found) in [
            (text.clone(), Found::Same),
            (earlier.clone(), Found::Ours),
            (format!("{earlier}b = 2\n"), Found::Foreign),
            (String::new(), Found::Foreign),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(look(&path, &text).unwrap(), found);
        }
        fs::write(&path, [0xff; 8]).unwrap();
        assert_eq!(look(&path, &text).unwrap(), Found::Foreign);
        fs::write(folder.path().join("elsewhere"), &text).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert_eq!(look(&path, &text).unwrap(), Found::Foreign);
    }
}
