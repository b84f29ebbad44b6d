//! Honest peers beside hostile ones.

use std::path::PathBuf;

use minimodel_hostile::Model;
use tokio::runtime::{Builder, Runtime};

use crate::home::{Home, Ran};
use crate::process::Running;

/// The smallest chunk size of the format: many chunks in a small file.
const CHUNK: &str = "16KiB";

/// Runtime of the hostile side, beside the test.
pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A publisher's folder with a model of this size in small chunks.
pub(super) fn publisher(size: &str) -> Home {
    let home = Home::new();
    home.run(["sample", "model.slm", "--bytes", size]).exits(0);
    let line = "manifest create model.slm --model-id attacked --model-version 1 --publisher-id tests \
                --license-route /license.txt --model-card-route /card.html -o model.minimodel --chunk-size";
    home.run(line.split_whitespace().chain([CHUNK])).exits(0);
    home
}

/// The publisher's model, as the hostile side reads it.
pub(super) fn model(home: &Home) -> Model {
    Model::read(&home.path("model.minimodel"), Some(&home.path("model.slm"))).unwrap()
}

/// An honest fetcher.
pub(super) struct Fetcher {
    pub(super) home: Home,
    manifest: PathBuf,
}

impl Fetcher {
    pub(super) fn of(publisher: &Home) -> Self {
        Self { home: Home::new(), manifest: publisher.path("model.minimodel") }
    }

    /// `fetch --json` from these offers.
    pub(super) fn start(&self, offers: &[String], more: &[&str]) -> Running {
        self.start_with("fetch,import", offers, more)
    }

    /// [`Self::start`] with these consents.
    pub(super) fn start_with(&self, consent: &str, offers: &[String], more: &[&str]) -> Running {
        let mut command = self.home.command(["--json", "fetch"]);
        command.arg(&self.manifest).args(["-o", "out", "--consent", consent]).args(more);
        command.env("MINIMODEL_LISTEN", "127.0.0.1:0");
        for offer in offers {
            command.args(["--peer", offer]);
        }
        Running::start(&mut command)
    }

    /// Asserts that the file is there and equals the publisher's, byte for byte.
    #[track_caller]
    pub(super) fn has_it(&self, publisher: &Home) {
        let mut files = std::fs::read_dir(self.home.path("out")).unwrap().map(|entry| entry.unwrap().path());
        let got = files.find(|path| path.extension().is_some_and(|extension| extension == "slm"));
        let got = got.unwrap_or_else(|| panic!("no file in {:?}", self.home.names()));
        assert!(std::fs::read(got).unwrap() == publisher.read("model.slm"), "another file came");
    }
}

/// Asserts that a process under attack printed no panic and nothing that could control a terminal.
#[track_caller]
pub(super) fn is_calm(ran: &Ran) {
    ran.is_harmless();
    for word in ["panicked", "internal error: entered", "RUST_BACKTRACE"] {
        assert!(!ran.stderr.contains(word), "{}", ran.stderr);
    }
}
