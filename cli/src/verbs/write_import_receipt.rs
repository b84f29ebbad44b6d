//! `minimodel write-import-receipt`: the full check of a local file, and its receipt if it passed.

use minimodel::check::whole_report;
use minimodel::clock;
use minimodel::transfer::TOOL_VERSION;
use minimodel_verifier::manifest::Acquisition;
use minimodel_verifier::receipt::{ImportRecord, Receipt, RecordedCheck};

use crate::args::WriteImportReceiptArgs;
use crate::consent::{self, Action};
use crate::escape;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text;
use crate::{check, output, publisher, report};

const VERB: &str = "write-import-receipt";

/// Prints the report as `verify-artifact` does, then writes the receipt.
pub(crate) fn run(args: &WriteImportReceiptArgs, context: &Context) -> Result<(), Failure> {
    let printer = &context.printer;
    let started_utc = clock::now_utc();
    // Checked before minutes of hashing.
    output::check_free("receipt", &args.receipt)?;
    let manifest = report::manifest_or_answer(printer, &args.manifest)?;
    let verdict = report::accept_key_or_answer(context, &manifest, &args.publisher)?;
    let verified = check::artifact(context, &manifest, &args.artifact)?;
    let whole = whole_report(&manifest, &verified, publisher::check(&verdict, &args.publisher));
    if !whole.ok() {
        report::answer(printer, Some(manifest.swarm_id()), &whole)?;
        return Err(text::not_the_artifact(&args.artifact, &whole).answered());
    }
    let granted = consent::by_command(context, VERB, manifest.swarm_id(), Action::Import)?;
    publisher::keep(context, &manifest, &verdict, args.publisher.accept_publisher_key.as_ref())?;
    let record = ImportRecord {
        lane: Acquisition::UserLocalFile,
        started_utc,
        finished_utc: clock::now_utc(),
        tool_version: TOOL_VERSION.to_owned(),
        checksum_recomputed: true,
        consents: granted.for_receipt(),
        peers: Vec::new(),
        checks: RecordedCheck::all(&whole),
    };
    let receipt = Receipt::new(&manifest, record)
        .map_err(|error| Failure::unexpected("the receipt could not be made", &anyhow::Error::new(error)))?;
    output::write("receipt", &args.receipt, receipt.render().as_bytes())?;
    report::answer(printer, Some(manifest.swarm_id()), &whole)?;
    printer.note(format!("receipt written: {}", escape::path(&args.receipt)));
    Ok(())
}
