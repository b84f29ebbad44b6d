//! Parts of a [`Manifest`](crate::Manifest), and what can be wrong with its text.

/// How the file of a manifest comes to its user.
///
/// ```
/// use minimodel::manifest::Acquisition;
///
/// assert_eq!(Acquisition::from_word("consent-peer-transfer"), Some(Acquisition::ConsentPeerTransfer));
/// assert_eq!(Acquisition::ALL.len(), 3);
/// ```
pub use minimodel_verifier::manifest::Acquisition;

/// A piece of evidence that the publisher names, such as an evaluation.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::Evidence;
///
/// let told = |evidence: &Evidence| format!("{}: {}", evidence.kind, evidence.route);
/// for line in manifest.evidence().iter().map(told) {
///     println!("{line}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::Evidence;

/// The line of a manifest that an error is about.
///
/// ```
/// use minimodel::manifest::{FieldAt, ManifestError};
///
/// let line = |error: &ManifestError| match error {
///     ManifestError::UnknownVersion(FieldAt { line, .. }) => Some(*line),
///     _ => None,
/// };
/// let at = FieldAt { line: 1, key: "manifest.version".to_owned(), value: "7".to_owned() };
/// assert_eq!(line(&ManifestError::UnknownVersion(at)), Some(1));
/// ```
pub use minimodel_verifier::manifest::FieldAt;

/// Why no manifest can be signed by a key.
///
/// ```
/// use minimodel::manifest::KeyFault;
/// use minimodel::publishers::PublisherKey;
///
/// // The neutral element of the curve: anyone could sign under it.
/// let key: PublisherKey = format!("ed25519:01{}", "0".repeat(62)).parse().expect("it is spelled so");
/// assert_eq!(key.check(), Err(KeyFault::SmallOrder));
/// ```
pub use minimodel_verifier::manifest::KeyFault;

/// The fault of a text that is no manifest, with its line.
///
/// ```
/// use minimodel::Manifest;
/// use minimodel::manifest::ManifestError;
///
/// let text = &minimodel_fixtures::valid_manifests()[0].text;
/// let cut = text.split_once('\n').expect("it has lines").1;
/// let told = match Manifest::parse(cut.as_bytes()) {
///     Ok(_) => "a manifest".to_owned(),
///     Err(ManifestError::TooLarge { bytes }) => format!("{bytes} bytes are no manifest"),
///     Err(error) => format!("ask the publisher: {error}"),
/// };
/// assert!(told.starts_with("ask the publisher: "));
/// ```
pub use minimodel_verifier::manifest::ManifestError;

/// Why a manifest must not name a route.
///
/// ```
/// use minimodel::manifest::RouteFault;
///
/// println!("accepted is {}", RouteFault::Port.accepted());
/// assert_ne!(RouteFault::Port, RouteFault::Scheme);
/// ```
pub use minimodel_verifier::manifest::RouteFault;

/// What a manifest says of the inside of its file, by the format of the file.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::FormatClaims;
///
/// let told = match manifest.claims() {
///     FormatClaims::Slm(claims) => format!("{} layers", claims.layer_count),
///     FormatClaims::Listed(format, claims) => format!("{}: {} claims", format.title(), claims.len()),
/// };
/// println!("{told}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::FormatClaims;

/// What a file is that can run code when a program loads it.
///
/// ```
/// use minimodel::Format;
/// use minimodel::manifest::Container;
///
/// assert_eq!(Format::from_ending("pt"), Some(Format::Other(Container::Torch)));
/// assert!(Container::ALL.iter().all(|&container| Format::Other(container).executes_on_load()));
/// ```
pub use minimodel_verifier::other::Container;

/// A claim that a manifest makes about every file of a format, or about some.
///
/// ```
/// use minimodel::Format;
/// use minimodel::manifest::ClaimRule;
///
/// let keys = |rules: &[ClaimRule]| rules.iter().filter(|rule| rule.is_required).count();
/// println!("{} keys of a GGUF file are always there", keys(Format::Gguf.claims()));
/// ```
pub use minimodel_verifier::scan::ClaimRule;

/// Claims of a manifest by key.
///
/// ```
/// use minimodel::manifest::Claims;
///
/// let claims = Claims::from([("gguf.architecture", "llama".to_owned())]);
/// assert_eq!(claims["gguf.architecture"], "llama");
/// ```
pub use minimodel_verifier::scan::Claims;

/// How the value of a claim is spelled.
///
/// ```
/// use minimodel::manifest::ClaimSpelling;
///
/// assert!(ClaimSpelling::Counts.accepts("F32:2") && !ClaimSpelling::Number.accepts("2k"));
/// ```
pub use minimodel_verifier::scan::ClaimSpelling;

/// What a manifest says of a `.slm` file.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::SlmClaims;
///
/// let told = |slm: &SlmClaims| format!("{} layers, {}", slm.layer_count, slm.quantization);
/// println!("{}", manifest.slm().map(told).unwrap_or_default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::SlmClaims;

/// What is wrong with a license expression.
///
/// ```
/// use minimodel::manifest::SpdxFault;
///
/// println!("accepted is {}", SpdxFault::LicenseExpected.accepted());
/// assert_ne!(SpdxFault::LicenseExpected, SpdxFault::OperatorExpected);
/// ```
pub use minimodel_verifier::manifest::SpdxFault;

/// What a manifest says of its file.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::ArtifactClaims;
///
/// let claims: &ArtifactClaims = &manifest.draft().artifact;
/// assert_eq!(&claims.sha256, manifest.artifact_sha256());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::ArtifactClaims;

/// What a manifest says of the chunks of its file.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::ChunkClaims;
///
/// let claims: &ChunkClaims = &manifest.draft().chunks;
/// assert_eq!(&claims.merkle_root, manifest.merkle_root());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::ChunkClaims;

/// Where the hashes of all chunks are.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::ChunkListClaims;
///
/// let list: Option<&ChunkListClaims> = manifest.draft().chunks.list.as_ref();
/// assert_eq!(list.map(|list| list.route.as_str()), manifest.chunk_list_route());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::ChunkListClaims;

/// All that a manifest says, as values.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::ManifestDraft;
///
/// let ManifestDraft { model_id, requires, .. } = manifest.draft();
/// println!("{model_id} needs {:?} MB of memory", requires.ram_mb);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::ManifestDraft;

/// What a model needs of a machine.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::RequiresClaims;
///
/// let fits = |needs: &RequiresClaims, ram_mb| needs.ram_mb.is_none_or(|needed| needed <= ram_mb);
/// assert!(fits(&manifest.draft().requires, u64::MAX));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::RequiresClaims;

/// What a model was made from.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::manifest::SourceClaims;
///
/// let SourceClaims { id, revision, .. } = &manifest.draft().source;
/// println!("made from {id:?}, {revision:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::manifest::SourceClaims;
