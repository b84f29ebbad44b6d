//! The honest side of a siege: the real binary, in a folder that goes away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use minimodel_wire::SignedOffer;
use tempfile::TempDir;

use super::{Plan, wait_until};

/// The model to transfer, and one folder for all processes.
pub(super) struct Stage {
    folder: TempDir,
    minimodel: PathBuf,
}

impl Stage {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let stage = Self { folder: tempfile::tempdir()?, minimodel: plan.minimodel.clone() };
        stage.run("seeder", &["sample", "model.slm", "--bytes", &plan.size])?;
        let line = "manifest create model.slm --model-id besieged --model-version 1 --publisher-id tests \
                    --license-route /license.txt --model-card-route /card.html -o model.minimodel";
        stage.run("seeder", &line.split_whitespace().collect::<Vec<_>>())?;
        Ok(stage)
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.folder.path().join("model.minimodel")
    }

    fn command(&self, home: &str) -> Command {
        let mut command = Command::new(&self.minimodel);
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("MINIMODEL_HOME", self.folder.path().join(home)).env("MINIMODEL_LISTEN", "127.0.0.1:0");
        command
    }

    fn run(&self, home: &str, arguments: &[&str]) -> Result<()> {
        let output = self.command(home).args(arguments).output().context("the binary does not start")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "minimodel {}: {said}", arguments.join(" "));
        Ok(())
    }

    /// Fetches into a folder of its own and returns the time from the first bytes to the end; calls `at_work` once bytes
    /// come.
    pub(super) fn fetch(
        &self,
        seeder: &Seeder,
        plan: &Plan,
        name: &str,
        at_work: impl FnOnce(),
    ) -> Result<Duration> {
        let mut command = self.command(name);
        command.args(["fetch", "model.minimodel", "-o", name, "--consent", "fetch,import"]);
        command.args(["--peer", &seeder.offer()?.to_string()]);
        if let Some(rate) = &plan.down {
            command.args(["--down", rate]);
        }
        let errors = self.folder.path().join(format!("{name}.stderr"));
        command.stdout(Stdio::null()).stderr(File::create(&errors)?);
        let mut child = Killed(command.spawn().context("the binary does not start")?);
        let folder = self.folder.path().join(name);
        wait_until("the first chunk", || (written(&folder) > 0).then_some(()))?;
        let begin = Instant::now();
        at_work();
        let status = child.0.wait()?;
        let took = begin.elapsed();
        let said = fs::read_to_string(&errors).unwrap_or_default();
        anyhow::ensure!(status.success(), "the honest fetch failed: {status}: {said}");
        // The fetch has checked the file itself; this check is independent of it.
        let whole = fs::read(self.folder.path().join("model.slm"))?;
        let files = fs::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path());
        let got = files.filter(|path| path.extension().is_some_and(|extension| extension == "slm"));
        let got = got.map(fs::read).next().context("the honest fetch left no file")??;
        anyhow::ensure!(got == whole, "the honest fetch left another file");
        Ok(took)
    }
}

/// Bytes on disk of the partial file in a folder.
fn written(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let parts = entries.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().ends_with(".slm.part")
    });
    parts.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// A child process that is killed on drop.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `minimodel seed`.
pub(super) struct Seeder {
    child: Killed,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Seeder {
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let (stdout, stderr) =
            (stage.folder.path().join("seed.stdout"), stage.folder.path().join("seed.stderr"));
        let mut command = stage.command("seeder");
        command.args(["seed", "model.minimodel", "model.slm", "--consent", "serve"]);
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = Killed(command.spawn().context("the binary does not start")?);
        let seeder = Self { child, stdout, stderr };
        wait_until("the seeder's offer", || seeder.offer().ok())?;
        Ok(seeder)
    }

    pub(super) fn offer(&self) -> Result<SignedOffer> {
        let said = fs::read_to_string(&self.stdout)?;
        let (line, _) = said.split_once('\n').context("it has said nothing yet")?;
        Ok(line.parse()?)
    }

    pub(super) fn status_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/status", self.child.0.id()))
    }

    pub(super) fn resident(&self) -> Result<u64> {
        resident(&self.status_path())
    }

    /// Ends the seeder, which must still be running and must not have reported a panic.
    pub(super) fn stop(mut self) -> Result<()> {
        let ended = self.child.0.try_wait()?;
        let said = fs::read_to_string(&self.stderr)?;
        anyhow::ensure!(ended.is_none(), "the seeder ended: {said}");
        anyhow::ensure!(!said.contains("panicked"), "the seeder panicked: {said}");
        Ok(())
    }
}

/// Resident memory of a process in bytes, from its `/proc/PID/status`.
pub(super) fn resident(status: &Path) -> Result<u64> {
    let text = fs::read_to_string(status)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib = line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    Ok(kib << 10)
}
