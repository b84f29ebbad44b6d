//! The rounds of a comparison, and the evaluation of their figures.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use minimodel_benches::plot_bars::{Bar, bars};
use serde_json::json;

use crate::args::Args;
use crate::machine::Machine;
use crate::process;
use crate::programs::Program;
use crate::report::{self, Outcome, Row};
use crate::stage::{Shape, Stage};
use crate::work;

/// Runs the whole comparison.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let beside = env::current_exe().map_err(|error| error.to_string())?;
    let beside = beside.parent().ok_or("this program is nowhere")?;
    build(args, beside)?;
    let minimodel = args.minimodel.clone().unwrap_or_else(|| beside.join("minimodel"));
    if !minimodel.is_file() {
        return Err(format!("{} is not built: cargo build --release -p minimodel-cli", minimodel.display()));
    }
    let programs = args.programs(beside, &minimodel)?;
    let folder = args.dir.clone().unwrap_or_else(default_folder);
    let work = tempfile::Builder::new().prefix("compare-").tempdir_in(&folder);
    let work = work.map_err(|error| format!("{}: {error}", folder.display()))?;
    clean_up_when_interrupted(work.path().to_owned())?;

    eprintln!("making the file ...");
    let mut stage = Stage::new(work.path(), &minimodel, args.size, args.limit)?;
    stage.libtorrent = libtorrent(args);
    let ready = prepare(programs, &mut stage);
    if let Some(out) = &args.out {
        fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    let machine = Machine::here(work.path());
    let mut outcomes = Vec::new();
    for shape in &args.shape {
        let outcome = rounds(args, &stage, &ready, *shape, machine.cores)?;
        println!("{}", outcome.markdown());
        outcomes.push(outcome);
        // After each shape: a long comparison that is interrupted keeps what it has.
        if let Some(out) = &args.out {
            write(out, args, &machine, &outcomes)?;
        }
    }
    print!("{}\n{}", head(args, &machine), tail(&outcomes));
    Ok(())
}

/// Under `cargo run` the programs beside this one are brought up to date; otherwise they are taken as they are.
fn build(args: &Args, beside: &Path) -> Result<(), String> {
    let Some(cargo) = env::var_os("CARGO").filter(|_| beside.ends_with("release")) else { return Ok(()) };
    let mut wanted = vec![["-p", "minimodel-benches", "--bin", "rawquinn"]];
    if args.minimodel.is_none() {
        wanted.push(["-p", "minimodel-cli", "--bin", "minimodel"]);
    }
    for arguments in wanted {
        let mut command = Command::new(&cargo);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "-q"]).args(arguments);
        // Variables that `cargo run` set for this program would make build scripts run again as if changed.
        for (name, _) in env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
                command.env_remove(name);
            }
        }
        process::output(&mut command)?;
    }
    Ok(())
}

/// A folder in memory, so that no disk is measured.
fn default_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { env::temp_dir() }
}

/// On SIGTERM and Ctrl-C ends all children and removes the folder. SIGKILL leaves both behind.
fn clean_up_when_interrupted(folder: PathBuf) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            if let Ok(mut terminate) = signal(SignalKind::terminate()) {
                tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
                let _nothing_more = process::end_all();
                // Files that are just being written can make a removal fail.
                for _ in 0..20 {
                    if fs::remove_dir_all(&folder).is_ok() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                std::process::exit(130);
            }
        });
    });
    Ok(())
}

/// A Python that has libtorrent, and the driver.
fn libtorrent(args: &Args) -> Option<(PathBuf, PathBuf)> {
    let driver = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/compare/peers/lt.py"));
    let usual = ["/usr/bin/python3", "python3"].map(PathBuf::from);
    let candidates = args.python.clone().map_or_else(|| usual.to_vec(), |told| vec![told]);
    let works = |python: &PathBuf| process::output(Command::new(python).arg(&driver).arg("version")).is_ok();
    candidates.into_iter().find(works).map(|python| (python, driver))
}

/// An installed program and its version.
struct Ready {
    program: Box<dyn Program>,
    version: String,
}

fn prepare(programs: Vec<Box<dyn Program>>, stage: &mut Stage) -> Vec<Ready> {
    let mut ready = Vec::new();
    for mut program in programs {
        match program.prepare(stage) {
            Ok(version) => ready.push(Ready { program, version }),
            Err(why) => {
                let facts = program.facts();
                eprintln!("skipped {}: {why}; install: {}", facts.label, facts.install);
            }
        }
    }
    ready
}

fn rounds(
    args: &Args,
    stage: &Stage,
    ready: &[Ready],
    shape: Shape,
    cores: usize,
) -> Result<Outcome, String> {
    let taking: Vec<&Ready> = ready.iter().filter(|one| one.program.takes(shape)).collect();
    let row = |one: &&Ready| Row {
        facts: one.program.facts().clone(),
        version: one.version.clone(),
        runs: Vec::new(),
        failures: Vec::new(),
    };
    let mut outcome =
        Outcome { shape, size: stage.size, cores, rows: taking.iter().map(row).collect(), work: Vec::new() };
    for round in 0..=args.runs {
        let counted = round > 0;
        eprintln!("{shape}: round {round} of {}{}", args.runs, if counted { "" } else { " (not counted)" });
        for (one, row) in taking.iter().zip(&mut outcome.rows) {
            let folder = tempfile::tempdir_in(&stage.folder).map_err(|error| error.to_string())?;
            let result = one.program.run(stage, shape, folder.path());
            match &result {
                Ok(run) => eprintln!(
                    "  {:34} {:?} s, CPU {:.2} + {:.2} s",
                    row.facts.label, run.finished, run.sender_cpu, run.receiver_cpu
                ),
                Err(why) => eprintln!("  {:34} failed: {why}", row.facts.label),
            }
            match result {
                Ok(run) if counted => row.runs.push(run),
                Ok(_) => {}
                Err(why) => row.failures.push(why),
            }
        }
        let parts = work::hash_and_write(&stage.file, &stage.folder)?;
        if counted {
            outcome.work.push(parts);
        }
    }
    Ok(outcome)
}

fn head(args: &Args, machine: &Machine) -> String {
    let extra = args.minimodel_args.trim();
    let extra = if extra.is_empty() { String::new() } else { format!(" `minimodel` ran with `{extra}`.") };
    format!(
        "{}\nOne round not counted, then {} counted; processes in turn on loopback, both sides on this machine.{extra} \
         Every received file was compared with the sent one by SHA-256 outside the timed part. MB is 10^6 bytes, \
         MiB 2^20; memory is the most of any run: anonymous pages (20 ms samples), in brackets resident with mapped files.\n",
        machine.markdown(),
        args.runs
    )
}

fn tail(outcomes: &[Outcome]) -> String {
    outcomes.first().map(|outcome| report::notes(&outcome.rows)).unwrap_or_default()
}

fn write(out: &Path, args: &Args, machine: &Machine, outcomes: &[Outcome]) -> Result<(), String> {
    let put = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let tables: Vec<String> = outcomes.iter().map(Outcome::markdown).collect();
    put("table.md", [head(args, machine), tables.join("\n"), tail(outcomes)].join("\n"))?;
    let shapes: Vec<_> = outcomes.iter().map(Outcome::json).collect();
    let all = json!({"machine": machine.json(), "runs": args.runs, "shapes": shapes});
    put("runs.json", format!("{all:#}\n"))?;
    for outcome in outcomes {
        let Shape { senders, receivers } = outcome.shape;
        let title =
            format!("{} MiB, {senders} to {receivers}, one machine: median and spread", outcome.size >> 20);
        let rows = outcome.rows.iter().filter_map(|row| {
            let rate = row.rate(outcome.size)?;
            Some(Bar { label: row.facts.label.clone(), median: rate.median, low: rate.low, high: rate.high })
        });
        let path = out.join(format!("bars-{}.svg", outcome.shape));
        bars(&path, &title, "MB/s, all receivers together", &rows.collect::<Vec<_>>())?;
    }
    Ok(())
}
