//! Why an identity cannot be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::home::HomeError;
use crate::input::OpenError;
use crate::private::Exposed;

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
