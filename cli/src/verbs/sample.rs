//! `minimodel sample`: a valid model file of a published shape or of about a wanted size, the same for each seed.

use std::io::{self, Seek, Write};

use minimodel_fixtures::{Plain, Quantization, Shape, SizeError, write_slm};
use minimodel_verifier::artifact::{ArtifactName, Format};
use serde::Serialize;

use crate::args::{FormatChoice, QuantizationChoice, SampleArgs};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::settings::Context;
use crate::size::show_exact_size;

/// Size of a GGUF or safetensors file where none is asked for: about that of the published shape.
const PLAIN_BYTES: u64 = 10 << 20;

/// Largest GGUF or safetensors file that is written.
const MAX_PLAIN_BYTES: u64 = 64 << 30;

/// The answer under `--json`.
#[derive(Serialize)]
struct SampleObject {
    path: String,
    format: &'static str,
    byte_count: u64,
    parameter_count: u64,
    quantization: &'static str,
}

/// A file before it is written.
enum Sample {
    Slm(Shape),
    Plain(Plain),
}

/// Writes the sample.
pub(crate) fn run(args: &SampleArgs, context: &Context) -> Result<(), Failure> {
    let format = match args.format {
        None => ArtifactName::of_path(&args.out).map_or(Format::Slm, |name| name.format()),
        Some(FormatChoice::Slm) => Format::Slm,
        Some(FormatChoice::Gguf) => Format::Gguf,
        Some(FormatChoice::Safetensors) => Format::Safetensors,
    };
    let quantization = match args.quantization {
        None if format == Format::Safetensors => Quantization::F32,
        None | Some(QuantizationChoice::Q4_0) => Quantization::Q4_0,
        Some(QuantizationChoice::F32) => Quantization::F32,
        Some(QuantizationChoice::Q8_0) => Quantization::Q8_0,
    };
    let sample = sample(args, format, quantization)?;
    let byte_count = sample.byte_count();
    let mut output = Output::create("sample", &args.out)?;
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "write", byte_count, false);
    let mut writer = interrupt.guard(progress.counter().count(output.file()));
    let written = sample.write(args.seed, &mut writer);
    drop(progress);
    interrupt.check()?;
    let parameter_count = written.map_err(|error: io::Error| output.failed(&error))?;
    output.commit()?;

    let printer = &context.printer;
    if printer.is_json() {
        let fields = SampleObject {
            path: args.out.to_string_lossy().into_owned(),
            format: format.word(),
            byte_count,
            parameter_count,
            quantization: quantization.name(),
        };
        return printer.event("sample", fields);
    }
    printer.answer_path(&args.out)?;
    printer.note(format!(
        "{}, {}, {parameter_count} parameters stored as {}, seed {}",
        format.title(),
        show_exact_size(byte_count),
        quantization.name(),
        args.seed
    ));
    // A .slm file does not say enough of itself for a manifest.
    let more =
        if format == Format::Slm { "--help" } else { "--publisher-id YOUR-NAME --sign -o model.minimodel" };
    printer
        .note(format!("next: minimodel manifest create {} {more}", escape::shell_word(args.out.as_os_str())));
    Ok(())
}

/// What the command line asks for.
fn sample(args: &SampleArgs, format: Format, quantization: Quantization) -> Result<Sample, Failure> {
    if format != Format::Slm && args.profile.is_some() {
        let hint = "give --bytes instead, or a name that ends in .slm";
        return Err(Failure::new(Exit::Usage, "--profile names a shape of .slm files", hint));
    }
    let bytes = args.bytes.unwrap_or(PLAIN_BYTES);
    if format != Format::Slm && bytes > MAX_PLAIN_BYTES {
        let hint = format!("ask for at most `--bytes {MAX_PLAIN_BYTES}`");
        return Err(Failure::new(Exit::Usage, "no sample has that size", hint));
    }
    match format {
        Format::Gguf => Ok(Sample::Plain(Plain::gguf(bytes, quantization))),
        Format::Safetensors if quantization != Quantization::F32 => {
            let error = format!("safetensors has no numbers of the format {}", quantization.name());
            Err(Failure::new(Exit::Usage, error, "leave --quantization out, or write a GGUF file"))
        }
        Format::Safetensors => Ok(Sample::Plain(Plain::safetensors(bytes))),
        Format::Onnx | Format::Other(_) => {
            let hint = "write a name that ends in .gguf, .safetensors or .slm, or add --format";
            Err(Failure::new(
                Exit::Usage,
                format!("minimodel writes no samples of {} files", format.title()),
                hint,
            ))
        }
        Format::Slm => Ok(Sample::Slm(match args.bytes {
            Some(bytes) => Shape::about(bytes, quantization).map_err(impossible_size)?,
            // The one profile is also the default.
            None => Shape::tinylm_16m().stored_as(quantization),
        })),
    }
}

impl Sample {
    fn byte_count(&self) -> u64 {
        match self {
            Self::Slm(shape) => shape.byte_count(),
            Self::Plain(plain) => plain.byte_count(),
        }
    }

    /// Writes the file; returns the number of its parameters.
    fn write(&self, seed: u64, out: &mut (impl Write + Seek)) -> io::Result<u64> {
        match self {
            Self::Slm(shape) => Ok(write_slm(shape, seed, out)?.parameter_count),
            Self::Plain(plain) => plain.write(seed, out).map(|()| plain.parameter_count()),
        }
    }
}

fn impossible_size(error: SizeError) -> Failure {
    let hint = match error {
        SizeError::TooSmall { smallest, .. } => format!("ask for at least `--bytes {smallest}`"),
        SizeError::TooLarge { largest, .. } => format!("ask for at most `--bytes {largest}`"),
    };
    Failure::new(Exit::Usage, "no sample has that size", hint).because(error)
}
