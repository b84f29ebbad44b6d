//! The processes under test, each in a namespace, and what they tell.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use minimodel_benches::link::tun::Namespace;
use serde_json::Value;

/// How long a program may take to tell what it tells in any case.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test and a working folder.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    work: PathBuf,
}

impl Program {
    pub(crate) fn new(path: Option<&Path>, work: &Path) -> Result<Self> {
        let path = match path {
            Some(path) => path.canonicalize().with_context(|| path.display().to_string())?,
            None => std::env::current_exe()?.with_file_name("minimodel"),
        };
        if !path.is_file() {
            let what = "cargo build --release -p minimodel-cli, or name it with --minimodel";
            bail!("`{}` is not there: {what}", path.display());
        }
        Ok(Self { path, work: work.to_owned() })
    }

    pub(crate) fn artifact(&self) -> PathBuf {
        self.work.join("m.slm")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.work.join("m.minimodel")
    }

    /// Writes a sample of `bytes` and its manifest.
    pub(crate) fn sample(&self, bytes: u64) -> Result<()> {
        let run = |command: &mut Command| {
            let output = command.env("MINIMODEL_HOME", self.work.join("maker")).output()?;
            match output.status.success() {
                true => Ok(()),
                false => bail!("no sample: {}", String::from_utf8_lossy(&output.stderr).trim()),
            }
        };
        let (artifact, bytes) = (self.artifact(), bytes.to_string());
        run(Command::new(&self.path).args(["-q", "sample"]).arg(&artifact).args(["--bytes", &bytes]))?;
        let create = ["--model-id", "m", "--model-version", "1", "--publisher-id", "bench"];
        let routes = ["--license-route", "/license", "--model-card-route", "/card", "-o"];
        let mut command = Command::new(&self.path);
        command.args(["-q", "manifest", "create"]).arg(&artifact).args(create).args(routes);
        run(command.arg(self.manifest()))
    }

    /// Starts the program in a namespace, with a home of this name. It ends with this process, however that ends.
    pub(crate) fn start(&self, namespace: &Namespace, home: &str, arguments: &[OsString]) -> Result<Running> {
        let mut net = OsString::from("--net=");
        net.push(namespace.path());
        // Each of these programs executes the next: the process ID stays, and so does the signal.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "nsenter"]).arg(net).arg("--").arg(&self.path);
        // The user's own settings must not affect the measurement.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MINIMODEL_") {
                command.env_remove(name);
            }
        }
        let log = self.work.join(format!("{home}.stderr"));
        command.arg("--json").args(arguments).env("MINIMODEL_HOME", self.work.join(home));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let mut child = command.spawn().context("setpriv (util-linux) cannot be started")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::Null);
                if tell.send((Instant::now(), event)).is_err() {
                    return;
                }
            }
        });
        Ok(Running { child, told, log })
    }
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    told: Receiver<(Instant, Value)>,
    log: PathBuf,
}

impl Running {
    /// The next event, and when it was told; none within `at_most`.
    pub(crate) fn next(&self, at_most: Duration) -> Result<Option<(Instant, Value)>> {
        match self.told.recv_timeout(at_most) {
            Ok(told) => Ok(Some(told)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("a program ended: {}", log.trim())
            }
        }
    }

    /// Waits for an event of this name in which a field is as given, if one is.
    pub(crate) fn until(&self, name: &str, field: Option<(&str, &str)>) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        while let Some((_, event)) = self.next(end.saturating_duration_since(Instant::now()))? {
            if event["event"] == name && field.is_none_or(|(field, value)| event[field] == value) {
                return Ok(event);
            }
        }
        bail!("no event `{name}` within {PATIENCE:?}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
