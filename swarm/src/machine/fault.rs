//! Every breach that a peer can commit, and its consequence, in one place.
//!
//! A ban needs proof: a chunk whose bytes do not lead to the root, or an answer that no honest program gives. A breach that
//! a bad path can cause, or third parties by what they do to an honest program, is a strike at most, and strikes fade.

use std::fmt;

use minimodel_wire::CloseCode;

/// A rule that a peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// The bytes of a chunk, or their proof, do not lead to the manifest's root.
    BadChunk,
    /// The head of an answer names a length or a proof length that this chunk cannot have, or bytes follow its announced end.
    MalformedChunk,
    /// An answer ended before its announced end. A program that is cut off may end a stream so, although it should reset it.
    ShortAnswer,
    /// Leaf hashes that do not lead to the manifest's root.
    BadLeaves,
    /// A frame or request that does not decode; the close code says how.
    Malformed(CloseCode),
    /// A frame that names an address or a key of a third party which nobody can have: the sender may have been told so itself.
    OddHearsay,
    /// A frame that is not allowed in this phase of the connection.
    WrongState,
    /// The peer finished, reset or stopped the control stream while the connection is open; the close code says where. A
    /// program that is about to close, or is cut off, may do so.
    EndedControl(CloseCode),
    /// A chunk index past the end.
    BadIndex,
    /// A passed-on offer whose signature does not verify, or for another swarm.
    ForgedOffer,
    /// More control frames than the limit.
    ControlFlood,
    /// More streams than the limit that were opened and reset before they carried a request.
    StreamChurn,
    /// More refused or repeated requests than an honest peer makes.
    AskFlood,
    /// The peer announced a chunk and then refused it.
    RefusedAnnounced,
    /// The peer did not answer a request in time.
    NoAnswer,
    /// The peer sends too few bytes per second to be of use.
    Trickle,
    /// The peer owed us chunks and sent no byte until the deadline.
    Overdue,
    /// The peer requested a chunk and does not read it.
    NotReading,
    /// The peer began a request and did not finish the stream.
    UnendedRequest,
    /// The Hello or the Bitfield did not come.
    NoHello,
    /// The connection broke while chunks were on their way, again and again, and no chunk was ever finished.
    BrokeOff,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadChunk => "sent a chunk that fails its proof",
            Self::MalformedChunk => "sent a chunk with an impossible length or proof",
            Self::ShortAnswer => "ended an answer before its end",
            Self::BadLeaves => "sent leaf hashes that fail their proof",
            Self::Malformed(_) => "sent bytes that break the protocol",
            Self::OddHearsay => "named an impossible address or key",
            Self::WrongState => "sent a frame out of order",
            Self::EndedControl(_) => "ended its control stream",
            Self::BadIndex => "named a chunk that does not exist",
            Self::ForgedOffer => "passed on a forged offer",
            Self::ControlFlood => "flooded the control stream",
            Self::StreamChurn => "opened streams and reset them without end",
            Self::AskFlood => "flooded us with requests",
            Self::RefusedAnnounced => "refused a chunk it announced",
            Self::NoAnswer => "took a request and did not answer",
            Self::Trickle => "sent next to nothing",
            Self::Overdue => "did not finish a chunk in time",
            Self::NotReading => "asked for chunks and did not read them",
            Self::UnendedRequest => "began a request and did not end it",
            Self::NoHello => "did not introduce itself",
            Self::BrokeOff => "broke off in the middle of chunks",
        })
    }
}

/// A breach that a peer is charged with, and the chunk that proves it, if one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) breach: Breach,
    pub(super) index: Option<u32>,
    /// SHA-256 of the bytes that came instead of the chunk.
    pub(super) got: Option<[u8; 32]>,
}

impl From<Breach> for Charge {
    fn from(breach: Breach) -> Self {
        Self { breach, index: None, got: None }
    }
}

/// The consequence of a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// The connection ends with this code, and nothing is held against the key.
    Close(CloseCode),
    /// A strike; the third within ten minutes ends the connection with this code.
    Strike(CloseCode),
    /// A strike, and the connection ends with this code. It never bans: a bad path, third parties or the end of a program
    /// may be the cause.
    Part(CloseCode),
    /// The connection ends with this code and the key is shut out for a while; the second time it is banned.
    Disconnect(CloseCode),
    /// The key is banned for this content.
    Ban(CloseCode),
}

impl Consequence {
    /// The code of the connection's end.
    pub fn code(self) -> CloseCode {
        match self {
            Self::Close(code)
            | Self::Strike(code)
            | Self::Part(code)
            | Self::Disconnect(code)
            | Self::Ban(code) => code,
        }
    }
}

impl Breach {
    /// The blame ladder.
    pub fn consequence(self) -> Consequence {
        match self {
            Self::BadChunk | Self::MalformedChunk | Self::BadLeaves => Consequence::Ban(CloseCode::BadChunk),
            Self::Malformed(code) => Consequence::Disconnect(code),
            Self::WrongState => Consequence::Disconnect(CloseCode::StateViolation),
            Self::BadIndex | Self::ForgedOffer => Consequence::Disconnect(CloseCode::ProtocolViolation),
            // How many frames an honest program sends depends in part on what others do to it.
            Self::ControlFlood | Self::StreamChurn => Consequence::Part(CloseCode::Flood),
            Self::ShortAnswer => Consequence::Part(CloseCode::Malformed),
            Self::EndedControl(code) => Consequence::Close(code),
            Self::OddHearsay => Consequence::Close(CloseCode::Malformed),
            Self::NotReading | Self::UnendedRequest | Self::NoHello => Consequence::Part(CloseCode::TooSlow),
            Self::AskFlood => Consequence::Strike(CloseCode::Flood),
            Self::RefusedAnnounced | Self::NoAnswer | Self::Trickle | Self::Overdue | Self::BrokeOff => {
                Consequence::Strike(CloseCode::TooSlow)
            }
        }
    }
}

/// Returns true if the close code says that connecting again is of no use.
pub(super) fn is_final(code: CloseCode) -> bool {
    matches!(
        code,
        CloseCode::WrongSwarm
            | CloseCode::LicenseMismatch
            | CloseCode::EvidenceMismatch
            | CloseCode::ChunkLayoutMismatch
            | CloseCode::UnsupportedVersion
            | CloseCode::NoConsent
            | CloseCode::NotAllowed
            | CloseCode::Banned
            | CloseCode::BadChunk
            | CloseCode::BudgetUsed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_path_can_cause_bans_or_disconnects() {
        let bans = [Breach::BadChunk, Breach::MalformedChunk, Breach::BadLeaves];
        assert!(bans.iter().all(|breach| matches!(breach.consequence(), Consequence::Ban(_))));
        let paths = [
            Breach::NoAnswer,
            Breach::Trickle,
            Breach::Overdue,
            Breach::NotReading,
            Breach::UnendedRequest,
            Breach::NoHello,
            Breach::ShortAnswer,
            Breach::OddHearsay,
            Breach::EndedControl(CloseCode::StateViolation),
            Breach::EndedControl(CloseCode::Malformed),
        ];
        let is_severe = |breach: &Breach| {
            matches!(breach.consequence(), Consequence::Disconnect(_) | Consequence::Ban(_))
        };
        assert!(!paths.iter().any(is_severe));
    }
}
