//! Every breach a peer can commit, and what follows, in one place.
//!
//! Blame falls only on what is provable: a chunk whose bytes do not lead to the root, an answer that no honest
//! program gives. What a bad path could have caused, or third parties by what they do to an honest program, is a strike
//! at most, and strikes fade.

use std::fmt;

use minimodel_wire::CloseCode;

/// A rule that a peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// The bytes of a chunk, or their proof, do not lead to the manifest's root.
    BadChunk,
    /// The head of an answer names a length or a proof length that it cannot have, or bytes follow its announced end.
    MalformedChunk,
    /// An answer ended before its announced end. Programs that are cut off may end a stream so, though they should
    /// reset it.
    ShortAnswer,
    /// Leaf hashes that do not lead to the manifest's root.
    BadLeaves,
    /// A frame or request that does not decode; the code says how.
    Malformed(CloseCode),
    /// A frame that may not come in this state.
    WrongState,
    /// It finished, reset or stopped the control stream while the connection is open; the code says where. A program
    /// that is about to close, or is cut off, may do so.
    EndedControl(CloseCode),
    /// A chunk index past the end.
    BadIndex,
    /// A passed-on offer whose signature does not verify, or for another swarm.
    ForgedOffer,
    /// More control frames than anyone needs.
    ControlFlood,
    /// Streams that are opened and reset before they ask anything, more than anyone needs.
    StreamChurn,
    /// More asks than may wait, or the same again and again.
    AskFlood,
    /// It announced a chunk and then refused it.
    RefusedAnnounced,
    /// It took a request and sent no byte.
    NoAnswer,
    /// It sends so little that it is no help.
    Trickle,
    /// A chunk was not whole long after it should have been.
    Overdue,
    /// It asks and does not read.
    NotReading,
    /// It began a request and did not finish the stream.
    UnendedRequest,
    /// The Hello or the Bitfield did not come.
    NoHello,
    /// It broke off in the middle of chunks, again and again, and never finished one.
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

/// What follows from a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// The connection ends with this code, and nothing is held against the key.
    Close(CloseCode),
    /// It counts; the third within ten minutes ends the connection with this code.
    Strike(CloseCode),
    /// It counts, and the connection ends with this code. It never bans: a bad path, third parties or the end of a program
    /// could be the cause.
    Part(CloseCode),
    /// The connection ends with this code; a second time bans.
    Disconnect(CloseCode),
    /// The key is banned for this content.
    Ban(CloseCode),
}

impl Breach {
    /// The blame ladder.
    pub fn consequence(self) -> Consequence {
        match self {
            Self::BadChunk | Self::MalformedChunk | Self::BadLeaves => Consequence::Ban(CloseCode::BadChunk),
            Self::Malformed(code) => Consequence::Disconnect(code),
            Self::WrongState => Consequence::Disconnect(CloseCode::StateViolation),
            Self::BadIndex | Self::ForgedOffer => Consequence::Disconnect(CloseCode::ProtocolViolation),
            // How much an honest program sends follows in part from what others do to it.
            Self::ControlFlood | Self::StreamChurn => Consequence::Part(CloseCode::Flood),
            Self::ShortAnswer => Consequence::Part(CloseCode::Malformed),
            Self::EndedControl(code) => Consequence::Close(code),
            Self::NotReading | Self::UnendedRequest | Self::NoHello => Consequence::Part(CloseCode::TooSlow),
            Self::AskFlood => Consequence::Strike(CloseCode::Flood),
            Self::RefusedAnnounced | Self::NoAnswer | Self::Trickle | Self::Overdue | Self::BrokeOff => {
                Consequence::Strike(CloseCode::TooSlow)
            }
        }
    }
}

/// Whether a close code says that trying again is no use.
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
            Breach::EndedControl(CloseCode::StateViolation),
            Breach::EndedControl(CloseCode::Malformed),
        ];
        let is_severe = |breach: &Breach| {
            matches!(breach.consequence(), Consequence::Disconnect(_) | Consequence::Ban(_))
        };
        assert!(!paths.iter().any(is_severe));
    }
}
