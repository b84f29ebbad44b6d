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

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use minimodel_swarm::store::files::{self, NewFile};
use minimodel_wire::PeerId;

use crate::event::{Event, Watcher};
use crate::home::{Home, HomeError};
use crate::input::{self, OpenError};
use crate::private::{self, Exposed, Others};

const FILE_NAME: &str = "identity.key";
const HEAD: &str = "minimodel-identity 1";

/// Longer than any valid file, which has 149 bytes.
const MAX_BYTES: u64 = 1024;

/// The key and where it is kept.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use minimodel::{Home, Identity};
///
/// let home = Home::at(folder.path());
/// let identity = Identity::load_or_create(&home, &())?;
/// assert!(identity.is_new && Identity::known(&home) == Some(identity.peer_id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The key that signs and that TLS proves.
    pub key: SigningKey,
    /// Its file.
    pub path: PathBuf,
    /// True if it was created just now.
    pub is_new: bool,
}

/// Why there is no identity to use.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use minimodel::{Identity, IdentityError};
///
/// let identity = Identity::create_new(&home, &())?;
/// // A second key is never made over the first: the program goes on with the one that is there.
/// let again = Identity::create_new(&home, &());
/// assert!(matches!(again, Err(IdentityError::Exists { path }) if path == identity.path));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its file was not opened.
    #[error("the identity `{}` was not opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// Its file could not be read.
    #[error("the identity `{}` could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another account owns its file or has access to it.
    #[error("the identity `{}` is not this user's alone: {exposed}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The foreign owner, or the mode.
        exposed: Exposed,
    },
    /// Its file is not what this program wrote.
    #[error("the identity `{}` is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. It never quotes the text, which is secret.
        damage: IdentityDamage,
    },
    /// Its name is a symbolic link that leads nowhere; it is not filled through the link.
    #[error("the identity `{}` is a link that leads nowhere", path.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// There is an identity already, and it is never replaced.
    #[error("there is an identity already: `{}`", path.display())]
    Exists {
        /// Its file.
        path: PathBuf,
    },
    /// The system gave no random numbers for a new key.
    #[error("the system gave no randomness: {0}")]
    NoRandomness(io::Error),
    /// The data folder could not be created.
    #[error("the data folder `{}` could not be created", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new identity could not be written.
    #[error("the identity `{}` could not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What is wrong with the text of an identity.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let identity = Identity::create_new(&minimodel::Home::at(folder.path()), &())?;
/// use minimodel::{Identity, IdentityError, identity::IdentityDamage};
///
/// std::fs::write(&identity.path, "not a key\n")?;
/// // The program asks its user for a copy of the file, and makes no other key.
/// let Err(IdentityError::Damaged { damage, .. }) = Identity::read(&identity.path) else { panic!() };
/// assert_eq!(damage, IdentityDamage::Head);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityDamage {
    /// It is not UTF-8.
    NoText,
    /// Its last line has no line end.
    NoEnd,
    /// Its first line is not that of this version.
    Head,
    /// Its second line is not a seed.
    NoSeed,
    /// Its seed is not lowercase hex.
    SeedDigits,
    /// Its seed has not 64 digits.
    SeedLength,
    /// Its third line is not a peer id.
    NoPeer,
    /// It has more than three lines.
    Lines,
    /// Its peer id does not belong to its seed.
    OtherPeer,
}

impl fmt::Display for IdentityDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoText => "it is not text",
            Self::NoEnd => "its last line has no end",
            Self::Head => "its first line is not `minimodel-identity 1`",
            Self::NoSeed => "its second line is not a seed",
            Self::SeedDigits => "its seed is not lowercase hex",
            Self::SeedLength => "its seed has not 64 digits",
            Self::NoPeer => "its third line is not a peer id",
            Self::Lines => "it has more than three lines",
            Self::OtherPeer => "its peer id does not belong to its seed",
        })
    }
}

impl Identity {
    /// The peer id.
    pub fn peer_id(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    /// The publisher's key id, as manifests spell it.
    pub fn key_id(&self) -> String {
        format!("ed25519:{}", HEXLOWER.encode(self.key.verifying_key().as_bytes()))
    }

    /// Where the identity of this user is or will be.
    ///
    /// # Errors
    ///
    /// As [`Home::data`].
    pub fn path_in(home: &Home) -> Result<PathBuf, HomeError> {
        Ok(home.data()?.join(FILE_NAME))
    }

    /// The peer id of this user, if there is an identity that can be read.
    pub fn known(home: &Home) -> Option<PeerId> {
        Self::path_in(home).ok().and_then(|path| Self::read(&path).ok()).map(|identity| identity.peer_id())
    }

    /// Reads the identity of this user, or creates it and tells the watcher so.
    ///
    /// # Errors
    ///
    /// The identity cannot be used, or no new one can be created.
    pub fn load_or_create(home: &Home, watcher: &dyn Watcher) -> Result<Self, IdentityError> {
        let path = Self::path_in(home)?;
        match Self::read(&path) {
            Err(IdentityError::Open { source, .. }) if source.is_missing() => {}
            other => return other,
        }
        if path.is_symlink() {
            return Err(IdentityError::DanglingLink { path });
        }
        match create(&path) {
            Ok(identity) => {
                announce(&identity, watcher);
                Ok(identity)
            }
            // Another process was faster; its key is the identity.
            Err(_) if path.symlink_metadata().is_ok() => Self::read(&path),
            Err(error) => Err(error),
        }
    }

    /// Creates the identity of this user.
    ///
    /// # Errors
    ///
    /// There is an identity already, or none can be created.
    pub fn create_new(home: &Home, watcher: &dyn Watcher) -> Result<Self, IdentityError> {
        let path = Self::path_in(home)?;
        if path.symlink_metadata().is_ok() {
            return Err(IdentityError::Exists { path });
        }
        let identity = create(&path)?;
        announce(&identity, watcher);
        Ok(identity)
    }

    /// Reads an identity file at any path, under the same rules.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or is exposed to other accounts.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let opened = input::open(path);
        let opened = opened.map_err(|source| IdentityError::Open { path: path.to_owned(), source })?;
        let failed = |source| IdentityError::Read { path: path.to_owned(), source };
        let metadata = opened.file.metadata().map_err(failed)?;
        if let Some(exposed) = Exposed::look(&metadata, Others::Nothing) {
            return Err(IdentityError::Exposed { path: path.to_owned(), exposed });
        }
        let mut text = Vec::new();
        opened.file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        let key = parse(&text);
        let key = key.map_err(|damage| IdentityError::Damaged { path: path.to_owned(), damage })?;
        Ok(Self { key, path: path.to_owned(), is_new: false })
    }
}

fn announce(identity: &Identity, watcher: &dyn Watcher) {
    watcher.tell(Event::IdentityCreated { peer: identity.peer_id(), path: identity.path.clone() });
}

fn create(path: &Path) -> Result<Identity, IdentityError> {
    if let Some(folder) = path.parent() {
        private::create_folder(folder)
            .map_err(|source| IdentityError::CreateFolder { path: folder.to_owned(), source })?;
    }
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed).map_err(|error| IdentityError::NoRandomness(io::Error::other(error)))?;
    let identity = Identity { key: SigningKey::from_bytes(&seed), path: path.to_owned(), is_new: true };
    // Written whole or not at all, so that a process that starts at the same time never reads half a key.
    let write = || {
        let mut file = NewFile::create(path, files::PRIVATE)?;
        file.fill(render(&identity).as_bytes())?;
        // Some file systems cannot sync a folder; the file itself is synced by then.
        let _ = file.place()?.sync_folder();
        Ok(())
    };
    write().map_err(|source| IdentityError::Write { path: path.to_owned(), source })?;
    Ok(identity)
}

fn render(identity: &Identity) -> String {
    let seed = HEXLOWER.encode(identity.key.as_bytes());
    format!("{HEAD}\nseed {seed}\npeer {}\n", identity.peer_id())
}

/// Parses exactly what `render` writes.
fn parse(text: &[u8]) -> Result<SigningKey, IdentityDamage> {
    let text = std::str::from_utf8(text).map_err(|_| IdentityDamage::NoText)?;
    let mut lines = text.strip_suffix('\n').ok_or(IdentityDamage::NoEnd)?.split('\n');
    if lines.next() != Some(HEAD) {
        return Err(IdentityDamage::Head);
    }
    let seed = lines.next().and_then(|line| line.strip_prefix("seed ")).ok_or(IdentityDamage::NoSeed)?;
    let seed = HEXLOWER.decode(seed.as_bytes()).map_err(|_| IdentityDamage::SeedDigits)?;
    let seed: [u8; 32] = seed.try_into().map_err(|_| IdentityDamage::SeedLength)?;
    let peer = lines.next().and_then(|line| line.strip_prefix("peer ")).ok_or(IdentityDamage::NoPeer)?;
    if lines.next().is_some() {
        return Err(IdentityDamage::Lines);
    }
    let key = SigningKey::from_bytes(&seed);
    match peer.parse::<PeerId>() {
        Ok(peer) if peer.0 == key.verifying_key().to_bytes() => Ok(key),
        _ => Err(IdentityDamage::OtherPeer),
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
        let identity = Identity::read(&path).unwrap();
        assert_eq!(render(&identity), text);
        assert_eq!(text.len(), 149);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    // Rows: C6
    #[test]
    fn damaged_identity_file_is_error_without_secret_and_left_as_is() {
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
            let error = Identity::read(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }));
            assert!(!format!("{error} {error:?}").contains(&seed[..8]), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    // Rows: C6
    #[test]
    fn a_file_that_others_may_touch_is_refused_bit_by_bit() {
        let (_folder, path) = made();
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            fs::set_permissions(&path, Permissions::from_mode(0o600 | bit)).unwrap();
            let Err(IdentityError::Exposed { exposed, .. }) = Identity::read(&path) else {
                panic!("{bit:o} is not refused")
            };
            assert_eq!(exposed, Exposed::Mode(0o600 | bit));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(Identity::read(&path).is_ok());
    }
}
