//! Parts of a [`Receipt`](crate::Receipt).

/// A consent of the user, as receipts list it.
///
/// ```
/// use minimodel::receipt::Consent;
/// use minimodel::{Action, RunConsent};
///
/// let agreed: Vec<Consent> = RunConsent::given([Action::Fetch], "dialog").for_receipt();
/// assert_eq!((agreed[0].action, agreed[0].by.as_str()), (Action::Fetch, "dialog"));
/// ```
pub use minimodel_verifier::receipt::Consent;

/// What was done to import a file, when and by which program.
///
/// ```
/// use minimodel::Receipt;
/// use minimodel::receipt::ImportRecord;
///
/// fn told(receipt: &Receipt) -> String {
///     let ImportRecord { started_utc, tool_version, .. } = receipt.import();
///     format!("imported by {tool_version}, begun at {started_utc}")
/// }
/// assert!(Receipt::parse(b"no receipt").map(|receipt| told(&receipt)).is_err());
/// ```
pub use minimodel_verifier::receipt::ImportRecord;

/// What one peer supplied, or why it was rejected.
///
/// ```
/// use minimodel::receipt::PeerSupply;
///
/// let told = |peer: &PeerSupply| match &peer.rejected {
///     Some(reason) => format!("{} was rejected: {reason}", peer.id),
///     None => format!("{} bytes from {}", peer.bytes, peer.id),
/// };
/// let peer = PeerSupply { id: "pvx".to_owned(), bytes: 16_384, chunks: 1, rejected: None };
/// assert_eq!(told(&peer), "16384 bytes from pvx");
/// ```
pub use minimodel_verifier::receipt::PeerSupply;

/// A check and its outcome, as receipts list it.
///
/// ```
/// use minimodel::receipt::RecordedCheck;
/// use minimodel::report::Report;
///
/// let mut report = Report::new();
/// report.pass("artifact.bytes", "4096");
/// assert_eq!(RecordedCheck::all(&report)[0].name, "artifact.bytes");
/// ```
pub use minimodel_verifier::receipt::RecordedCheck;

/// The file that a receipt is for, in the words of its manifest.
///
/// ```
/// use minimodel::Receipt;
/// use minimodel::receipt::Subject;
///
/// fn told(receipt: &Receipt) -> String {
///     let Subject { model_id, model_version, byte_count, .. } = receipt.subject();
///     format!("{model_id} {model_version}, {byte_count} bytes")
/// }
/// assert!(Receipt::parse(b"no receipt").map(|receipt| told(&receipt)).is_err());
/// ```
pub use minimodel_verifier::receipt::Subject;
