//! Inspects a model file: runs every structural check of its format, and shows what its header says.

use std::io::Read as _;
use std::path::Path;

use minimodel::input::Input;
use minimodel_verifier::artifact::{Format, scan};

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::settings::Context;
use crate::size::show_exact_size;
use crate::text;
use crate::{report, show};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Scans the file and shows it; exit 4 when a rule of the format is broken.
pub(super) fn show(context: &Context, path: &Path, input: &Input, format: Format) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "inspect", input.byte_count, false);
    let mut reader = interrupt.guard(progress.counter().count(&input.file));
    let mut scan = scan(format, input.byte_count);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = reader.read(&mut block);
        interrupt.check()?;
        match read.map_err(|error| Failure::reading("artifact", path, &error))? {
            0 => break,
            len => scan.push(block.get(..len).unwrap_or_default()),
        }
    }
    drop(progress);
    let outcome = scan.finish();
    let printer = &context.printer;
    if !printer.is_json() {
        let mut lines = vec![
            (
                "what".to_owned(),
                format!("{} {} file", if format == Format::Onnx { "an" } else { "a" }, format.title()),
            ),
            ("size".to_owned(), show_exact_size(input.byte_count)),
        ];
        lines.extend(outcome.header.summary.into_iter().map(|(label, value)| (label.to_owned(), value)));
        show::answer(printer, &lines)?;
    }
    report::answer(printer, None, &outcome.report)?;
    if outcome.report.ok() {
        return Ok(());
    }
    let subject = format!("the artifact `{}`", escape::path(path));
    let hint = "it is damaged, or was written by a faulty program: get it again, or ask its publisher";
    Err(text::of_report(Exit::Verification, &subject, &outcome.report, hint).answered())
}
