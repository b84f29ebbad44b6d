//! The file of known publishers: read whole, replaced whole under a lock, bounded.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use minimodel_swarm::os::{FileId, FileKind, OpenWith as _, stat_file};
use minimodel_swarm::store::files;
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;

use super::error::PublisherError;
use super::key::{PublisherKey, Signer};
use super::limits::{MAX_KEYS, MAX_PUBLISHERS};
use super::signer_status::{KeyOrigin, KeyRecord, KnownPublishers, PublisherRecord, SignerStatus};
use super::signer_verdict::SignerVerdict;
use super::text;
use crate::home::Home;
use crate::private::{self, Exposed, Others};

/// Name of the record inside the state folder.
pub const FILE_NAME: &str = "publishers";
const LOCK_NAME: &str = "publishers.lock";
/// Longest file that is read; a record with the most publishers and keys is shorter.
const MAX_BYTES: u64 = 24 << 20;

/// The record of known publishers in a state folder.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::{Publishers, SignerStatus};
///
/// // As a fetch does it before it dials a peer.
/// let known = Publishers::of(home.state()?);
/// known.keep(&manifest, None, minimodel::clock::now_unix())?;
/// let status = known.signer_verdict(&manifest)?.status;
/// assert!(matches!(status, SignerStatus::Known { is_pinned: false, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Publishers {
    folder: PathBuf,
    /// The record as last read, so that repeated reads parse the file only when it changed.
    last: Arc<Mutex<Option<Seen>>>,
}

/// A parsed record, and the stamp of the file that it was read from.
type Seen = (FileStamp, Arc<KnownPublishers>);

/// Identifies one version of the file, which is always replaced and never written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    id: FileId,
    bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Publishers {
    /// The record in this state folder; nothing is opened or created.
    pub fn of(state: &Path) -> Self {
        Self { folder: state.to_owned(), last: Arc::default() }
    }

    /// Compares the signer of a manifest with what this user knows of its publisher; without a state folder nothing is known.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn verdict_in(home: &Home, manifest: &Manifest) -> Result<SignerVerdict, PublisherError> {
        match home.state() {
            Ok(state) => Self::of(state).signer_verdict(manifest),
            Err(_) => Ok(SignerVerdict::of(&KnownPublishers::new(), manifest)),
        }
    }

    /// Reads all known publishers; a missing file is an empty record.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or is exposed to other accounts.
    pub fn read(&self) -> Result<Arc<KnownPublishers>, PublisherError> {
        let path = self.path();
        let failed = |source| PublisherError::Io { doing: "read", path: path.clone(), source };
        let file = match OpenOptions::new().read(true).open_no_link(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Arc::default());
            }
            Err(error) => return Err(failed(error)),
        };
        let stat = stat_file(&file).map_err(failed)?;
        if stat.kind != FileKind::File {
            return Err(failed(io::Error::other("it is no ordinary file")));
        }
        if let Some(exposed) = Exposed::judge(&stat, Others::Read) {
            return Err(PublisherError::NotOurs { path, exposed });
        }
        let stamp = FileStamp {
            id: stat.id,
            bytes: stat.byte_count,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = last.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(known.clone());
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(failed(io::Error::other(format!("it has more than {MAX_BYTES} bytes"))));
        }
        let parsed = text::parse(&bytes);
        let damaged = |fault: text::TextFault| PublisherError::Damaged {
            path: path.clone(),
            line: fault.line,
            what: fault.what,
        };
        let known = Arc::new(parsed.map_err(damaged)?);
        *last = Some((stamp, known.clone()));
        Ok(known)
    }

    /// Compares the signer of a manifest with the known keys of its publisher.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn signer_verdict(&self, manifest: &Manifest) -> Result<SignerVerdict, PublisherError> {
        let known = self.read()?;
        Ok(SignerVerdict::of(&known, manifest))
    }

    /// As [`Self::signer_verdict`], and refuses a signer that is neither known nor accepted.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; the signer is refused.
    pub fn accept(
        &self,
        manifest: &Manifest,
        accepted: Option<&Signer>,
    ) -> Result<SignerVerdict, PublisherError> {
        let verdict = self.signer_verdict(manifest)?;
        verdict.accept_key(accepted)?;
        Ok(verdict)
    }

    /// Records the key of a manifest that the user imports, if the key is new or accepted by name; durable when this returns.
    /// The record is read again under the lock, so if two processes record different keys of a new publisher at once, one of
    /// them is refused.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; the signer is refused by the record as it is now; there is no room; the file cannot be written.
    pub fn keep(
        &self,
        manifest: &Manifest,
        accepted: Option<&Signer>,
        now_unix: u64,
    ) -> Result<(), PublisherError> {
        let verdict = self.accept(manifest, accepted)?;
        if !matches!(verdict.status, SignerStatus::New | SignerStatus::Changed { .. }) {
            return Ok(());
        }
        self.change(|known| {
            let verdict = SignerVerdict::of(known, manifest);
            verdict.accept_key(accepted)?;
            let origin = match verdict.status {
                SignerStatus::New => KeyOrigin::Import,
                SignerStatus::Changed { .. } => KeyOrigin::Accepted,
                _ => return Ok(()),
            };
            let Signer::Key(key) = verdict.signer else { return Ok(()) };
            let key = KeyRecord {
                key,
                first_seen_unix: now_unix,
                model: Some(format!("{} {}", manifest.model_id(), manifest.model_version())),
                swarm_id: Some(hex(manifest.swarm_id())),
                origin,
            };
            add(known, &verdict.publisher, key)
        })
    }

    /// Pins a publisher to one key, whether it was known before or not; without `key`, to its only known key. Returns the
    /// publisher's new record.
    ///
    /// # Errors
    ///
    /// As [`Self::keep`]; the id is no valid `publisher.id`; no manifest can be signed by `key`; no `key` is given, and not exactly one is known.
    pub fn pin(
        &self,
        publisher: &str,
        key: Option<PublisherKey>,
        now_unix: u64,
    ) -> Result<PublisherRecord, PublisherError> {
        if !text::is_publisher_id(publisher) {
            return Err(PublisherError::BadId(publisher.to_owned()));
        }
        if let Some(key) = key {
            key.check().map_err(|fault| PublisherError::BadKey { key, fault })?;
        }
        self.change(|known| {
            let is_known = |key| known.get(publisher).is_some_and(|entry| entry.key(key).is_some());
            let key = match (key, known.get(publisher)) {
                (Some(key), _) => key,
                (None, None) => return Err(unknown(publisher)),
                (None, Some(entry)) => match entry.keys.as_slice() {
                    [only] => only.key,
                    keys => {
                        let (publisher, count) = (publisher.to_owned(), keys.len());
                        return Err(PublisherError::SeveralKeys { publisher, count });
                    }
                },
            };
            if !is_known(key) {
                let origin = KeyOrigin::Pinned;
                let key = KeyRecord { key, first_seen_unix: now_unix, model: None, swarm_id: None, origin };
                add(known, publisher, key)?;
            }
            let entry = known.get_mut(publisher).ok_or_else(|| unknown(publisher))?;
            entry.pinned = Some(key);
            Ok(entry.clone())
        })
    }

    /// Removes a pin; the keys stay known. Returns the publisher's new record.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; nothing is known of the publisher; the file cannot be written.
    pub fn unpin(&self, publisher: &str) -> Result<PublisherRecord, PublisherError> {
        self.change(|known| {
            let entry = known.get_mut(publisher).ok_or_else(|| unknown(publisher))?;
            entry.pinned = None;
            Ok(entry.clone())
        })
    }

    /// Forgets a publisher, or one of its keys, with the pin on it; returns the forgotten keys.
    ///
    /// # Errors
    ///
    /// As [`Self::unpin`]; the publisher does not have that key.
    pub fn forget(
        &self,
        publisher: &str,
        key: Option<PublisherKey>,
    ) -> Result<Vec<KeyRecord>, PublisherError> {
        self.change(|known| {
            let entry = known.get_mut(publisher).ok_or_else(|| unknown(publisher))?;
            let gone: Vec<_> =
                entry.keys.extract_if(.., |known| key.is_none_or(|key| known.key == key)).collect();
            if let (Some(key), true) = (key, gone.is_empty()) {
                return Err(PublisherError::UnknownKey { publisher: publisher.to_owned(), key });
            }
            entry.pinned = entry.pinned.filter(|pinned| gone.iter().all(|gone| gone.key != *pinned));
            if entry.keys.is_empty() {
                known.remove(publisher);
            }
            Ok(gone)
        })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut KnownPublishers) -> Result<T, PublisherError>,
    ) -> Result<T, PublisherError> {
        let path = self.path();
        let failed = |path: &Path, source| PublisherError::Write { path: path.to_owned(), source };
        private::create_folder(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let locked = self.folder.join(LOCK_NAME);
        // Held until the end of this function, so that two processes never lose each other's keys.
        let _lock = private::lock(&locked).map_err(|source| PublisherError::Io {
            doing: "lock",
            path: locked,
            source,
        })?;
        let before = self.read()?;
        let mut known = KnownPublishers::clone(&before);
        let changed = change(&mut known)?;
        if known != *before {
            let text = text::render(&known);
            files::replace(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
        }
        Ok(changed)
    }
}

fn add(known: &mut KnownPublishers, publisher: &str, key: KeyRecord) -> Result<(), PublisherError> {
    if !known.contains_key(publisher) && known.len() >= MAX_PUBLISHERS {
        return Err(PublisherError::TooMany);
    }
    let entry =
        known.entry(publisher.to_owned()).or_insert(PublisherRecord { keys: Vec::new(), pinned: None });
    if entry.keys.len() >= MAX_KEYS {
        return Err(PublisherError::TooManyKeys(publisher.to_owned()));
    }
    entry.keys.push(key);
    Ok(())
}

fn unknown(publisher: &str) -> PublisherError {
    PublisherError::Unknown(publisher.to_owned())
}
