//! The environment of a comparison: the folder, the file that all programs move, and its torrents.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::process;

/// Senders and receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
}

impl Shape {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let told = || format!("`{text}` is no shape; one is written 1to1, 3to1 or 1to4");
        let (senders, receivers) = text.split_once("to").ok_or_else(told)?;
        let number = |word: &str| word.parse::<usize>().ok().filter(|count| (1..=64).contains(count));
        Ok(Self {
            senders: number(senders).ok_or_else(told)?,
            receivers: number(receivers).ok_or_else(told)?,
        })
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}to{}", self.senders, self.receivers)
    }
}

/// A size as `1GiB`, `64MiB`, `512KiB` or bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1_u64)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|number| (number, *unit)))
        .unwrap_or((text, 1));
    let size =
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|size| *size > 0);
    size.ok_or_else(|| format!("`{text}` is no size; one is written 1GiB, 64MiB or 65536"))
}

/// What a torrent file proves with: SHA-1 (version 1, what aria2 and librqbit know) or SHA-256 (version 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torrent {
    V1,
    V2,
}

/// The environment of a comparison.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// The longest that one step of one run may take.
    pub(crate) limit: Duration,
    /// A Python with libtorrent's bindings, and the driver for it.
    pub(crate) libtorrent: Option<(PathBuf, PathBuf)>,
}

impl Stage {
    /// Makes the file with `minimodel sample`, so that every program moves a file that `minimodel` takes.
    pub(crate) fn new(folder: &Path, minimodel: &Path, size: u64, limit: Duration) -> Result<Self, String> {
        let source = folder.join("source");
        fs::create_dir(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let file = source.join("model.slm");
        let mut sample = Command::new(minimodel);
        sample.env("MINIMODEL_HOME", folder.join("home")).arg("-q").arg("sample").arg(&file);
        process::output(sample.arg("--bytes").arg(format!("{size}B")))?;
        let size = fs::metadata(&file).map_err(|error| error.to_string())?.len();
        let sha256 = sha256_of(&file)?;
        Ok(Self { folder: folder.to_owned(), file, size, sha256, limit, libtorrent: None })
    }

    /// The folder that holds the file alone.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// A command of libtorrent's driver.
    pub(crate) fn libtorrent(&self) -> Result<Command, String> {
        let (python, driver) = self.libtorrent.as_ref().ok_or("it needs libtorrent's Python bindings")?;
        let mut command = Command::new(python);
        command.arg(driver);
        Ok(command)
    }

    /// The torrent file of this kind, made on first use, with 1 MiB pieces.
    pub(crate) fn torrent(&self, kind: Torrent) -> Result<PathBuf, String> {
        let word = if kind == Torrent::V1 { "v1" } else { "v2" };
        let path = self.folder.join(format!("{word}.torrent"));
        if !path.exists() {
            process::output(self.libtorrent()?.arg("make").arg(&self.file).arg(&path).args(["1024", word]))?;
        }
        Ok(path)
    }

    /// Compares a received file with the one that was sent, outside the timed part, and removes it.
    pub(crate) fn check(&self, received: &Path) -> Result<(), String> {
        let found = sha256_of(received)?;
        if found != self.sha256 {
            return Err(format!(
                "{} has other bytes: SHA-256 {found} instead of {}",
                received.display(),
                self.sha256
            ));
        }
        fs::remove_file(received).map_err(|error| error.to_string())
    }
}

fn sha256_of(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(told)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(told)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Loopback ports that are free now.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let listeners: Result<Vec<TcpListener>, _> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let ports = listeners.and_then(|all| all.iter().map(|one| Ok(one.local_addr()?.port())).collect());
    ports.map_err(|error: std::io::Error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_written_alike() {
        assert_eq!(Shape::parse("3to1").unwrap(), Shape { senders: 3, receivers: 1 });
        assert_eq!(Shape::parse("1to4").unwrap().to_string(), "1to4");
        for wrong in ["", "1", "0to1", "1to0", "1to65", "1-1", "to"] {
            assert!(Shape::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("1GiB").unwrap(), 1 << 30);
        assert_eq!(parse_size("3MiB").unwrap(), 3 << 20);
        assert_eq!(parse_size("17").unwrap(), 17);
        for wrong in ["", "0", "1GB", "-1", "99999999999GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_file_is_found_and_a_right_one_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("got");
        fs::write(&path, b"abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut stage = Stage {
            folder: folder.path().to_owned(),
            file: path.clone(),
            size: 3,
            sha256: "0".repeat(64),
            limit: Duration::from_secs(1),
            libtorrent: None,
        };
        assert!(stage.check(&path).is_err() && path.exists());
        stage.sha256 = abc.to_owned();
        stage.check(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn free_ports_differ() {
        let ports = free_ports(3).unwrap();
        assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
    }
}
