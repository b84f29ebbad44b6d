//! Every trick, its name, its row of the catalogue, and what it does.

use std::fmt;

/// The side of a connection that the hostile peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The hostile peer dials a seeder.
    Client,
    /// A fetcher dials the hostile peer.
    Server,
}

macro_rules! tricks {
    ($($(#[$side:ident])* $trick:ident $name:literal $rows:literal $rule:literal $what:literal;)*) => {
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

            /// The rule of `docs/protocol.md` that it breaks, or shows to hold.
            pub fn rule(self) -> &'static str {
                match self { $(Self::$trick => $rule,)* }
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
    #[Client] #[Server] TruncatedFrame "truncated-frame" "A1" "P-48" "ends its control stream in the middle of a frame";
    #[Client] #[Server] OversizedLength "oversized-length" "A2" "P-34" "announces a frame of 4 GiB in four bytes";
    #[Client] #[Server] UnknownFrame "unknown-frame" "A3" "P-33" "sends a frame of a type that nobody knows";
    #[Client] IgnorableFrames "ignorable-frames" "A3" "P-47" "sends frames of the reserved range, which must be skipped, and then behaves";
    #[Client] #[Server] OtherVersion "other-version" "A4" "P-15" "says in its hello that it speaks another version";
    #[Client] OtherAlpn "other-alpn" "A4" "P-1" "names another application protocol in the handshake";
    #[Client] EarlyRequest "early-request" "A5" "P-12" "asks for the manifest and a chunk before it says hello";
    #[Client] EarlyQuestion "early-question" "A5" "P-13" "asks for the manifest before it says that it wants no more";
    #[Client] IgnorableFirst "ignorable-first" "A3" "P-14" "sends frames of the reserved range before its hello";
    #[Client] #[Server] OtherArtifact "other-artifact" "C4" "P-16" "says hello for another artifact";
    #[Client] #[Server] OtherLicense "other-license" "C4" "P-17" "says hello for the same artifact under another license";
    #[Client] #[Server] OtherEvidence "other-evidence" "C4" "P-18" "says hello for the same artifact with other evidence";
    #[Client] #[Server] OtherSwarm "other-swarm" "C4" "P-19" "says hello for another swarm, and all else is the same";
    #[Client] #[Server] OtherLayout "other-layout" "C4" "P-20" "says hello with twice the chunks";
    #[Client] #[Server] NoDirection "no-direction" "C4" "P-21" "consents to nothing";
    #[Client] #[Server] UnknownConsent "unknown-consent" "A6" "P-22" "sets a consent bit that means nothing";
    #[Client] #[Server] LaterHello "later-hello" "A4 A5" "P-25" "says hello twice, the second time in another version";
    #[Client] #[Server] SecondBitfield "second-bitfield" "A5" "P-27" "sends its bitfield twice";
    #[Server] Question "question" "A5" "P-28" "asks for the manifest alone although it was dialed";
    #[Client] LaterQuestion "later-question" "A4" "P-29" "asks for the manifest alone in another version";
    #[Client] ForeignQuestion "foreign-question" "C4" "P-30" "asks for the manifest of another swarm";
    #[Client] MoreThanQuestion "more-than-question" "A5" "P-31" "asks for the manifest alone, and then is interested";
    #[Client] QuestionThenChunk "question-then-chunk" "A5" "P-32" "asks for the manifest alone, and then for a chunk and leaves";
    #[Client] #[Server] SecondHello "second-hello" "A5" "P-24" "says hello twice";
    #[Client] #[Server] HaveBeforeBitfield "have-before-bitfield" "A5" "P-26" "announces a chunk before its bitfield";
    #[Client] #[Server] ChunkOnControl "chunk-on-control" "A5 B13" "P-35" "sends the bytes of a chunk on the control stream, unasked";
    #[Client] #[Server] FinishedControl "finished-control" "A5" "P-49" "ends its control stream between two frames";
    #[Client] #[Server] ResetControl "reset-control" "A5 A11" "P-49" "resets its control stream";
    #[Client] #[Server] StoppedControl "stopped-control" "A5 A11" "P-49" "stops the other side's control stream";
    #[Client] #[Server] TrailingBytes "trailing-bytes" "A6" "P-36" "adds a byte to the last field of a frame";
    #[Client] #[Server] SecondSpelling "second-spelling" "A6 B7" "P-38" "spells a full bitfield bit by bit";
    #[Client] UnknownRequest "unknown-request" "A6" "P-51" "asks with a first byte that names no request";
    #[Client] LongRequest "long-request" "A2 A6" "P-51" "sends a request that goes on and on";
    #[Client] IndexOverflow "index-overflow" "A7" "P-52" "asks for chunk 4,294,967,295";
    #[Client] RangeOverflow "range-overflow" "A7" "P-52" "asks for a range of leaves that ends beyond 2^32";
    #[Client] #[Server] ControlFlood "control-flood" "A8" "P-46" "sends 100,000 tiny control frames";
    #[Client] #[Server] HaveStorm "have-storm" "A8 B8" "P-46" "announces the same chunks again and again";
    #[Client] BorrowedHello "borrowed-hello" "A9" "P-73" "repeats the hello of somebody who is let in, under its own key";
    #[Client] StolenKey "stolen-key" "A9 C1" "P-5" "shows the key of somebody who is let in and signs with its own";
    #[Client] WeakKey "weak-key" "H5" "P-83" "shows a key of small order, under which its signature holds though nobody has a secret";
    #[Client] EarlyData "early-data" "A10" "P-7" "comes back and tries to send before the handshake is done";
    #[Client] ResetRequests "reset-requests" "A11" "P-54" "resets and stops request streams at each point, a few times";
    #[Client] Fragments "fragments" "A12" "P-50" "sends frames in pieces of a byte, and loses every second datagram";
    #[Client] PastWindow "past-window" "A12" "P-10" "sends more than the windows allow";
    #[Client] #[Server] EmptyBits "empty-bits" "A6 B7" "P-38" "spells an empty bitfield bit by bit";
    #[Client] #[Server] EmptyHave "empty-have" "B8" "P-37" "announces no chunk in a frame";
    #[Client] #[Server] EmptyPeers "empty-peers" "A6" "P-37" "passes on no offer in a frame";
    #[Client] #[Server] DontHavePastEnd "dont-have-past-end" "B8" "P-41" "takes back a chunk beyond the end";
    #[Server] UnpermittedInterest "unpermitted-interest" "A5" "P-42" "is interested without the consent to fetch";
    #[Client] #[Server] UnknownBye "unknown-bye" "A6" "P-43" "says goodbye with a code that nobody knows";
    #[Client] #[Server] Leaves "leaves" "A6" "P-44" "says goodbye and waits";
    #[Client] #[Server] ReservedFlood "reserved-flood" "A3 A8" "P-46" "sends 100,000 frames of the reserved range";
    #[Client] ShortRequest "short-request" "A6" "P-51" "ends its request in the middle";
    #[Client] LeavesOfNothing "leaves-of-nothing" "A6" "P-51" "asks for no leaves at all";
    #[Client] ManyLeaves "many-leaves" "B14" "P-58" "asks for the leaves again and again";
    #[Client] ManyManifests "many-manifests" "B14" "P-59" "asks for the manifest again and again";
    #[Client] ForeignOffer "foreign-offer" "C4" "P-45" "passes on a good offer for another swarm";
    #[Client] NoOffer "no-offer" "C4" "P-45" "passes on bytes that are no offer";
    #[Client] ComesBack "comes-back" "A5" "P-75" "breaks a rule and dials again at once";
    #[Client] Banned "banned" "B1" "P-74" "dials although its key is banned";
    #[Client] Twice "twice" "A11" "P-76" "connects twice under one key and says hello on both";
    #[Client] Beside "beside" "A11" "P-77" "asks for the manifest alone beside its own transfer";
    #[Client] Stays "stays" "G1" "P-79" "keeps every rule and stays until it is sent away";
    #[Client] StaysOn "stays-on" "E14" "P-78" "keeps every rule and takes chunks until it is sent away";
    #[Server] Honest "honest" "G1" "P-80" "keeps every rule";
    #[Client] #[Server] SpareBits "spare-bits" "B7" "P-39" "sets the spare bits of its bitfield";
    #[Client] #[Server] OtherBitfield "other-bitfield" "B7" "P-40" "sends a bitfield for another number of chunks";
    #[Client] #[Server] HugeBitfield "huge-bitfield" "B7" "P-34" "announces the largest bitfield of the protocol";
    #[Client] #[Server] HavePastEnd "have-past-end" "B8" "P-41" "announces a chunk beyond the end";
    #[Client] #[Server] UniStream "uni-stream" "B13" "P-8" "opens a unidirectional stream against the other side's word";
    #[Client] ManyStreams "many-streams" "B13 B15" "P-9" "opens 5,000 streams against the other side's limit";
    #[Server] OpensStream "opens-stream" "B13" "P-9" "asks a side that agreed to serve nothing";
    #[Client] AskFlood "ask-flood" "B14" "P-56" "asks again and again although it is choked";
    #[Client] SameChunk "same-chunk" "B14" "P-57" "takes the same chunk 10,000 times";
    #[Client] StreamChurn "stream-churn" "B15" "P-55" "opens streams and resets them before a request is whole, without end";
    #[Client] NeverReads "never-reads" "B17" "P-60" "asks for everything and reads nothing";
    #[Client] Silent "silent" "B16" "P-11" "connects and says nothing";
    #[Client] #[Server] NoBitfield "no-bitfield" "B16" "P-84" "says hello and never what it has";
    #[Client] AsksForMore "asks-for-more" "B14" "P-85" "asks a peer for what that does not have yet";
    #[Server] AsksTheAsker "asks-the-asker" "B13" "P-86" "asks for a chunk whoever asked it for the manifest alone";
    #[Client] NoHello "no-hello" "B16" "P-11" "opens the control stream and says no hello";
    #[Client] EndlessRequest "endless-request" "B16" "P-53" "begins a request and never ends it";
    #[Client] NoCertificate "no-certificate" "C2" "P-3" "shows no key";
    #[Client] #[Server] OtherScheme "other-scheme" "C2" "P-4" "shows a P-256 key and signs as if it were one of Ed25519";
    #[Client] Tls12 "tls-1.2" "C2" "P-2" "offers TLS 1.2 alone";
    #[Client] ForgedOffer "forged-offer" "C4" "P-45" "passes on an offer whose signature does not hold";
    #[Client] #[Server] HostileReason "hostile-reason" "D8" "P-81" "closes with a reason full of terminal escapes";
    #[Client] #[Server] HostileName "hostile-name" "D8" "P-23" "calls its software by terminal escapes";
    #[Server] BadBytes "bad-bytes" "B1" "P-61" "flips a bit of each chunk and sends its good proof";
    #[Server] BadProof "bad-proof" "B2" "P-61" "sends good chunks and flips a bit of each proof";
    #[Server] OtherIndex "other-index" "B3" "P-61" "answers with another chunk and the good proof of that";
    #[Server] ShortProof "short-proof" "B4" "P-62" "leaves out the last digest of each proof";
    #[Server] LongProof "long-proof" "B4" "P-62" "adds a digest to each proof";
    #[Server] ShortChunk "short-chunk" "B4" "P-62" "announces chunks that are a byte short";
    #[Server] LongChunk "long-chunk" "B4" "P-62" "announces chunks that are a byte long";
    #[Server] ShortBody "short-body" "B4" "P-64" "ends each chunk a byte early";
    #[Server] LongBody "long-body" "B4" "P-63" "ends each chunk a byte late";
    #[Server] EmptyAnswer "empty-answer" "B4" "P-64" "ends each answer before its first byte";
    #[Server] ShortHead "short-head" "B4" "P-64" "ends each answer in the middle of its head";
    #[Server] Refuses "refuses" "B6" "P-66" "announces everything and refuses each chunk";
    #[Server] Chokes "chokes" "B6" "P-82" "announces everything and never unchokes anybody";
    #[Server] Mute "mute" "B9" "P-67" "takes requests and never answers";
    #[Server] Trickle "trickle" "B10" "P-68" "answers with a few bytes a second";
    #[Server] BreaksOff "breaks-off" "B11" "P-69" "goes away in the middle of a chunk, again and again";
    #[Server] ResetAnswers "reset-answers" "A11" "P-65" "resets each answer half-way";
    #[Server] StopsRequests "stops-requests" "A11" "P-65" "stops each request stream and resets its answer";
    #[Server] OtherKey "other-key" "C1" "P-6" "answers at an offer's address with another key";
    #[Server] OtherManifest "other-manifest" "C4" "P-72" "answers the question for the manifest with another one";
    #[Server] BadLeaves "bad-leaves" "B2" "P-70" "flips a bit of the leaves";
    #[Server] LongLeaves "long-leaves" "B4" "P-70" "sends a leaf too many";
    #[Server] ShortLeaves "short-leaves" "B4" "P-64" "leaves out the last leaf";
    #[Server] StrippedManifest "stripped-manifest" "C4" "P-72" "leaves out the manifest's signature";
    #[Server] ForgedManifest "forged-manifest" "C4" "P-72" "changes a digit of the manifest's signature";
    #[Server] ManifestOfNothing "manifest-of-nothing" "A6" "P-71" "announces a manifest of 0 bytes";
    #[Server] HugeManifest "huge-manifest" "A6" "P-71" "announces a manifest of 65,537 bytes";
    #[Server] ShortManifest "short-manifest" "A6" "P-71" "ends the manifest a byte early";
    #[Server] LongManifest "long-manifest" "A6" "P-71" "ends the manifest a byte late";
}

impl Trick {
    /// The trick of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|trick| trick.name() == name)
    }

    /// The tricks that can be played from a side.
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
                |row: &str| row.len() > 1 && "ABCDEGH".contains(&row[..1]) && row[1..].parse::<u8>().is_ok();
            assert!(trick.rows().split(' ').all(is_row), "{trick}");
        }
    }
}
