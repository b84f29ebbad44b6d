//! The result of a [full check](crate::check): named checks, each with its outcome.

/// One check of a report, with what was found and what was expected.
///
/// ```
/// use minimodel::report::{Check, Outcome, Report};
///
/// let told = |check: &Check| format!("{} {}", check.outcome.as_str(), check.name);
/// let mut report = Report::new();
/// report.equal("artifact.bytes", 4_095, 4_096);
/// let [check] = report.checks() else { panic!() };
/// assert_eq!((check.outcome, told(check)), (Outcome::Fail, "fail artifact.bytes".to_owned()));
/// ```
pub use minimodel_verifier::Check;

/// Whether a check passed.
///
/// ```
/// use minimodel::report::Outcome;
///
/// let colour = |outcome| match outcome {
///     Outcome::Pass => "green",
///     Outcome::Warn => "yellow",
///     Outcome::Fail => "red",
/// };
/// assert_eq!(colour(Outcome::Warn), "yellow");
/// ```
pub use minimodel_verifier::Outcome;

/// The checks of a file or a manifest.
///
/// ```
/// use minimodel::report::Report;
///
/// let mut report = Report::new();
/// report.pass("artifact.bytes", "4096");
/// report.fail("artifact.sha256", "5e", "7a");
/// assert!(!report.ok());
/// assert_eq!(report.failures().map(|check| check.name).collect::<Vec<_>>(), ["artifact.sha256"]);
/// ```
pub use minimodel_verifier::Report;

/// The report of a file, and what was computed on the way.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (path, home) = (folder.path().join("model.slm"), minimodel::Home::at(folder.path()));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::check::{self, FullCheck};
/// use minimodel::report::Verified;
///
/// let check = FullCheck { home: &home, watcher: &(), is_stopped: &|| false };
/// let verified: Verified = check.run(&manifest, &path, &check::open(&path)?)?;
/// assert!(verified.report.ok());
/// assert_eq!(verified.tree.expect("a good file has one").root(), manifest.merkle_root());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::verify::Verified;

/// The header of a `.slm` file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (path, home) = (folder.path().join("model.slm"), minimodel::Home::at(folder.path()));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let check = minimodel::check::FullCheck { home: &home, watcher: &(), is_stopped: &|| false };
/// # let verified = check.run(&manifest, &path, &minimodel::check::open(&path)?)?;
/// use minimodel::report::Header;
///
/// let header: Header = verified.facts.expect("a good file has them").header;
/// assert_eq!(u64::from(header.layer_count), manifest.slm().expect("a .slm file").layer_count);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::slm::Header;

/// The number format of the tensors of a `.slm` file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (path, home) = (folder.path().join("model.slm"), minimodel::Home::at(folder.path()));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let check = minimodel::check::FullCheck { home: &home, watcher: &(), is_stopped: &|| false };
/// # let verified = check.run(&manifest, &path, &minimodel::check::open(&path)?)?;
/// use minimodel::report::Quantization;
///
/// let facts = verified.facts.expect("a good file has them");
/// assert_ne!(facts.quantization, Quantization::Mixed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::slm::Quantization;

/// What a whole `.slm` file was found to be.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (path, home) = (folder.path().join("model.slm"), minimodel::Home::at(folder.path()));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let check = minimodel::check::FullCheck { home: &home, watcher: &(), is_stopped: &|| false };
/// # let verified = check.run(&manifest, &path, &minimodel::check::open(&path)?)?;
/// use minimodel::report::SlmFacts;
///
/// let facts: SlmFacts = verified.facts.expect("a good file has them");
/// assert_eq!(facts.parameter_count, manifest.slm().expect("a .slm file").parameter_count);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::slm::SlmFacts;
