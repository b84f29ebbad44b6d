//! Idle causes: the one reason why a transfer moves no byte at a moment, derived from plain facts.
//!
//! A transfer is judged from one snapshot to the next: every 200 ms while bytes move, every second otherwise. If in
//! that time a byte of payload came (a fetch with chunks missing) or went (a share, and a fetch that is whole), it was
//! busy; otherwise it was idle for exactly one cause, the first that holds of:
//!
//! | a fetch with chunks missing | because |
//! | --- | --- |
//! | `disk` | Arrived chunks wait for the disk (nothing is requested without memory for it), or the file is being rescanned. |
//! | `rate-limit` | A local rate limit withholds bytes that are here, or could be: whatever peers do matters less. |
//! | `congestion` | A peer owes this node chunks, and its path is in trouble. |
//! | `peer-slow` | Peers owe this node chunks, their paths are alive, and they send nothing. |
//! | `quota` | A peer would send chunks, but the user's download quota is used up, or its rest is shorter than any of them. |
//! | `choked` | Peers have wanted chunks, and choke this node. |
//! | `quota` | No known peer can help, and some of them said that this node's budget with them is used up. |
//! | `no-source` | No connected peer has a wanted chunk. |
//!
//! | a share | because |
//! | --- | --- |
//! | `rate-limit` | Answers wait for a local rate limit. |
//! | `disk` | Answers wait to be read from the disk. |
//! | `congestion` | Answers are written, and a path does not take them. |
//! | `peer-slow` | Answers are written, the paths are free, and the requesting peers do not read. |
//! | `choked` | Peers that may be served are interested, and none is unchoked. |
//! | `quota` | No requests are pending: a peer's or the total upload quota is used up, or smaller than the next chunk. |
//! | `no-demand` | No peer requests anything. |
//!
//! A fetch whose chunks are all here and whose whole-file check goes on is `checking`.

use std::fmt;

/// Why a transfer with work left moves no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Idle {
    /// No introduced peer has a wanted chunk; known peers are being dialed.
    NoSource,
    /// Peers with wanted chunks choke this node; of a share: peers are interested, and none is unchoked.
    Choked,
    /// A local rate limit withholds bytes.
    RateLimit,
    /// A limit on bytes is reached: the user's on received bytes, a peer's on what this node may take, or the user's on
    /// what peers may take.
    Quota,
    /// Chunks wait for the local disk, or the file is being rescanned.
    Disk,
    /// A peer owes this node chunks, or is owed some, and the path to it is in trouble: silent, losing, or its round
    /// trip far above its minimum.
    Congestion,
    /// The path is alive, and the peer sends nothing, or does not read what it requested.
    PeerSlow,
    /// Every chunk is here, and the whole-file check goes on.
    Checking,
    /// No peer requests anything.
    NoDemand,
}

impl Idle {
    /// All causes.
    pub const ALL: [Self; 9] = [
        Self::NoSource,
        Self::Choked,
        Self::RateLimit,
        Self::Quota,
        Self::Disk,
        Self::Congestion,
        Self::PeerSlow,
        Self::Checking,
        Self::NoDemand,
    ];

    /// The name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSource => "no-source",
            Self::Choked => "choked",
            Self::RateLimit => "rate-limit",
            Self::Quota => "quota",
            Self::Disk => "disk",
            Self::Congestion => "congestion",
            Self::PeerSlow => "peer-slow",
            Self::Checking => "checking",
            Self::NoDemand => "no-demand",
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Facts about a fetch that received no byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FetchFacts {
    /// The partial file is being rescanned.
    pub(super) is_rescanning: bool,
    /// Chunks that arrived and are not kept yet.
    pub(super) storing: u32,
    /// A chunk was kept since the last sample.
    pub(super) has_kept: bool,
    /// A download waited for a local rate limit.
    pub(super) is_withheld: bool,
    /// Peers with unanswered requests, and those of them whose path is in trouble.
    pub(super) owing: u32,
    pub(super) in_trouble: u32,
    /// Peers that have a wanted chunk.
    pub(super) useful: u32,
    /// No chunk can be requested before a peer connects that knows leaf hashes.
    pub(super) lacks_leaves: bool,
    /// The user's download quota holds requests back.
    pub(super) is_at_quota: bool,
    /// No known peer can help, and this node's budget with some of them is used up.
    pub(super) is_out_of_budget: bool,
}

impl FetchFacts {
    pub(super) fn cause(&self) -> Idle {
        // While the disk keeps chunks and peers owe some, the wait is for the peers.
        let waits_for_disk = self.storing > 0 && (self.owing == 0 || !self.has_kept);
        if self.is_rescanning || waits_for_disk {
            Idle::Disk
        } else if self.is_withheld {
            Idle::RateLimit
        } else if self.in_trouble > 0 {
            Idle::Congestion
        } else if self.owing > 0 {
            Idle::PeerSlow
        } else if self.useful > 0 && !self.lacks_leaves {
            if self.is_at_quota { Idle::Quota } else { Idle::Choked }
        } else if self.is_out_of_budget {
            Idle::Quota
        } else {
            Idle::NoSource
        }
    }
}

/// Facts about a share that sent no byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShareFacts {
    /// An upload waited for a local rate limit.
    pub(super) is_withheld: bool,
    /// Chunks that are being read from the disk.
    pub(super) reading: u32,
    /// Peers that are being answered, and those of them whose path does not take the bytes.
    pub(super) answered: u32,
    pub(super) in_trouble: u32,
    /// Interested peers that may be served, and unchoked peers.
    pub(super) interested: u32,
    pub(super) served: u32,
    /// A peer was turned away because its quota is used up.
    pub(super) has_turned_away: bool,
}

impl ShareFacts {
    pub(super) fn cause(&self) -> Idle {
        if self.is_withheld {
            Idle::RateLimit
        } else if self.reading > 0 {
            Idle::Disk
        } else if self.in_trouble > 0 {
            Idle::Congestion
        } else if self.answered > 0 {
            Idle::PeerSlow
        } else if self.interested > 0 && self.served == 0 {
            Idle::Choked
        } else if self.has_turned_away {
            Idle::Quota
        } else {
            Idle::NoDemand
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_word_of_its_own() {
        let mut words = Idle::ALL.map(Idle::as_str);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(Idle::ALL.is_sorted());
        assert_eq!(format!("{:>9}", Idle::PeerSlow), "peer-slow");
    }

    #[test]
    fn each_row_of_a_fetch_goes_before_those_below_it() {
        let none = FetchFacts::default();
        assert_eq!(none.cause(), Idle::NoSource);
        let rows = [
            (FetchFacts { is_out_of_budget: true, ..none }, Idle::Quota),
            (FetchFacts { useful: 1, is_out_of_budget: true, ..none }, Idle::Choked),
            (FetchFacts { useful: 1, is_at_quota: true, ..none }, Idle::Quota),
            (FetchFacts { useful: 1, is_at_quota: true, owing: 1, ..none }, Idle::PeerSlow),
            (FetchFacts { useful: 2, owing: 2, in_trouble: 1, ..none }, Idle::Congestion),
            (FetchFacts { owing: 2, in_trouble: 1, is_withheld: true, ..none }, Idle::RateLimit),
            (FetchFacts { owing: 1, is_withheld: true, storing: 1, ..none }, Idle::Disk),
            (FetchFacts { owing: 1, is_withheld: true, is_rescanning: true, ..none }, Idle::Disk),
        ];
        for (facts, cause) in rows {
            assert_eq!(facts.cause(), cause, "{facts:?}");
        }
    }

    #[test]
    fn disk_is_the_idle_cause_only_when_no_peer_owes_a_chunk() {
        let facts = FetchFacts { storing: 1, has_kept: true, useful: 1, ..FetchFacts::default() };
        assert_eq!(facts.cause(), Idle::Disk);
        assert_eq!(FetchFacts { owing: 1, ..facts }.cause(), Idle::PeerSlow);
        assert_eq!(FetchFacts { owing: 1, has_kept: false, ..facts }.cause(), Idle::Disk);
    }

    #[test]
    fn partial_peers_are_no_source_of_leaf_hashes() {
        let facts = FetchFacts { useful: 1, lacks_leaves: true, ..FetchFacts::default() };
        assert_eq!(facts.cause(), Idle::NoSource);
    }

    #[test]
    fn each_row_of_a_share_goes_before_those_below_it() {
        let none = ShareFacts::default();
        assert_eq!(none.cause(), Idle::NoDemand);
        let rows = [
            (ShareFacts { interested: 1, served: 1, ..none }, Idle::NoDemand),
            (ShareFacts { has_turned_away: true, interested: 1, served: 1, ..none }, Idle::Quota),
            (ShareFacts { interested: 1, has_turned_away: true, ..none }, Idle::Choked),
            (ShareFacts { interested: 2, served: 1, answered: 1, ..none }, Idle::PeerSlow),
            (ShareFacts { answered: 2, in_trouble: 1, ..none }, Idle::Congestion),
            (ShareFacts { answered: 2, in_trouble: 1, reading: 1, ..none }, Idle::Disk),
            (ShareFacts { answered: 2, reading: 1, is_withheld: true, ..none }, Idle::RateLimit),
        ];
        for (facts, cause) in rows {
            assert_eq!(facts.cause(), cause, "{facts:?}");
        }
    }
}
