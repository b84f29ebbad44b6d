//! A folder to run `minimodel` in: its own `MINIMODEL_HOME`, its own working directory, a small environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use serde_json::Value;

/// The binary under test.
pub(crate) const MINIMODEL: &str = env!("CARGO_BIN_EXE_minimodel");

/// Copies the program to a place where another account may run it. `cp` writes the copy: children that other tests
/// start inherit this process's descriptors until they exec, and Linux runs no file that a process has open for
/// writing.
#[track_caller]
pub(crate) fn copy_the_program(to: &Path) {
    let copied = Command::new("cp").arg(MINIMODEL).arg(to).status().unwrap();
    assert!(copied.success(), "{}: {copied}", to.display());
}

/// A temporary folder with a working directory and a `MINIMODEL_HOME`.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// A home with an empty working directory.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// A home that holds `a.slm` and its manifest `a.minimodel`.
    pub(crate) fn with_artifact() -> Self {
        let home = Self::new();
        let artifact = artifact();
        home.write("a.slm", &artifact);
        home.write("a.minimodel", ManifestText::of(&artifact, &ManifestOptions::default()).render());
        home
    }

    /// The command with stdin closed, and without any variable of the test's environment that could change what it
    /// does.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(MINIMODEL);
        command.args(arguments).current_dir(self.path("")).stdin(Stdio::null());
        command.env_clear().env("MINIMODEL_HOME", self.folder.path().join("home"));
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command line, split at spaces.
    pub(crate) fn say(&self, line: &str) -> Ran {
        self.run(line.split(' '))
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// A path below `MINIMODEL_HOME`.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Reads a file of the working directory.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the working directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// A valid artifact of about 40 KiB: three chunks of 16 KiB.
pub(crate) fn artifact() -> Vec<u8> {
    slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 7)
}

/// Exit code and output of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The result of a finished process.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        assert_eq!(self.stdout.matches('\n').count(), 1, "not one line: {}", self.stdout);
        assert!(self.stdout.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')), "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Outcome of the check called `name` in the report object.
    #[track_caller]
    pub(crate) fn outcome(&self, name: &str) -> String {
        let object = self.object();
        let checks = object["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name} in {object}"))["outcome"].as_str().unwrap().to_owned()
    }

    /// Asserts that neither stream can control a terminal or mislead a reader. U+FFFD stands for bytes that were no
    /// text.
    #[track_caller]
    pub(crate) fn is_harmless(&self) {
        for stream in [&self.stdout, &self.stderr] {
            let bad =
                stream.chars().find(|c| *c != '\n' && (c.is_control() || !c.is_ascii()) && *c != '\u{fffd}');
            assert_eq!(bad, None, "{stream:?}");
        }
    }
}
