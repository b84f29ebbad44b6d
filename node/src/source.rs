//! Files that are checked and served, and their chunks.

/// How a file is no longer what was checked.
///
/// ```
/// use minimodel::source::Change;
///
/// let told = |change: Change| match change {
///     Change::Length { was, now } => format!("{was} bytes have become {now}"),
///     Change::Content { index } => format!("chunk {index} is another"),
/// };
/// assert_eq!(told(Change::Length { was: 4_096, now: 0 }), "4096 bytes have become 0");
/// ```
pub use minimodel_swarm::store::Change;

/// A SHA-256, as bytes.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::source::Digest;
///
/// let sha256: &Digest = manifest.artifact_sha256();
/// assert_eq!(sha256.len(), 32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::Digest;

/// The metadata of a file when it was opened, by which a later change is seen.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.slm");
/// # std::fs::write(&path, "four")?;
/// use minimodel::source::FileStat;
///
/// let opened: FileStat = *minimodel::check::open(&path)?.opened();
/// assert_eq!((opened.byte_count, opened.links), (4, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_swarm::store::FileStat;

/// How a file is cut into chunks.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::source::Layout;
///
/// let layout: Layout = minimodel::transfer::layout(&manifest)?;
/// let bytes: u64 = (0..layout.count()).map(|index| u64::from(layout.chunk_len(index))).sum();
/// assert_eq!(bytes, manifest.byte_count());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::chunk::Layout;

/// Why chunks of a size cannot be used.
///
/// ```
/// use minimodel::source::{Layout, LayoutError};
///
/// assert_eq!(Layout::new(0, 16_384), Err(LayoutError::Empty));
/// ```
pub use minimodel_verifier::chunk::LayoutError;

/// The account that owns a file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.slm");
/// # std::fs::write(&path, "four")?;
/// use minimodel::source::Owner;
///
/// assert_ne!(minimodel::check::open(&path)?.opened().owner, Owner::Other);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_swarm::store::Owner;

/// Why a proof does not lead to the root of a manifest.
///
/// ```
/// use minimodel::source::ProofError;
/// use minimodel::transfer::StoreError;
///
/// let is_forged = |error: &StoreError| {
///     matches!(error, StoreError::ForeignLeaves { reason: ProofError::Root, .. })
/// };
/// assert!(is_forged(&StoreError::ForeignLeaves { path: "model.slm.part".into(), reason: ProofError::Root }));
/// ```
pub use minimodel_verifier::chunk::ProofError;

/// Why a file is not used, such as one that another account may change.
///
/// ```
/// use minimodel::source::Refusal;
///
/// let is_a_trap = |found| matches!(found, Refusal::Symlink | Refusal::HardLink | Refusal::Foreign);
/// assert!(is_a_trap(Refusal::Symlink) && !is_a_trap(Refusal::Directory));
/// ```
pub use minimodel_swarm::store::Refusal;

/// Length and chunks of a file, where two that must agree do not.
///
/// ```
/// use minimodel::source::Sizes;
///
/// let told = |sizes: &Sizes| format!("{} bytes in {} chunks", sizes.byte_count, sizes.chunk_count);
/// let sizes = Sizes { byte_count: 32_768, chunk_size: 16_384, chunk_count: 2 };
/// assert_eq!(told(&sizes), "32768 bytes in 2 chunks");
/// ```
pub use minimodel_swarm::store::Sizes;

/// Why a chunk of a file cannot be served.
///
/// ```
/// use minimodel::source::{Change, SourceError};
///
/// let is_changed = |error: &SourceError| matches!(error, SourceError::Changed { .. });
/// let what = Change::Content { index: 3 };
/// assert!(is_changed(&SourceError::Changed { path: "model.slm".into(), what }));
/// ```
pub use minimodel_swarm::store::SourceError;

/// A file that is open for reading, and that stays the same file whatever happens to its name.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.slm");
/// # std::fs::write(&path, "four")?;
/// use minimodel::check;
/// use minimodel::source::SourceFile;
///
/// let file: SourceFile = check::open(&path)?;
/// assert_eq!(file.byte_count(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_swarm::store::SourceFile;

/// The Merkle tree over the chunks of a file, which proves each of them.
///
/// ```
/// use minimodel::source::Tree;
///
/// let tree = Tree::from_chunk_hashes(vec![[1; 32], [2; 32], [3; 32]]);
/// assert_eq!((tree.count(), tree.chunk_hash(1)), (3, Some(&[2; 32])));
/// ```
pub use minimodel_verifier::chunk::Tree;
