//! The identity of this user: one Ed25519 key, created on first use, never replaced.
//!
//! The file `identity.key` in the data folder is text, three lines, mode 0600:
//!
//! ```text
//! minimodel-identity 1
//! seed 64 lowercase hex digits, the secret
//! peer 52 characters, the peer id that belongs to it
//! ```
//!
//! The third line makes a changed digit an error instead of another identity. A file that is damaged, cannot be read, is
//! not this user's, or is accessible to others is an error that names the next step. The seed is all that is needed to
//! act as this peer and publisher, so nothing is guessed and nothing is repaired.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use minimodel_companion::{Exposed, Others};
use minimodel_wire::PeerId;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folders::{self, Folders};
use crate::input;
use crate::output::Output;
use crate::printer::Printer;

const FILE_NAME: &str = "identity.key";
const HEAD: &str = "minimodel-identity 1";
const WHAT: &str = "identity";

/// Longer than any valid file, which has 149 bytes.
const MAX_BYTES: u64 = 1024;

/// The key and where it is kept.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The key that signs and that TLS proves.
    pub(crate) key: SigningKey,
    /// Its file.
    pub(crate) path: PathBuf,
    /// True if it was created just now.
    pub(crate) is_new: bool,
}

impl Identity {
    /// The peer id.
    pub(crate) fn peer_id(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    /// The publisher's key id, as manifests spell it.
    pub(crate) fn key_id(&self) -> String {
        format!("ed25519:{}", HEXLOWER.encode(self.key.verifying_key().as_bytes()))
    }
}

/// Where the identity is or will be.
pub(crate) fn path(folders: &Folders) -> Result<PathBuf, Failure> {
    Ok(folders.data()?.join(FILE_NAME))
}

/// The peer id of this user, if there is an identity that can be read.
pub(crate) fn known(folders: &Folders) -> Option<PeerId> {
    path(folders).ok().and_then(|path| read(&path).ok()).map(|identity| identity.peer_id())
}

/// Reads the identity, or creates it and says so on stderr.
pub(crate) fn load_or_create(folders: &Folders, printer: &Printer) -> Result<Identity, Failure> {
    let path = path(folders)?;
    match read(&path) {
        Err(failure) if failure.class == Exit::NotFound => {}
        other => return other,
    }
    if path.is_symlink() {
        let hint = format!("see where it leads: `ls -l {}`", escape::shell_word(path.as_os_str()));
        return Err(
            refused(&path, hint).because("it is a link that leads nowhere, and is not filled through")
        );
    }
    match create(&path) {
        Ok(identity) => {
            announce(&identity, printer);
            Ok(identity)
        }
        // Another process was faster; its key is the identity.
        Err(_) if path.symlink_metadata().is_ok() => read(&path),
        Err(failure) => Err(failure),
    }
}

/// Creates the identity; fails if there is one already.
pub(crate) fn create_new(folders: &Folders, printer: &Printer) -> Result<Identity, Failure> {
    let path = path(folders)?;
    if path.symlink_metadata().is_ok() {
        let shown = escape::path(&path);
        let word = escape::shell_word(path.as_os_str());
        return Err(Failure::new(
            Exit::Io,
            format!("there is an identity already: `{shown}`"),
            format!("keep it (`minimodel id show`), or move it away first: `mv {word} {word}.old`"),
        )
        .because("an identity is never replaced: offers, allow lists and signatures depend on it"));
    }
    let identity = create(&path)?;
    announce(&identity, printer);
    Ok(identity)
}

fn announce(identity: &Identity, printer: &Printer) {
    printer.note(format!("created the identity {} in {}", identity.peer_id(), escape::path(&identity.path)));
    printer.note("keep that file secret and keep a copy of it: it cannot be made again");
}

fn create(path: &Path) -> Result<Identity, Failure> {
    if let Some(folder) = path.parent() {
        folders::create(folder).map_err(|error| Failure::writing("data folder", folder, &error))?;
    }
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Failure::unexpected(
            "cannot create an identity",
            &anyhow::anyhow!("the system gave no randomness: {error}"),
        )
    })?;
    let identity = Identity { key: SigningKey::from_bytes(&seed), path: path.to_owned(), is_new: true };
    // Written whole or not at all, so that a process that starts at the same time never reads half a key.
    let mut output = Output::create_private(WHAT, path)?;
    output.fill(render(&identity).as_bytes())?;
    output.commit()?;
    Ok(identity)
}

fn render(identity: &Identity) -> String {
    let seed = HEXLOWER.encode(identity.key.as_bytes());
    format!("{HEAD}\nseed {seed}\npeer {}\n", identity.peer_id())
}

/// Reads an identity file at any path, under the same rules.
pub(crate) fn read(path: &Path) -> Result<Identity, Failure> {
    let opened = input::open(WHAT, path)?;
    let failed = |error: std::io::Error| Failure::reading(WHAT, path, &error);
    let metadata = opened.file.metadata().map_err(failed)?;
    let word = escape::shell_word(path.as_os_str());
    if let Some(exposed) = Exposed::look(&metadata, Others::Nothing) {
        let (hint, cause) = match exposed {
            Exposed::Foreign { .. } => {
                (format!("see `ls -l {word}`; each user has an identity of their own"), exposed.to_string())
            }
            Exposed::Mode(mode) => (
                format!("if nobody has read it, close it: `chmod 600 {word}`"),
                format!("its mode {mode:04o} lets others at the secret key"),
            ),
        };
        return Err(refused(path, hint).because(cause));
    }
    let mut text = Vec::new();
    opened.file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
    let key = parse(&text).map_err(|cause| {
        let hint = format!(
            "restore it from a copy; if there is none, move it away (`mv {word} {word}.damaged`) and a new identity is made"
        );
        refused(path, hint).because(format!("it is damaged: {cause}"))
    })?;
    Ok(Identity { key, path: path.to_owned(), is_new: false })
}

fn refused(path: &Path, hint: String) -> Failure {
    Failure::new(Exit::Io, format!("the identity `{}` cannot be used", escape::path(path)), hint)
}

/// Parses exactly what `render` writes. The causes never quote the text, which is secret.
fn parse(text: &[u8]) -> Result<SigningKey, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut lines = text.strip_suffix('\n').ok_or("its last line has no end")?.split('\n');
    if lines.next() != Some(HEAD) {
        return Err("its first line is not `minimodel-identity 1`");
    }
    let seed =
        lines.next().and_then(|line| line.strip_prefix("seed ")).ok_or("its second line is not a seed")?;
    let seed = HEXLOWER.decode(seed.as_bytes()).map_err(|_| "its seed is not lowercase hex")?;
    let seed: [u8; 32] = seed.try_into().map_err(|_| "its seed has not 64 digits")?;
    let peer =
        lines.next().and_then(|line| line.strip_prefix("peer ")).ok_or("its third line is not a peer id")?;
    if lines.next().is_some() {
        return Err("it has more than three lines");
    }
    let key = SigningKey::from_bytes(&seed);
    match peer.parse::<PeerId>() {
        Ok(peer) if peer.0 == key.verifying_key().to_bytes() => Ok(key),
        _ => Err("its peer id does not belong to its seed"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join(FILE_NAME);
        create(&path).unwrap();
        (folder, path)
    }

    #[test]
    fn a_created_identity_reads_back_and_is_private() {
        let (_folder, path) = made();
        let text = fs::read_to_string(&path).unwrap();
        let identity = read(&path).unwrap();
        assert_eq!(render(&identity), text);
        assert_eq!(text.len(), 149);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn c6_a_damaged_file_is_an_error_that_shows_no_secret_and_is_left_alone() {
        let (_folder, path) = made();
        let good = fs::read_to_string(&path).unwrap();
        let seed = good.lines().nth(1).unwrap()[5..].to_owned();
        let flipped = if seed.starts_with('0') {
            good.replacen("seed 0", "seed 1", 1)
        } else {
            good.replacen(&seed[..1], "0", 1)
        };
        let cases: Vec<Vec<u8>> = vec![
            vec![],
            b"\n".to_vec(),
            good[..good.len() - 1].into(),
            good[..60].into(),
            good.replace("identity 1", "identity 2").into(),
            good.replace(&seed, &seed.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")).into(),
            good.replace(&seed, &seed[..62]).into(),
            flipped.into(),
            format!("{good}\n").into(),
            format!("{good}{}", "x".repeat(5000)).into(),
            good.replace('\n', "\r\n").into(),
            [good.as_bytes(), b"\xff\n"].concat(),
        ];
        for bytes in cases {
            fs::write(&path, &bytes).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.class, Exit::Io);
            let cause = failure.cause.unwrap();
            assert!(cause.starts_with("it is damaged: ") && !cause.contains(&seed[..8]), "{cause}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn c6_a_file_that_others_may_touch_is_refused_bit_by_bit() {
        let (_folder, path) = made();
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            fs::set_permissions(&path, Permissions::from_mode(0o600 | bit)).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.class, Exit::Io);
            assert!(failure.hint.contains("chmod 600"), "{bit:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
    }
}
