//! Every trick, its name, its row of the catalogue, and what it does.

use std::fmt;

/// Which side of a connection the hostile one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It dials a seeder.
    Client,
    /// It is dialed by a fetcher.
    Server,
}

macro_rules! tricks {
    ($($(#[$side:ident])* $trick:ident $name:literal $rows:literal $what:literal;)*) => {
        /// One rule that is broken; everything else is kept.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Trick {
            $(#[doc = $what] $trick,)*
        }

        impl Trick {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$trick,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$trick => $name,)* }
            }

            /// The rows of the catalogue of faults, with spaces between them.
            pub fn rows(self) -> &'static str {
                match self { $(Self::$trick => $rows,)* }
            }

            /// What it does, in one line.
            pub fn what(self) -> &'static str {
                match self { $(Self::$trick => $what,)* }
            }

            /// The sides from which it can be played.
            pub fn sides(self) -> &'static [Side] {
                match self { $(Self::$trick => &[$(Side::$side,)*],)* }
            }
        }
    };
}

tricks! {
    #[Client] #[Server] TruncatedFrame "truncated-frame" "A1" "ends its control stream in the middle of a frame";
    #[Client] #[Server] OversizedLength "oversized-length" "A2" "announces a frame of 4 GiB in four bytes";
    #[Client] #[Server] UnknownFrame "unknown-frame" "A3" "sends a frame of a type that nobody knows";
    #[Client] IgnorableFrames "ignorable-frames" "A3" "sends frames of the reserved range, which must be skipped, and then behaves";
    #[Client] #[Server] OtherVersion "other-version" "A4" "says in its hello that it speaks another version";
    #[Client] OtherAlpn "other-alpn" "A4" "names another application protocol in the handshake";
    #[Client] RequestBeforeHello "request-before-hello" "A5" "asks for a chunk before it said hello";
    #[Client] #[Server] SecondHello "second-hello" "A5" "says hello twice";
    #[Client] #[Server] HaveBeforeBitfield "have-before-bitfield" "A5" "announces a chunk before its bitfield";
    #[Client] #[Server] ChunkOnControl "chunk-on-control" "A5 B13" "sends the bytes of a chunk on the control stream, unasked";
    #[Client] #[Server] FinishedControl "finished-control" "A5" "ends its control stream between two frames";
    #[Client] #[Server] ResetControl "reset-control" "A5 A11" "resets its control stream";
    #[Client] #[Server] StoppedControl "stopped-control" "A5 A11" "stops the other side's control stream";
    #[Client] #[Server] TrailingBytes "trailing-bytes" "A6" "adds a byte to the last field of a frame";
    #[Client] #[Server] SecondSpelling "second-spelling" "A6 B7" "spells a full bitfield bit by bit";
    #[Client] UnknownRequest "unknown-request" "A6" "asks with a first byte that names no request";
    #[Client] LongRequest "long-request" "A2 A6" "sends a request that goes on and on";
    #[Client] IndexOverflow "index-overflow" "A7" "asks for chunk 4,294,967,295";
    #[Client] RangeOverflow "range-overflow" "A7" "asks for a range of leaves that ends beyond 2^32";
    #[Client] #[Server] ControlFlood "control-flood" "A8" "sends 100,000 tiny control frames";
    #[Client] #[Server] HaveStorm "have-storm" "A8 B8" "announces the same chunks again and again";
    #[Client] BorrowedHello "borrowed-hello" "A9" "repeats the hello of somebody who is let in, under its own key";
    #[Client] StolenKey "stolen-key" "A9 C1" "shows the key of somebody who is let in and signs with its own";
    #[Client] WeakKey "weak-key" "H5" "shows a key of small order, under which its signature holds though nobody has a secret";
    #[Client] EarlyData "early-data" "A10" "comes back and tries to send before the handshake is done";
    #[Client] ResetRequests "reset-requests" "A11" "resets and stops request streams at each point, a few times";
    #[Client] Fragments "fragments" "A12" "sends frames in pieces of a byte, and loses every second datagram";
    #[Client] PastWindow "past-window" "A12" "sends more than the windows allow";
    #[Client] #[Server] SpareBits "spare-bits" "B7" "sets the spare bits of its bitfield";
    #[Client] #[Server] OtherBitfield "other-bitfield" "B7" "sends a bitfield for another number of chunks";
    #[Client] #[Server] HugeBitfield "huge-bitfield" "B7" "announces the largest bitfield of the protocol";
    #[Client] #[Server] HavePastEnd "have-past-end" "B8" "announces a chunk beyond the end";
    #[Client] #[Server] UniStream "uni-stream" "B13" "opens a unidirectional stream against the other side's word";
    #[Client] ManyStreams "many-streams" "B13 B15" "opens 5,000 streams against the other side's limit";
    #[Server] OpensStream "opens-stream" "B13" "asks a side that agreed to serve nothing";
    #[Client] AskFlood "ask-flood" "B14" "asks again and again although it is choked";
    #[Client] SameChunk "same-chunk" "B14" "takes the same chunk 10,000 times";
    #[Client] StreamChurn "stream-churn" "B15" "opens streams and resets them before a request is whole, without end";
    #[Client] NeverReads "never-reads" "B17" "asks for everything and reads nothing";
    #[Client] Silent "silent" "B16" "connects and says nothing";
    #[Client] NoHello "no-hello" "B16" "opens the control stream and says no hello";
    #[Client] EndlessRequest "endless-request" "B16" "begins a request and never ends it";
    #[Client] NoCertificate "no-certificate" "C2" "shows no key";
    #[Client] #[Server] OtherScheme "other-scheme" "C2" "shows a P-256 key";
    #[Client] Tls12 "tls-1.2" "C2" "offers TLS 1.2 alone";
    #[Client] ForgedOffer "forged-offer" "C4" "passes on an offer whose signature does not hold";
    #[Client] #[Server] HostileReason "hostile-reason" "D8" "closes with a reason full of terminal escapes";
    #[Client] #[Server] HostileName "hostile-name" "D8" "calls its software by terminal escapes";
    #[Server] BadBytes "bad-bytes" "B1" "flips a bit of each chunk and sends its good proof";
    #[Server] BadProof "bad-proof" "B2" "sends good chunks and flips a bit of each proof";
    #[Server] OtherIndex "other-index" "B3" "answers with another chunk and the good proof of that";
    #[Server] ShortProof "short-proof" "B4" "leaves out the last digest of each proof";
    #[Server] LongProof "long-proof" "B4" "adds a digest to each proof";
    #[Server] ShortChunk "short-chunk" "B4" "announces chunks that are a byte short";
    #[Server] LongChunk "long-chunk" "B4" "announces chunks that are a byte long";
    #[Server] ShortBody "short-body" "B4" "ends each chunk a byte early";
    #[Server] LongBody "long-body" "B4" "ends each chunk a byte late";
    #[Server] Refuses "refuses" "B6" "announces everything and refuses each chunk";
    #[Server] Chokes "chokes" "B6" "announces everything and never unchokes anybody";
    #[Server] Mute "mute" "B9" "takes requests and never answers";
    #[Server] Trickle "trickle" "B10" "answers with a few bytes a second";
    #[Server] BreaksOff "breaks-off" "B11" "goes away in the middle of a chunk, again and again";
    #[Server] ResetAnswers "reset-answers" "A11" "resets each answer half-way";
    #[Server] StopsRequests "stops-requests" "A11" "stops each request stream and resets its answer";
    #[Server] OtherKey "other-key" "C1" "answers at an offer's address with another key";
    #[Server] OtherManifest "other-manifest" "C4" "answers the question for the manifest with another one";
}

impl Trick {
    /// The trick of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|trick| trick.name() == name)
    }

    /// Those that can be played from a side.
    pub fn from_side(side: Side) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |trick| trick.sides().contains(&side))
    }
}

impl fmt::Display for Trick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trick_has_a_name_of_its_own_a_row_and_a_side() {
        for (at, &trick) in Trick::ALL.iter().enumerate() {
            assert_eq!(Trick::from_name(trick.name()), Some(trick));
            assert!(Trick::ALL[..at].iter().all(|other| other.name() != trick.name()), "{trick}");
            assert!(!trick.sides().is_empty() && !trick.what().is_empty(), "{trick}");
            let is_row =
                |row: &str| row.len() > 1 && "ABCDH".contains(&row[..1]) && row[1..].parse::<u8>().is_ok();
            assert!(trick.rows().split(' ').all(is_row), "{trick}");
        }
    }
}
