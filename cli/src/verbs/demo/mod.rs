//! `minimodel demo`: a whole transfer on this machine alone, explained for newcomers.
//!
//! Everything is real: a valid sample, a signed manifest, three peers with keys of their own, QUIC on loopback, a
//! fetch in a process of its own that is killed without warning and started again. Only the bad peer's lie is staged.

mod fetcher;
mod pages;
mod peers;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, Quantization, Shape, write_slm};
use minimodel_verifier::artifact::Format;
use minimodel_verifier::verify::{inspect_artifact, verify_artifact};
use minimodel_verifier::{Manifest, chunk};

use crate::args::DemoArgs;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::settings::Context;
use crate::size::show_size;
use peers::{Character, Peer};
use story::Story;

/// Approximate size of the sample: long enough to watch, short enough not to wait.
const SAMPLE_BYTES: u64 = 48 << 20;

/// Runs the verb.
pub(crate) fn run(args: &DemoArgs, context: &Context) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let folder = tempfile::Builder::new().prefix("minimodel-demo-").tempdir();
    let folder = folder.map_err(|error| Failure::writing("demo's folder", &std::env::temp_dir(), &error))?;
    let story = Story::new(context);
    let told = if args.page {
        pages::tell(&story, &interrupt, folder.path(), args.print, context)
    } else {
        tell(&story, &interrupt, folder.path())
    };
    if args.keep {
        let kept = folder.keep();
        context.printer.note(format!("the demo's folder was kept: {}", escape::path(&kept)));
    }
    told
}

fn tell(story: &Story<'_>, interrupt: &Interrupt, folder: &Path) -> Result<(), Failure> {
    story.title("A model file moves between people who agreed to it. Everything happens on this machine.")?;

    story.step("Alice makes a model file and a manifest that names its bytes, its license and herself.")?;
    let (artifact, manifest) = make_model(folder)?;
    story.say(&format!(
        "{} of sample weights, in {} chunks",
        show_size(manifest.byte_count()),
        manifest.chunk_count()
    ))?;
    story.say(&format!("manifest signed by {}", &manifest.publisher_key_id()[..24]))?;
    interrupt.check()?;

    story.step("Three peers offer it. Each checks the whole file before it serves a byte. Two are not what they seem.")?;
    let alice = Peer::start(Character::Honest, &manifest, &artifact)?;
    let mallory = Peer::start(Character::Liar, &manifest, &artifact)?;
    let carol = Peer::start(Character::Leaver, &manifest, &artifact)?;
    for (name, peer) in [("alice", &alice), ("mallory", &mallory), ("carol", &carol)] {
        story.say(&format!("{name:<8} {}", peer.id()))?;
    }
    interrupt.check()?;

    story.step("Bob agrees to fetch and import, and takes chunks from all three. Each chunk is proven before it is kept.")?;
    let bob = fetcher::Fetcher::new(folder, &manifest, [&alice, &mallory, &carol].map(Peer::offer))?;
    let names = [("alice", alice.id()), ("mallory", mallory.id()), ("carol", carol.id())];
    let killed_at = bob.run_and_kill(story, &names, interrupt)?;
    story
        .say(&format!("after {} Bob's process is killed without warning (SIGKILL)", show_size(killed_at)))?;

    story.step(
        "Bob types the same line again. What was recorded is read back, proven again, and not fetched twice.",
    )?;
    bob.run_to_the_end(story, &names, interrupt)?;
    interrupt.check()?;

    story.step("The file is in its place. Bob checks it once more, by himself.")?;
    check(story, &manifest, &bob.artifact())?;
    story.step("His receipt says what was checked, what he agreed to, and who supplied what:")?;
    show_receipt(story, &bob.receipt(), &names)?;
    drop((alice, mallory, carol));
    story.title(
        "That was all: no server, nothing executed, nothing believed unproven.\n\
         Next: `minimodel sample model.slm`, then `minimodel manifest create --help`.",
    )
}

fn make_model(folder: &Path) -> Result<(PathBuf, Arc<Manifest>), Failure> {
    let path = folder.join("alice.slm");
    let failed = |error: std::io::Error| Failure::writing("sample", &path, &error);
    let shape = Shape::about(SAMPLE_BYTES, Quantization::Q8_0)
        .map_err(|error| Failure::unexpected("cannot make a sample", &error.into()))?;
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    write_slm(&shape, 7, &mut file).map_err(failed)?;
    drop(file);
    let manifest = make_manifest(&path)?;
    let copy = folder.join("alice.minimodel");
    std::fs::write(&copy, manifest.text()).map_err(|error| Failure::writing("manifest", &copy, &error))?;
    Ok((path, Arc::new(manifest)))
}

fn make_manifest(path: &Path) -> Result<Manifest, Failure> {
    let reading = |error: std::io::Error| Failure::reading("sample", path, &error);
    let bytes = std::fs::read(path).map_err(reading)?;
    let chunk_size = chunk::auto_chunk_size(bytes.len() as u64);
    let inspected = inspect_artifact(Format::Slm, bytes.len() as u64, chunk_size, &mut bytes.as_slice())
        .map_err(reading)?;
    if !inspected.report.ok() {
        return Err(Failure::unexpected(
            "the sample is not valid",
            &anyhow::anyhow!("{:?}", inspected.report),
        ));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::unexpected("cannot make a key", &anyhow::anyhow!("{error}")))?;
    let options = ManifestOptions {
        model_id: "demo-model".to_owned(),
        publisher_id: "demo-alice".to_owned(),
        chunk_size: usize::try_from(chunk_size).unwrap_or(1 << 16),
        signing_key: Some(SigningKey::from_bytes(&seed)),
        ..ManifestOptions::default()
    };
    let text = minimodel_fixtures::ManifestText::of(&bytes, &options).render();
    Manifest::parse(text.as_bytes())
        .map_err(|error| Failure::unexpected("the demo's manifest is not valid", &error.into()))
}

fn check(story: &Story<'_>, manifest: &Manifest, path: &Path) -> Result<(), Failure> {
    let reading = |error: std::io::Error| Failure::reading("model file", path, &error);
    let mut file = std::fs::File::open(path).map_err(reading)?;
    let verified = verify_artifact(manifest, &mut file).map_err(reading)?;
    if let Some(check) = verified.report.failures().next() {
        let hint = "please report it: this must not happen";
        return Err(Failure::new(Exit::Verification, "the demo's file is not right", hint).because(format!(
            "{}: {}",
            check.name,
            check.detail()
        )));
    }
    for name in ["artifact.byte_count", "artifact.sha256", "chunk.merkle_root", "slm.checksum"] {
        if let Some(check) = verified.report.check(name) {
            story.say(&format!("{:<20} {}", name, check.detail()))?;
        }
    }
    story.say(&format!("all {} checks passed", verified.report.checks().len()))
}

fn show_receipt(story: &Story<'_>, path: &Path, names: &[(&str, String)]) -> Result<(), Failure> {
    let text = std::fs::read(path).map_err(|error| Failure::reading("receipt", path, &error))?;
    let receipt = minimodel_verifier::receipt::Receipt::parse(&text)
        .map_err(|error| Failure::unexpected("the demo's receipt is not valid", &error.into()))?;
    let import = receipt.import();
    for consent in &import.consents {
        story.say(&format!("agreed to {:<7} by {}", consent.action.as_str(), consent.by))?;
    }
    for peer in &import.peers {
        let name = names.iter().find(|(_, id)| *id == peer.id).map_or("somebody", |(name, _)| name);
        let verdict = peer.rejected.as_ref().map_or_else(String::new, |why| format!(", then banned: {why}"));
        story.say(&format!("{name:<8} {:>9} in {} chunks{verdict}", show_size(peer.bytes), peer.chunks))?;
    }
    let supplied: u64 = import.peers.iter().map(|peer| peer.bytes).sum();
    story.say(&format!("together {} of {} bytes", supplied, receipt.subject().byte_count))
}
