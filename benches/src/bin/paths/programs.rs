//! The processes under test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::site::{Side, Site};

/// Time limit for a seeder to print its offer.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a program may take to end.
const GOODBYE: Duration = Duration::from_secs(10);

/// A model file and its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) bytes: u64,
    artifact: PathBuf,
    manifest: PathBuf,
}

/// The program under test and a working folder.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) work: PathBuf,
}

impl Program {
    /// Writes a sample of `bytes` and its manifest.
    pub(crate) async fn sample(&self, bytes: u64) -> Result<Sample> {
        let artifact = self.work.join(format!("{bytes}.slm"));
        let manifest = self.work.join(format!("{bytes}.minimodel"));
        let mut sample = self.command(Command::new(&self.path), "home");
        self.run(sample.arg("-q").arg("sample").arg(&artifact).arg("--bytes").arg(bytes.to_string())).await?;
        let mut create = self.command(Command::new(&self.path), "home");
        create.args(["-q", "manifest", "create"]).arg(&artifact).args([
            "--model-id",
            "paths",
            "--model-version",
            "1",
        ]);
        create.args([
            "--publisher-id",
            "bench",
            "--license-route",
            "/license",
            "--model-card-route",
            "/card",
        ]);
        self.run(create.arg("-o").arg(&manifest)).await?;
        let bytes = std::fs::metadata(&artifact)?.len();
        Ok(Sample { bytes, artifact, manifest })
    }

    /// Starts a seeder and waits for its offer.
    pub(crate) async fn seed(
        &self,
        site: &Site,
        flow: usize,
        sample: &Sample,
        congestion: Option<&str>,
    ) -> Result<Seeder> {
        let place = site.place(flow)?;
        let mut command = self.command(site.command(Side::Serving, &self.path), &format!("seeder{flow}"));
        command.args(["-q", "seed"]).arg(&sample.manifest).arg(&sample.artifact).args(["--consent", "serve"]);
        command.args(["--listen", &place.listen.to_string(), "--advertise", &place.advertise.to_string()]);
        command.args(congestion.iter().flat_map(|choice| ["--congestion", choice]));
        let log = self.work.join(format!("seeder{flow}.stderr"));
        let mut child = self.spawn(&mut command, &log)?;
        let mut lines = lines(&mut child)?;
        let offer =
            tokio::time::timeout(PATIENCE, lines.next_line()).await.context("a seeder does not start")??;
        let offer = offer.with_context(|| format!("a seeder ended: {}", complaint(&log)))?;
        Ok(Seeder { flow, offer, child })
    }

    /// Starts a fetch from these seeders; no other fetch has its `number`.
    pub(crate) fn fetch<'a>(
        &self,
        site: &Site,
        number: u64,
        sample: &Sample,
        seeders: impl IntoIterator<Item = &'a Seeder>,
        congestion: Option<&str>,
    ) -> Result<Fetch> {
        let folder = self.work.join(format!("fetch{number}"));
        let home = format!("fetch{number}/home");
        let mut command = self.command(site.command(Side::Fetching, &self.path), &home);
        command.args(["-q", "--json", "fetch"]).arg(&sample.manifest).args(["--consent", "fetch,import"]);
        command.arg("--out").arg(folder.join("out"));
        command.args(seeders.into_iter().flat_map(|seeder| ["--peer", &seeder.offer]));
        command.args(congestion.iter().flat_map(|choice| ["--congestion", choice]));
        std::fs::create_dir_all(&folder)?;
        let started = Instant::now();
        let mut child = self.spawn(&mut command, &folder.join("stderr"))?;
        let lines = lines(&mut child)?;
        Ok(Fetch { folder, child, lines, started })
    }

    fn command(&self, mut command: Command, home: &str) -> Command {
        // The user's own settings must not affect the measurement.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MINIMODEL_") {
                command.env_remove(name);
            }
        }
        command.env("MINIMODEL_HOME", self.work.join(home)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn spawn(&self, command: &mut Command, log: &Path) -> Result<Child> {
        let log = std::fs::File::create(log)?;
        let child = command.stderr(log).spawn();
        child.with_context(|| format!("`{}` cannot be started", self.path.display()))
    }

    async fn run(&self, command: &mut Command) -> Result<()> {
        let log = self.work.join("stderr");
        let mut child = self.spawn(command.stdout(Stdio::null()), &log)?;
        if !child.wait().await?.success() {
            bail!("`{}`: {}", self.path.display(), complaint(&log));
        }
        Ok(())
    }
}

/// A program that serves.
#[derive(Debug)]
pub(crate) struct Seeder {
    pub(crate) flow: usize,
    offer: String,
    child: Child,
}

impl Seeder {
    /// Seconds of a core that it used so far.
    pub(crate) fn cpu(&self) -> f64 {
        self.child.id().map_or(0.0, cpu_seconds)
    }
}

/// A program that fetches.
#[derive(Debug)]
pub(crate) struct Fetch {
    folder: PathBuf,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) started: Instant,
}

/// How a fetch went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    /// Time from the start of the process to its receipt; none where it was cut off.
    pub(crate) done: Option<Duration>,
    /// Seconds of a core that the process used by then.
    pub(crate) cpu: f64,
}

impl Fetch {
    /// Waits for the receipt, or asks the program to stop after `limit`. Removes what was fetched.
    pub(crate) async fn finish(mut self, limit: Duration) -> Result<Fetched> {
        let done = match tokio::time::timeout(limit, self.receipt()).await {
            Ok(done) => Some(done?),
            Err(_) => None,
        };
        let cpu = self.child.id().map_or(0.0, cpu_seconds);
        if done.is_none()
            && let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            kill_process(pid, Signal::INT)?;
        }
        // The program may print more; it must not block on a full pipe.
        let rest = async { while let Ok(Some(_)) = self.lines.next_line().await {} };
        let ended = tokio::time::timeout(GOODBYE, async { (self.child.wait().await, rest.await).0 }).await;
        match ended {
            Ok(status) => {
                let has_succeeded = status?.success();
                if done.is_some() && !has_succeeded {
                    bail!("a fetch failed: {}", complaint(&self.folder.join("stderr")));
                }
            }
            Err(_) => self.child.kill().await?,
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(Fetched { done, cpu })
    }

    async fn receipt(&mut self) -> Result<Duration> {
        while let Some(line) = self.lines.next_line().await? {
            let event: serde_json::Value = serde_json::from_str(&line).context("not an event")?;
            if event["event"] == "done" {
                return Ok(self.started.elapsed());
            }
        }
        bail!("a fetch ended without a receipt: {}", complaint(&self.folder.join("stderr")))
    }
}

/// The text that a program wrote to stderr.
fn complaint(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default().trim().to_owned()
}

fn lines(child: &mut Child) -> Result<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(child.stdout.take().context("no stdout")?).lines())
}

/// User and system time of a process; 0 where it cannot be read.
fn cpu_seconds(id: u32) -> f64 {
    let text =
        std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).unwrap_or_default();
    cpu_ticks(&text).map_or(0.0, |ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Fields 14 and 15 of `/proc/PID/stat`. The second, the name, may hold spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_spaces() {
        assert_eq!(cpu_ticks("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 300 20 0 0"), Some(320));
        assert_eq!(cpu_ticks(""), None);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(200) {}
        assert!(cpu_seconds(std::process::id()) > 0.0);
    }
}
