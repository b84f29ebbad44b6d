//! The identity of this user: one Ed25519 key, created on first use, never replaced.
//!
//! A file that is damaged, cannot be read, is not this user's, or is accessible to others is an error that carries what was
//! found. The seed is all that is needed to act as this peer and publisher, so nothing is guessed and nothing is repaired.

mod error;
mod text;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use minimodel_swarm::store::files::{NewFile, Privacy};
use minimodel_wire::PeerId;

pub use self::error::{IdentityDamage, IdentityError};
use self::text::{parse, render};
use crate::event::{Event, Watcher};
use crate::home::{Home, HomeError};
use crate::input;
use crate::private::{self, Exposed, Others};

const FILE_NAME: &str = "identity.key";

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
        if let Some(exposed) = Exposed::of_file(&opened.file, Others::Nothing).map_err(failed)? {
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
        let mut file = NewFile::create(path, Privacy::Private)?;
        file.fill(render(&identity.key).as_bytes())?;
        // Some file systems cannot sync a folder; the file itself is synced by then.
        let _ = file.place()?.sync_folder();
        Ok(())
    };
    write().map_err(|source| IdentityError::Write { path: path.to_owned(), source })?;
    Ok(identity)
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
        assert_eq!(render(&identity.key), text);
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
