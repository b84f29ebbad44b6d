//! `minimodel sample`: a valid, deterministic artifact of a published shape or of about a wanted size.

use std::io;

use minimodel_fixtures::{Quantization, Shape, SizeError, write_slm};
use serde::Serialize;

use crate::args::{QuantizationChoice, SampleArgs};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::settings::Context;
use crate::size::show_exact_size;

/// The answer under `--json`.
#[derive(Serialize)]
struct SampleObject {
    path: String,
    byte_count: u64,
    parameter_count: u64,
    quantization: &'static str,
}

/// Writes the sample.
pub(crate) fn run(args: &SampleArgs, context: &Context) -> Result<(), Failure> {
    let quantization = match args.quantization {
        QuantizationChoice::F32 => Quantization::F32,
        QuantizationChoice::Q8_0 => Quantization::Q8_0,
        QuantizationChoice::Q4_0 => Quantization::Q4_0,
    };
    // The one profile is also the default.
    let shape = match args.bytes {
        Some(bytes) => Shape::about(bytes, quantization).map_err(impossible_size)?,
        None => Shape::tinylm_16m().stored_as(quantization),
    };
    let mut output = Output::create("sample", &args.out)?;
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "write", shape.byte_count(), false);
    let mut writer = interrupt.guard(progress.counter().count(output.file()));
    let written = write_slm(&shape, args.seed, &mut writer);
    drop(progress);
    interrupt.check()?;
    let written = written.map_err(|error: io::Error| output.failed(&error))?;
    output.commit()?;

    let printer = &context.printer;
    if printer.is_json() {
        let fields = SampleObject {
            path: args.out.to_string_lossy().into_owned(),
            byte_count: written.byte_count,
            parameter_count: written.parameter_count,
            quantization: quantization.name(),
        };
        return printer.event("sample", fields);
    }
    printer.answer_path(&args.out)?;
    printer.note(format!(
        "{}, {} parameters stored as {}, seed {}",
        show_exact_size(written.byte_count),
        written.parameter_count,
        quantization.name(),
        args.seed
    ));
    printer
        .note(format!("next: minimodel manifest create {} --help", escape::shell_word(args.out.as_os_str())));
    Ok(())
}

fn impossible_size(error: SizeError) -> Failure {
    let hint = match error {
        SizeError::TooSmall { smallest, .. } => format!("ask for at least `--bytes {smallest}`"),
        SizeError::TooLarge { largest, .. } => format!("ask for at most `--bytes {largest}`"),
    };
    Failure::new(Exit::Usage, "no sample has that size", hint).because(error)
}
