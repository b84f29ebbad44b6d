//! Peers that break one rule each, on real sockets, against the real binary: what the binary answers, which peer it
//! blames, and that an honest transfer beside them ends as without them. The peers are those of the crate `hostile`.

mod clients;
pub(crate) mod conformance;
mod honest;
mod identity;
mod idle;
mod page;
mod servers;

use std::collections::BTreeMap;

use minimodel_hostile::{Ended, Trick};
use serde_json::Value;

use self::honest::{Fetcher, is_calm, model, publisher, runtime};
use crate::process::events;

/// What was wrong with the answer to each trick, if anything.
type Faults = BTreeMap<Trick, Result<(), String>>;

/// Fails with all faults of the tricks that were played together.
#[track_caller]
fn all_hold(faults: &Faults) {
    let faults: Vec<&str> =
        faults.values().filter_map(|fault| fault.as_ref().err()).map(String::as_str).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
