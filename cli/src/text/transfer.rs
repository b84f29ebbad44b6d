//! The words of the errors of transfers: one exit code, one error block, and the next step.

use std::path::Path;

use minimodel::clock::utc;
use minimodel::transfer::output_file::{OutputError, Taken};
use minimodel::transfer::{
    Difference, FetchError, ImportError, MissingConsent, RepairError, ShareError, StartError, TargetError,
    TransferError, UnusableOffer,
};
use minimodel_swarm::driver::DriverError;
use minimodel_swarm::os::rights_command;
use minimodel_swarm::store::StoreError;
use minimodel_verifier::chunk::LayoutError;
use minimodel_verifier::digest::hex;
use minimodel_wire::limits::MAX_OFFER_LIFE;

use super::swarm::{driver, exhausted, nothing_good, partly_other, shell, source_changed, stalled, store};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        driver(&error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        store(&error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let cause = match error {
            StartError::Resources(error) => anyhow::Error::new(error),
            other => anyhow::anyhow!("{other}"),
        };
        Self::unexpected("cannot start a transfer", &cause)
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Identity(error) => error.into(),
            TransferError::Bans(error) => error.into(),
            TransferError::Start(error) => error.into(),
            TransferError::Driver(error) => error.into(),
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Target(error) => error.into(),
            FetchError::Transfer(error) => error.into(),
            FetchError::Consent(missing) => missing.into(),
            FetchError::NoPeers => exhausted(&[]),
            FetchError::Exhausted { reasons } => exhausted(&reasons),
            FetchError::Stalled { met_a_peer, reasons, timeout } => stalled(met_a_peer, &reasons, timeout),
            FetchError::NothingGood { path } => nothing_good(&path),
            FetchError::Import(error) => error.into(),
            FetchError::Share(error) => (*error).into(),
            FetchError::Store(error) => error.into(),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Layout(error) => layout(error),
            TargetError::NoFolder { path } => {
                let hint = "name a folder with --out, one that is there or that can be made; what is there was left as it is";
                let error = format!("`{}` cannot be the folder for the model", escape::path(&path));
                Self::new(Exit::Io, error, hint).because("it, or what stands above it, is no folder")
            }
            TargetError::CreateFolder { path, source } => Self::writing("folder", &path, &source),
            TargetError::Different { path, difference } => Self::new(
                Exit::Io,
                format!("another file is already at `{}`", escape::path(&path)),
                "it was left as it is: move it away, or choose another folder with --out",
            )
            .because(match difference {
                Difference::Check { name, detail } => format!("{name}: {}", escape::shown(&detail)),
                length => length.to_string(),
            }),
            TargetError::ReceiptTaken { path } => Self::new(
                Exit::Io,
                format!("another receipt is already at `{}` and was left as it is", escape::path(&path)),
                format!(
                    "nothing was fetched; look at it (`cat {}`) and move it away, then run the same command again, or name \
                     another place with --receipt FILE",
                    shell(&path)
                ),
            ),
            TargetError::ReceiptName { path } => Self::new(
                Exit::Usage,
                format!("the receipt cannot be `{}`", escape::path(&path)),
                "nothing was fetched; name another place with --receipt FILE, or leave it out: then it is beside the file",
            )
            .because("the model file, its manifest, its partial file and their like have that name"),
            TargetError::ReceiptPlace(error) => output("receipt", &error),
            TargetError::Check(error) => super::check("model file", error),
            TargetError::Store(error) => error.into(),
        }
    }
}

/// The failure when a manifest's chunks cannot be used.
pub(crate) fn layout(error: LayoutError) -> Failure {
    let hint = "ask the publisher for a manifest with larger chunks";
    Failure::new(Exit::Invalid, "the manifest's chunks cannot be used", hint).because(error)
}

/// The failure of an output file; `what` names it: `offer`, `receipt`.
pub(crate) fn output(what: &str, error: &OutputError) -> Failure {
    match error {
        OutputError::Io { path, source } => Failure::writing(what, path, source),
        OutputError::Taken { path, by } => {
            let failure = Failure::exists(what, path);
            match by {
                Taken::File => failure,
                Taken::Folder => failure.because("it is a folder"),
                Taken::Link => failure.because("it is a symbolic link, and outputs do not follow links"),
            }
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NotTheArtifact { aside, name, detail } => Self::new(
                Exit::Verification,
                "the file is whole and every chunk is proven, but it is not the artifact that its manifest describes",
                format!(
                    "no peer is to blame, the manifest's publisher is: tell them; the file was set aside as `{}`",
                    escape::path(&aside)
                ),
            )
            .because(format!("{name}: {}", escape::shown(&detail))),
            ImportError::Receipt(error) => Self::unexpected("the receipt could not be made", &error.into()),
            ImportError::ReceiptFile { file, is_taken, is_repair, source } => {
                let hint = match (is_repair, is_taken) {
                    (true, _) => REPAIRED,
                    (false, true) => TAKEN,
                    (false, false) => OTHER_PLACE,
                };
                unwritten(output("receipt", &source), &file, hint)
            }
            ImportError::OtherReceipt { file, path } => Self::new(
                Exit::Io,
                format!("the file `{}` is in place and checked, but it has no receipt", escape::path(&file)),
                "move it away and run the same command again, or name another place with --receipt FILE: only what is \
                 missing is written",
            )
            .because(format!(
                "another receipt is already at `{}` and was left as it is",
                escape::path(&path)
            )),
            ImportError::Copies { file, source } => {
                let hint = match &source {
                    StoreError::Refused { path, .. } | StoreError::Replaced { path } => format!(
                        "look at what is there (`{}`) and move it away, then run the same command again: it only \
                         writes what is missing",
                        rights_command(&shell(path))
                    ),
                    _ => "run the same command again: it only writes what is missing".to_owned(),
                };
                unwritten(store(&source), &file, &hint)
            }
            ImportError::Store(error) => error.into(),
        }
    }
}

/// Hint if the name of the receipt is taken.
const TAKEN: &str = "move away what is there, or name another place with --receipt FILE, then run the same command again: it \
                     only writes what is missing";
/// Hint if the receipt could not be written for another reason.
const OTHER_PLACE: &str = "mend what the cause says, or name another place with --receipt FILE, then run the same command again: \
                           it only writes what is missing";
/// Hint if the receipt of a repair could not be written.
const REPAIRED: &str =
    "the file needs no repair any more; a receipt of it as it is: `minimodel write-import-receipt`";

/// The failure for a copy that could not be written; after the cause it says that the file itself is in place.
fn unwritten(failure: Failure, file: &Path, hint: &str) -> Failure {
    let kept = format!(
        "the file is in place and checked as `{}`; its receipt or manifest copy could not be written",
        escape::path(file)
    );
    Failure { hint: hint.to_owned(), ..failure }.besides(&kept)
}

impl From<ShareError> for Failure {
    fn from(error: ShareError) -> Self {
        match error {
            ShareError::Layout(error) => layout(error),
            ShareError::Check(error) => super::check("model file", error),
            ShareError::NotTheArtifact { path, report } => not_served(&path, &report, None),
            ShareError::Changed { path, source } => source_changed(&path).because(source),
            ShareError::Transfer(error) => error.into(),
        }
    }
}

/// The failure when a file that was to be shared is not the artifact. `manifest`: the path of the manifest, if it has one.
pub(crate) fn not_served(
    path: &Path,
    checks: &minimodel_verifier::Report,
    manifest: Option<&Path>,
) -> Failure {
    let see = format!(
        "it is not served; see every check: `minimodel verify-artifact {} {}`",
        manifest.map_or_else(|| "MANIFEST".to_owned(), shell),
        shell(path)
    );
    super::of_report(Exit::Verification, &format!("`{}`", escape::path(path)), checks, &see)
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Name { path, ending } => Self::new(
                Exit::Usage,
                format!("`{}` cannot be repaired in its place", escape::path(&path)),
                format!(
                    "give it a name that ends in `.{ending}`, or fetch the model again: `minimodel fetch`"
                ),
            ),
            RepairError::TooManyReceipts { path } => Self::new(
                Exit::Io,
                format!("there are too many receipts at `{}`", escape::path(&path)),
                "name another place for this one with --receipt FILE",
            ),
            RepairError::Open { path, source } => Self::writing("file", &path, &source),
            RepairError::Rename { part, source } => {
                let hint = "nothing was changed; if it is an unfinished download that nobody needs, move it away and type this \
                            again";
                let cause = match source.kind() {
                    std::io::ErrorKind::AlreadyExists => "it is there already".to_owned(),
                    _ => source.to_string(),
                };
                Self::new(Exit::Io, format!("cannot repair in `{}`", escape::path(&part)), hint)
                    .because(cause)
            }
            RepairError::PartlyOther { path, similarity } => partly_other(&path, similarity),
            RepairError::NothingGood { path } => nothing_good(&path),
            RepairError::Transfer(error) => error.into(),
            RepairError::Target(error) => error.into(),
            RepairError::Fetch(error) => error.into(),
            RepairError::Store(error) => error.into(),
        }
    }
}

impl From<UnusableOffer> for Failure {
    fn from(error: UnusableOffer) -> Self {
        match error {
            UnusableOffer::Invalid(error) => {
                let hint = "ask for the offer again, and hand it on whole: it begins with `mm1`";
                Self::new(Exit::Invalid, "the offer is not valid", hint).because(error)
            }
            UnusableOffer::TooLongLived { peer, expires_unix, now_unix } => Self::new(
                Exit::Invalid,
                format!("the offer of peer {peer} claims to hold for too long"),
                "nothing was dialed: if this machine's clock is right, ask for a new offer; their `minimodel seed` prints one",
            )
            .because(format!(
                "it says until {}, this machine's clock says {}; the most is {} days",
                utc(expires_unix),
                utc(now_unix),
                MAX_OFFER_LIFE.as_secs() / 86_400
            )),
            UnusableOffer::Expired { peer, expires_unix, now_unix } => Self::new(
                Exit::Invalid,
                format!("the offer of peer {peer} has expired"),
                "nothing was dialed: ask for a new offer; their `minimodel seed` prints one",
            )
            .because(format!(
                "it was good until {}, this machine's clock says {}",
                utc(expires_unix),
                utc(now_unix)
            )),
            UnusableOffer::OtherSwarm { peer, found, expected } => Self::new(
                Exit::Invalid,
                format!("the offer of peer {peer} is for something else"),
                "nothing was dialed: use the manifest that came with this offer, or an offer for this manifest",
            )
            .because(format!(
                "the offer names swarm {}, the manifest is swarm {}",
                hex(&found),
                hex(&expected)
            )),
        }
    }
}

impl From<MissingConsent> for Failure {
    fn from(missing: MissingConsent) -> Self {
        let flag = missing.action.as_str();
        Self::new(Exit::Consent, missing.to_string(), format!("to agree, add `--consent {flag}`"))
    }
}
