//! The end of a fetch: moves the whole file into place, and writes its receipt and its manifest copy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{Fetched, PeerShare};
use minimodel_swarm::store::{ChunkSource as _, Finished, Placed, Published, RealDisk, StoreError, Supplied};
use minimodel_verifier::Report;
use minimodel_verifier::receipt::Receipt;
use minimodel_wire::PeerId;

use super::Run;
use super::fetch::Transfer;
use super::lower::ReceiptError;
use super::output_file::{self, OutputError};
use super::plan::FetchPlan;
use super::receipt::{self, Facts};
use super::target::Existing;
use crate::event::Event;

/// A file in its place, whole and checked, with its receipt.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let models = folder.path().join("models");
/// # std::fs::create_dir(&models)?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path()))?.fetch(manifest).into_folder(models);
/// # let fetch = fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?;
/// let imported: minimodel::transfer::Imported = fetch.finish().await?;
/// assert!(imported.path.ends_with("models/sample-model-1.0.0.slm"));
/// assert_eq!(std::fs::read_to_string(&imported.receipt_path)?, imported.receipt.render());
/// assert!(imported.summary.is_none(), "the file was there already");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The file.
    pub path: PathBuf,
    /// Where the receipt is.
    pub receipt_path: PathBuf,
    /// The receipt.
    pub receipt: Receipt,
    /// What this run moved; `None`: the file was there already.
    pub summary: Option<Summary>,
}

/// What one run of a fetch moved.
///
/// ```no_run
/// # async fn example(fetch: minimodel::Fetch) -> Result<(), minimodel::Error> {
/// if let Some(summary) = fetch.finish().await?.summary {
///     println!("{} bytes in {} s", summary.received_bytes, summary.elapsed.as_secs());
///     for (peer, share) in &summary.peers {
///         println!("{} bytes from {peer}", share.bytes);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The checks of the whole file, all of which passed.
    pub checks: Report,
    /// What each peer supplied of the file, over all runs, and the rejected peers.
    pub peers: BTreeMap<PeerId, PeerShare>,
    /// Chunks that were found on disk without a record of who supplied them.
    pub found_on_disk: Supplied,
    /// Payload bytes received in this run, good or not.
    pub received_bytes: u64,
    /// How long this run took.
    pub elapsed: Duration,
    /// Time from the last chunk to the receipt.
    pub tail: Duration,
}

/// Why a whole file could not be given its name and its receipt. The next fetch into the same folder repeats what failed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let models = folder.path().join("models");
/// # std::fs::create_dir(&models)?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm.receipt"), "of another import")?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path()))?.fetch(manifest).into_folder(models);
/// # let fetch = fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?;
/// use minimodel::transfer::{FetchError, ImportError};
///
/// let end = fetch.finish().await;
/// let Err(Error::Fetch(FetchError::Import(ImportError::OtherReceipt { file, path }))) = end else { panic!() };
/// println!("`{}` can be used; move `{}` away to get its receipt", file.display(), path.display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Every chunk is proven, and the file is still not what the manifest describes: the publisher is to blame, no peer is.
    #[error("the file is whole, but it is not the artifact that its manifest describes: {name}: {detail}")]
    NotTheArtifact {
        /// The new path of the file, which was set aside.
        aside: PathBuf,
        /// Name of the check that failed.
        name: &'static str,
        /// What it found; text from outside.
        detail: String,
    },
    /// The receipt could not be made; nothing has its final name.
    #[error("the receipt could not be made: {0}")]
    Receipt(#[from] ReceiptError),
    /// The file is in place and checked; its receipt could not be written where the user wants it.
    #[error("the receipt of `{}` could not be written: {source}", file.display())]
    ReceiptFile {
        /// The file.
        file: PathBuf,
        /// True if something has the name of the receipt.
        is_taken: bool,
        /// True for a repair, which nothing repeats.
        is_repair: bool,
        /// Why.
        source: OutputError,
    },
    /// The file is in place and checked; another receipt is beside it and was left as it is.
    #[error("the file `{}` has no receipt: another one is at `{}`", file.display(), path.display())]
    OtherReceipt {
        /// The file.
        file: PathBuf,
        /// The other receipt.
        path: PathBuf,
    },
    /// The file is in place and checked; its receipt or its manifest copy could not be written.
    #[error("the receipt or the manifest copy of `{}` could not be written: {source}", file.display())]
    Copies {
        /// The file.
        file: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The disk, or the files on it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Acts on the result of the whole-file check: moves the file into place and writes a receipt, or sets the file aside.
pub(super) fn finish(transfer: &Transfer<'_>, fetched: Fetched) -> Result<Imported, ImportError> {
    let (plan, part, checked) = (transfer.plan, transfer.part, Instant::now());
    if let Some(check) = fetched.checks.failures().next() {
        let aside = part.quarantine()?;
        return Err(ImportError::NotTheArtifact { aside, name: check.name, detail: check.detail() });
    }
    let facts = Facts {
        checksum_recomputed: plan.options.full_check,
        checks: &fetched.checks,
        peers: &fetched.peers,
        is_fetched: true,
    };
    let receipt = receipt::make(plan, &facts)?;
    let published = part.publish()?;
    if let (Ok(stat), Some((hashes, _))) = (part.stat(), part.leaves(0, part.spec().layout.count())) {
        let records = transfer.run.records();
        records.remember_fetched(&plan.manifest, &published.path(), &stat, &hashes);
    }
    let import = Import { run: transfer.run, plan, published: &published };
    import.close(&receipt, transfer.is_repair)?;
    Ok(Imported {
        path: plan.target.artifact.clone(),
        receipt_path: plan.target.receipt.clone(),
        receipt,
        summary: Some(Summary {
            checks: fetched.checks,
            peers: fetched.peers,
            found_on_disk: fetched.found_on_disk,
            received_bytes: fetched.received_bytes,
            elapsed: fetched.elapsed,
            tail: fetched.check_tail + checked.elapsed(),
        }),
    })
}

/// Ends a fetch whose file is there and right: writes its receipt and manifest copy if they are missing, and nothing else.
pub(super) fn already_there(
    run: &Run,
    plan: &FetchPlan,
    existing: &Existing,
) -> Result<Imported, ImportError> {
    let import = Import { run, plan, published: &existing.published };
    run.tell(Event::Whole { path: plan.target.artifact.clone() });
    let receipt = match import.receipt()? {
        Some(receipt) => {
            import.close_copies(existing.published.finish(plan.manifest.text().as_bytes(), None))?;
            receipt
        }
        None => {
            let peers = suppliers(existing);
            let facts = Facts {
                checksum_recomputed: true,
                checks: &existing.checks,
                peers: &peers,
                // A record beside a finished file is that of the fetch that made the file.
                is_fetched: !peers.is_empty() || existing.history.found_here.chunks > 0,
            };
            let receipt = receipt::make(plan, &facts)?;
            import.close(&receipt, false)?;
            receipt
        }
    };
    let imported = Imported {
        path: plan.target.artifact.clone(),
        receipt_path: plan.target.receipt.clone(),
        receipt,
        summary: None,
    };
    run.tell(Event::Imported(Box::new(imported.clone())));
    Ok(imported)
}

/// Suppliers and rejected peers that the record of an earlier fetch names.
fn suppliers(existing: &Existing) -> BTreeMap<PeerId, PeerShare> {
    let mut peers: BTreeMap<PeerId, PeerShare> = BTreeMap::new();
    for (peer, supplied) in &existing.history.suppliers {
        let share = PeerShare { chunks: supplied.chunks, bytes: supplied.bytes, rejected: None };
        peers.insert(PeerId(*peer), share);
    }
    for blame in &existing.history.blames {
        let reason = format!("chunk {} failed its proof", blame.index);
        peers.entry(PeerId(blame.peer)).or_default().rejected.get_or_insert(reason);
    }
    peers
}

/// A file that has its final name, and still lacks its copies.
struct Import<'a> {
    run: &'a Run,
    plan: &'a FetchPlan,
    published: &'a Published<RealDisk>,
}

impl Import<'_> {
    /// Writes the manifest copy and the receipt, and removes the record. The next run repeats a step that fails.
    fn close(&self, receipt: &Receipt, is_repair: bool) -> Result<(), ImportError> {
        let (target, text) = (&self.plan.target, receipt.render());
        if !target.is_receipt_beside {
            let written = output_file::write(&target.receipt, text.as_bytes());
            let written = written.map_err(|source| ImportError::ReceiptFile {
                file: target.artifact.clone(),
                is_taken: target.receipt.symlink_metadata().is_ok(),
                is_repair,
                source,
            });
            if is_repair {
                // The file is right now: another repair would find nothing to do, and write no receipt.
                let closed = self.published.close();
                return written.and(closed.map_err(ImportError::from));
            }
            written?;
        }
        let beside = target.is_receipt_beside.then_some(text.as_bytes());
        self.close_copies(self.published.finish(self.plan.manifest.text().as_bytes(), beside))
    }

    /// Closes the import when all copies are in place.
    fn close_copies(&self, finished: Finished) -> Result<(), ImportError> {
        let file = self.plan.target.artifact.clone();
        if let Placed::Different { path } = &finished.manifest {
            self.run.tell(Event::OtherManifest { path: path.clone() });
        }
        match (finished.receipt, finished.manifest) {
            (Some(Placed::Different { path }), _) => Err(ImportError::OtherReceipt { file, path }),
            (Some(Placed::Failed(source)), _) | (_, Placed::Failed(source)) => {
                Err(ImportError::Copies { file, source })
            }
            _ => Ok(self.published.close()?),
        }
    }

    /// The receipt that is there for this swarm already.
    fn receipt(&self) -> Result<Option<Receipt>, ImportError> {
        let target = &self.plan.target;
        let found = if target.is_receipt_beside {
            self.published.receipt()?
        } else {
            std::fs::read(&target.receipt).ok()
        };
        let receipt = found.and_then(|text| Receipt::parse(&text).ok());
        Ok(receipt.filter(|receipt| receipt.subject().swarm_id == *self.plan.manifest.swarm_id()))
    }
}
