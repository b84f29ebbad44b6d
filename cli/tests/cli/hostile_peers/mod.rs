//! Peers that break one rule each, on real sockets, against the real binary: what the binary answers, which peer it
//! blames, and that an honest transfer beside them ends as without them. The peers are those of the crate `hostile`.

mod clients;
pub(crate) mod conformance;
mod crowd;
mod identity;
mod idle;
mod page;
mod servers;
mod siege;

use std::collections::BTreeMap;
use std::path::PathBuf;

use minimodel_hostile::{Ended, Model, Trick};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::home::{Home, Ran};
use crate::process::{Running, events};

/// What was wrong with the answer to each trick, if anything.
type Faults = BTreeMap<Trick, Result<(), String>>;

/// Fails with all faults of the tricks that were played together.
#[track_caller]
fn all_hold(faults: &Faults) {
    let faults: Vec<&str> =
        faults.values().filter_map(|fault| fault.as_ref().err()).map(String::as_str).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The smallest chunk size of the format: many chunks in a small file.
const CHUNK: &str = "16KiB";

/// Runtime of the hostile side, beside the test.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A publisher's folder with a model of this size in small chunks.
fn publisher(size: &str) -> Home {
    let home = Home::new();
    home.run(["sample", "model.slm", "--bytes", size]).exits(0);
    let line = "manifest create model.slm --model-id attacked --model-version 1 --publisher-id tests \
                --license-route /license.txt --model-card-route /card.html -o model.minimodel --chunk-size";
    home.run(line.split_whitespace().chain([CHUNK])).exits(0);
    home
}

/// The publisher's model, as the hostile side reads it.
fn model(home: &Home) -> Model {
    Model::read(&home.path("model.minimodel"), Some(&home.path("model.slm"))).unwrap()
}

/// An honest fetcher.
struct Fetcher {
    home: Home,
    manifest: PathBuf,
}

impl Fetcher {
    fn of(publisher: &Home) -> Self {
        Self { home: Home::new(), manifest: publisher.path("model.minimodel") }
    }

    /// `fetch --json` from these offers.
    fn start(&self, offers: &[String], more: &[&str]) -> Running {
        let mut command = self.home.command(["--json", "fetch"]);
        command.arg(&self.manifest).args(["-o", "out", "--consent", "fetch,import"]).args(more);
        command.env("MINIMODEL_LISTEN", "127.0.0.1:0");
        for offer in offers {
            command.args(["--peer", offer]);
        }
        Running::start(&mut command)
    }

    /// Asserts that the file is there and equals the publisher's, byte for byte.
    #[track_caller]
    fn has_it(&self, publisher: &Home) {
        let mut files = std::fs::read_dir(self.home.path("out")).unwrap().map(|entry| entry.unwrap().path());
        let got = files.find(|path| path.extension().is_some_and(|extension| extension == "slm"));
        let got = got.unwrap_or_else(|| panic!("no file in {:?}", self.home.names()));
        assert!(std::fs::read(got).unwrap() == publisher.read("model.slm"), "another file came");
    }
}

/// Asserts that a process under attack printed no panic and nothing that could control a terminal.
#[track_caller]
fn is_calm(ran: &Ran) {
    ran.is_harmless();
    for word in ["panicked", "internal error: entered", "RUST_BACKTRACE"] {
        assert!(!ran.stderr.contains(word), "{}", ran.stderr);
    }
}

/// Blame of a peer in a stream of events: names of the events, with their reasons.
fn blame(stdout: &str, peer: &str) -> Vec<String> {
    let mut blame = Vec::new();
    for name in ["peer-struck", "peer-banned", "peer-refused"] {
        let of_peer = events(stdout, name).filter(|event| event["peer"] == peer);
        blame.extend(of_peer.map(|event| format!("{name}: {}", text(&event["reason"]))));
    }
    blame
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Expected consequence of a trick.
struct Expected {
    ended: &'static [Ended],
    /// `None` for a peer that is not to blame; else a text of the event that blames it.
    blame: Option<&'static str>,
}

impl Expected {
    #[track_caller]
    fn check(&self, trick: minimodel_hostile::Trick, ended: &Ended, blame: &[String]) -> Result<(), String> {
        if !self.ended.contains(ended) {
            return Err(format!("{trick}: {ended}, not {:?}; blamed: {blame:?}", self.ended));
        }
        match self.blame {
            None if blame.is_empty() => Ok(()),
            Some(words) if blame.iter().any(|line| line.contains(words)) => Ok(()),
            expected => Err(format!("{trick}: blamed for {blame:?}, expected {expected:?}")),
        }
    }
}

/// Expectations of frame tricks, which are the same from either side.
fn of_frames(trick: Trick) -> Option<Expected> {
    use minimodel_hostile::Trick;
    const BYTES: Option<&str> = Some("peer-struck: sent bytes that break the protocol");
    const ORDER: Option<&str> = Some("peer-struck: sent a frame out of order");
    const FLOOD: Option<&str> = Some("peer-struck: flooded the control stream");
    let (ended, blame): (&[Ended], _) = match trick {
        Trick::TruncatedFrame => (&[Ended::Closed(5)], None),
        Trick::TrailingBytes | Trick::SecondSpelling | Trick::SpareBits | Trick::HostileName => {
            (&[Ended::Closed(5)], BYTES)
        }
        Trick::OversizedLength | Trick::HugeBitfield => (&[Ended::Closed(3)], BYTES),
        Trick::UnknownFrame => (&[Ended::Closed(4)], BYTES),
        // The code depends on what the chunk's bytes happen to spell.
        Trick::ChunkOnControl => (&[Ended::Closed(3), Ended::Closed(4)], BYTES),
        Trick::OtherVersion => (&[Ended::Closed(7)], Some("peer-refused: unsupported version")),
        Trick::OtherBitfield | Trick::HavePastEnd => (&[Ended::Closed(2)], BYTES),
        Trick::SecondHello | Trick::HaveBeforeBitfield => (&[Ended::Closed(6)], ORDER),
        Trick::FinishedControl | Trick::ResetControl | Trick::StoppedControl => (&[Ended::Closed(6)], None),
        Trick::NoBitfield => (&[Ended::Closed(17)], Some("peer-struck: did not introduce itself")),
        Trick::ControlFlood | Trick::HaveStorm => (&[Ended::Closed(16)], FLOOD),
        _ => return None,
    };
    Some(Expected { ended, blame })
}
