//! The companion's work, done by the code of the verbs: the same checks, the same partial files, the same receipts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use minimodel::Identity;
use minimodel::checks::CheckRecords;
use minimodel::clock;
use minimodel_companion::Problem;
use minimodel_companion::api::types::{Cause, Endpoint};
use minimodel_companion::problem::code;
use minimodel_companion::runner::{FetchEnd, FetchJob, JobControl, Runner, ShareEnd, ShareJob};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::problem;
use crate::args::{OrderChoice, ShareOptions, TransferOptions};
use crate::check::{self, CheckLabels};
use crate::consent::NOTHING_DONE;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;
use crate::show;
use crate::transfer::control::TransferControl;
use crate::transfer::fetching::{self, Ended, Importing, Plan, Prepared};
use crate::transfer::seeding::{self, SharedFile};
use crate::transfer::target::Target;
use crate::transfer::{SOFTWARE, block_on, ending, endpoint, offer_checks};

/// Stall timeout of a fetch that waits without limit; finite, because the driver multiplies it.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Implementation of `Runner` by the code of the verbs.
pub(super) struct CliRunner {
    context: Context,
}

impl CliRunner {
    /// Uses an unattended context: no question is asked and nothing is written to stdout; warnings go to stderr, which
    /// is the companion's log.
    pub(super) fn new(context: &Context) -> Self {
        Self { context: context.unattended() }
    }

    fn options(endpoint: &Endpoint) -> ShareOptions {
        ShareOptions {
            listen: endpoint.listen,
            advertise: endpoint.advertise.clone(),
            ..ShareOptions::default()
        }
    }

    fn transfer_control(control: JobControl, last_port: Option<u16>) -> TransferControl {
        let JobControl { stop, controls, up, down, gate, reports, on_offer } = control;
        TransferControl {
            stop,
            controls,
            up,
            down,
            gate: Some(gate),
            reports,
            progress: None,
            last_port,
            on_offer: Box::new(move |node, offer| {
                on_offer(node.local_address().port(), offer.clone());
                Ok(())
            }),
        }
    }

    fn serve(&self, job: ShareJob) -> Result<ShareEnd, Failure> {
        let context = &self.context;
        let shared =
            SharedFile { manifest: job.manifest, manifest_path: None, path: &job.path, recheck: false };
        let out_of_reach = |cause, failure| Ok(ShareEnd::OutOfReach { cause, problem: problem(failure) });
        let ready = match seeding::check(context, &shared) {
            Err(failure) if matches!(failure.class, Exit::NotFound | Exit::Io) => {
                return out_of_reach(Cause::Disk, failure);
            }
            checked => checked?,
        };
        let identity = Identity::load_or_create(&context.home, &*context.printer)?;
        let share = Self::options(&job.endpoint);
        let control = Self::transfer_control(job.control, job.last_port);
        let served = block_on(async {
            let node = match endpoint::bind(&share, &identity, true, control.last_port) {
                Err(failure) if failure.class == Exit::Io => return Ok(Err(failure)),
                bound => bound?,
            };
            seeding::serve(context, &shared, ready, node, (&share, job.publishes), control).await.map(Ok)
        })?;
        let (end, stat) = match served {
            Err(failure) => return out_of_reach(Cause::Address, failure),
            Ok(served) => served,
        };
        if end.is_changed() {
            // The record is removed: a file that changed while its times did not must not be served by it again.
            CheckRecords::of(&context.home, &*context.printer).forget(&shared.manifest, &stat);
            return Ok(ShareEnd::SourceChanged);
        }
        Ok(ShareEnd::Stopped)
    }

    fn fetch_file(&self, job: FetchJob) -> Result<FetchEnd, Failure> {
        let context = &self.context;
        let (share, transfer) = (
            Self::options(&job.endpoint),
            TransferOptions {
                order: if job.sequential { OrderChoice::Sequential } else { OrderChoice::Rarest },
                stall_timeout: Some(job.stall_timeout.unwrap_or(PATIENCE)),
                full_check: job.full_check,
                ..TransferOptions::default()
            },
        );
        let plan = Plan {
            verb: "fetch",
            manifest: job.manifest,
            sources: job.sources,
            out: job.out,
            receipt: job.receipt,
            share: &share,
            transfer: &transfer,
            consent: None,
            asked_besides: &[],
            done: NOTHING_DONE,
            is_repair: false,
        };
        let target = Target::new(&plan.out, &plan.manifest, plan.receipt.as_deref())?;
        let (path, receipt) = (target.artifact.clone(), target.receipt.clone());
        let importing = Importing {
            target,
            publisher: job.publisher,
            consents: job.consents,
            started_utc: clock::now_utc(),
        };
        if let Some(Prepared { identity, part, resumed }) = fetching::prepare(context, &plan, &importing)? {
            let control = Self::transfer_control(job.control, job.last_port);
            let transfer =
                fetching::transfer(context, &plan, &importing, &identity, (part, &resumed), control);
            if block_on(transfer)? == Ended::Stopped {
                return Ok(FetchEnd::Stopped);
            }
        }
        Ok(FetchEnd::Done { path, receipt })
    }

    fn fetch_manifest(
        &self,
        offer: &SignedOffer,
        at: &Endpoint,
        control: &JobControl,
    ) -> Result<String, Failure> {
        let context = &self.context;
        let identity = Identity::load_or_create(&context.home, &*context.printer)?;
        let mut stop = control.stop.clone();
        block_on(async {
            let node = endpoint::bind(&Self::options(at), &identity, false, None)?;
            tokio::select! {
                manifest = node.fetch_manifest(offer, SOFTWARE) => {
                    manifest.map(|manifest| manifest.text()).map_err(|error| ending::driver(&error))
                }
                _ = stop.wait_for(|stop| *stop) => Err(ending::stopped(Exit::Stopped)),
            }
        })
    }

    fn full(&self, manifest: &Manifest, path: &Path) -> Result<(), Failure> {
        let source = check::open("model file", path)?;
        let labels = CheckLabels { what: "model file", label: "check", has_events: false };
        let verified = check::full(&self.context, manifest, path, &source, &labels)?;
        if verified.report.ok() { Ok(()) } else { Err(check::failure(path, &verified.report)) }
    }

    fn read_offer(text: &str, manifest: Option<&Manifest>) -> Result<SignedOffer, Failure> {
        let offer: SignedOffer = text.parse().map_err(|error| {
            let hint = "ask for the offer again, and hand it on whole: it begins with `mm1`";
            Failure::new(Exit::Invalid, "the offer is not valid", hint).because(error)
        })?;
        offer_checks::check_fresh(&offer)?;
        manifest.map_or(Ok(()), |manifest| offer_checks::check_swarm(&offer, manifest))?;
        Ok(offer)
    }
}

impl Runner for CliRunner {
    fn peer(&self) -> Option<String> {
        Identity::known(&self.context.home).map(|peer| peer.to_string())
    }

    fn place(&self, folder: &Path, manifest: &Manifest) -> Result<PathBuf, Problem> {
        Target::new(folder, manifest, None).map(|target| target.artifact).map_err(problem)
    }

    fn subject(&self, manifest: &Manifest) -> Vec<(String, String)> {
        show::subject(manifest, publisher::signer_verdict(&self.context, manifest).ok().as_ref())
    }

    fn offer(&self, text: &str, manifest: Option<&Manifest>) -> Result<SignedOffer, Problem> {
        Self::read_offer(text, manifest).map_err(problem)
    }

    fn check(&self, manifest: &Manifest, path: &Path) -> Result<(), Problem> {
        self.full(manifest, path).map_err(problem)
    }

    fn ask_manifest(
        &self,
        offer: &SignedOffer,
        endpoint: &Endpoint,
        control: &JobControl,
    ) -> Result<String, Problem> {
        self.fetch_manifest(offer, endpoint, control).map_err(problem)
    }

    fn share(&self, job: ShareJob) -> Result<ShareEnd, Problem> {
        self.serve(job).map_err(problem)
    }

    fn fetch(&self, job: FetchJob) -> Result<FetchEnd, Problem> {
        // Neither a source nor consent to serve: no peer can be reached. The companion tries a fetch without stall
        // timeout again later, because the user may name a source.
        if job.sources.is_empty()
            && !job
                .consents
                .iter()
                .any(|consent| consent.action == minimodel_verifier::receipt::ConsentAction::Serve)
        {
            return Err(Problem::new(
                code::NOT_FOUND,
                "no peer to fetch from",
                "name at least one: an offer that their `minimodel seed` prints",
            ));
        }
        self.fetch_file(job).map_err(problem)
    }
}
