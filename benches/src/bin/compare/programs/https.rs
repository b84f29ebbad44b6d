//! nginx and curl over TLS 1.3, then a hash of the received file: the usual download of a model with its checksum.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Facts, Program, Run, find, folder};
use crate::process::{self, Process};
use crate::stage::{Shape, Stage, free_ports};
use crate::window::Window;

/// The program with which the receiver hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// coreutils: what instructions tell people to run.
    Sha256sum,
    /// OpenSSL: the same sum with the CPU's SHA instructions.
    Openssl,
}

/// nginx, curl and a hash.
#[derive(Debug)]
pub(crate) struct Https {
    facts: Facts,
    hash: Hash,
    nginx: PathBuf,
    curl: PathBuf,
    hasher: PathBuf,
}

impl Https {
    pub(crate) fn new(hash: Hash) -> Self {
        let (key, tool) = match hash {
            Hash::Sha256sum => ("curl-sha256sum", "sha256sum"),
            Hash::Openssl => ("curl-openssl", "openssl dgst"),
        };
        let facts = Facts {
            key,
            label: format!("nginx, curl, then {tool}"),
            wire: "TLS 1.3; the server known by certificate",
            checked: "the whole file (SHA-256) after it came; no parts",
            timed: "start of `curl` until the hash program has ended",
            install: "apt-get install nginx-light curl openssl",
        };
        Self { facts, hash, nginx: PathBuf::new(), curl: PathBuf::new(), hasher: PathBuf::new() }
    }

    fn server(&self, stage: &Stage, port: u16, round: &Path) -> Result<Process, String> {
        for file in ["cert.pem", "key.pem"] {
            fs::copy(stage.folder.join(file), round.join(file))
                .map_err(|error| format!("{file}: {error}"))?;
        }
        let template = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/compare/peers/nginx.conf.in"));
        // Started by root, nginx would serve as a user that cannot read the folder.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let text = template
            .replace("@DIR@", &round.to_string_lossy())
            .replace("@LISTEN@", &format!("127.0.0.1:{port}"))
            .replace("@WWW@", &stage.source().to_string_lossy())
            .replace("@USER@", user);
        let path = round.join("nginx.conf");
        fs::write(&path, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.nginx);
        let server =
            Process::start(command.arg("-p").arg(round).arg("-c").arg(&path), &round.join("nginx.log"))?;
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > stage.limit {
                return Err("nginx does not listen".to_owned());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Runs curl, then the hash, and compares it with the sum known beforehand. Returns the end time, CPU seconds and the path.
    fn receive(
        &self,
        stage: &Stage,
        window: &Window,
        port: u16,
        round: &Path,
        number: usize,
    ) -> Result<(Instant, f64, PathBuf), String> {
        let path = folder(round, &format!("out{number}"))?.join("model.slm");
        let mut command = Command::new(&self.curl);
        command.args(["-sSf", "--tlsv1.3", "--cacert"]).arg(round.join("cert.pem")).arg("-o").arg(&path);
        command.arg(format!("https://127.0.0.1:{port}/model.slm"));
        let mut curl = Process::start(&mut command, &round.join(format!("curl{number}.log")))?;
        window.receiver(&curl);
        let fetched = curl.end(stage.limit)?;
        let mut command = Command::new(&self.hasher);
        if self.hash == Hash::Openssl {
            command.args(["dgst", "-sha256", "-r"]);
        }
        let mut hasher = Process::start(command.arg(&path), &round.join(format!("hash{number}.log")))?;
        window.receiver(&hasher);
        let hashed = hasher.end(stage.limit)?;
        let (_, sum) = hasher.line(stage.limit)?;
        if !sum.starts_with(&stage.sha256) {
            return Err(format!("the sum is wrong: {sum}"));
        }
        Ok((hashed.at, fetched.cpu + hashed.cpu, path))
    }
}

impl Program for Https {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, shape: Shape) -> bool {
        shape.senders == 1
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<String, String> {
        self.nginx = find("nginx")?;
        self.curl = find("curl")?;
        let openssl = find("openssl")?;
        let hash = match self.hash {
            Hash::Sha256sum => find("sha256sum")?,
            Hash::Openssl => openssl.clone(),
        };
        self.hasher = hash;
        if !stage.folder.join("cert.pem").exists() {
            let mut make = Command::new(&openssl);
            make.current_dir(&stage.folder).args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ]);
            make.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "key.pem"]);
            process::output(make.args(["-addext", "subjectAltName=IP:127.0.0.1", "-out", "cert.pem"]))?;
        }
        let first = |path: &Path, flag: &str, words: usize| -> Result<String, String> {
            let text = process::output(Command::new(path).arg(flag))?;
            Ok(text
                .lines()
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .take(words)
                .collect::<Vec<_>>()
                .join(" "))
        };
        let nginx = first(&self.nginx, "-v", 3)?.replace("nginx version: ", "").replace('/', " ");
        let hasher = match self.hash {
            Hash::Sha256sum => first(&self.hasher, "--version", 4)?.replace(['(', ')'], ""),
            Hash::Openssl => first(&openssl, "version", 2)?,
        };
        Ok(format!("{nginx}, {}, {hasher}", first(&self.curl, "--version", 2)?))
    }

    fn run(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String> {
        let port = free_ports(1)?[0];
        let server = self.server(stage, port, round)?;
        let servers = [server];
        let window = Window::open(&servers);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..shape.receivers)
                .map(|number| (scope, number))
                .map(|(scope, number)| {
                    let window = &window;
                    scope.spawn(move || self.receive(stage, window, port, round, number))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
                .collect()
        });
        let results = results.into_iter().collect::<Result<Vec<_>, String>>()?;
        let finished = results.iter().map(|(at, ..)| window.seconds(*at)).collect();
        let receiver_cpu = results.iter().map(|(_, cpu, _)| cpu).sum();
        let run = Run::new(finished, receiver_cpu, window.close(&servers));
        for (_, _, path) in &results {
            stage.check(path)?;
        }
        Ok(run)
    }
}
