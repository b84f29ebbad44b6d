//! Inspects a `.slm` file: runs every structural check, and shows what its header says.

use std::io::Read as _;
use std::path::Path;

use minimodel::input::Input;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::slm::{Scan, SlmFacts};

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
pub(super) fn show(context: &Context, path: &Path, input: &Input) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "inspect", input.byte_count, false);
    let mut reader = interrupt.guard(progress.counter().count(&input.file));
    let mut scan = Scan::new(input.byte_count);
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
            ("what".to_owned(), "a .slm artifact".to_owned()),
            ("size".to_owned(), show_exact_size(input.byte_count)),
        ];
        lines.extend(outcome.facts.as_ref().map(facts).unwrap_or_default());
        show::answer(printer, &lines)?;
    }
    report::answer(printer, None, &outcome.report)?;
    if outcome.report.ok() {
        return Ok(());
    }
    let subject = format!("the artifact `{}`", escape::path(path));
    let hint = "it is damaged or not a .slm v1 file: fetch it again, or ask its publisher";
    Err(text::of_report(Exit::Verification, &subject, &outcome.report, hint).answered())
}

fn facts(facts: &SlmFacts) -> Vec<(String, String)> {
    let header = &facts.header;
    let output = if header.is_output_tied() { "tied" } else { "of its own" };
    [
        ("parameters", format!("{}, stored as {}", facts.parameter_count, facts.quantization)),
        (
            "shape",
            format!(
                "{} layers, hidden {}, FFN {}, {} heads, {} KV heads, output {output}",
                header.layer_count,
                header.hidden_size,
                header.ffn_size,
                header.head_count,
                header.kv_head_count
            ),
        ),
        ("vocabulary", format!("{}, context {}", header.vocab_size, header.max_context)),
        ("tensors", header.tensor_count.to_string()),
        ("tokenizer", tagged(&facts.tokenizer_sha256)),
        ("tensor layout", tagged(&facts.layout_sha256)),
        ("checksum", format!("{:016x}, as the header says", facts.stored_checksum)),
    ]
    .map(|(label, value)| (label.to_owned(), value))
    .to_vec()
}
