//! Why nothing moves: one cause for each moment, from plain facts.
//!
//! A transfer is judged from one picture to the next: every 200 ms while bytes move, every second otherwise. If in
//! that time a byte of payload came (a fetch with chunks missing) or went (a share, and a fetch that is whole), it was
//! busy; otherwise it was idle for exactly one cause, the first that holds of:
//!
//! | a fetch with chunks missing | because |
//! | --- | --- |
//! | `disk` | What arrived waits for the disk, or the file is being read through: nothing is asked for without memory. |
//! | `rate-limit` | Bytes are here, or could be, and our own rate withholds them: whatever peers do matters less. |
//! | `congestion` | A peer owes us chunks, and its path is in trouble. |
//! | `peer-slow` | Peers owe us chunks, their paths are alive, and they send nothing. |
//! | `quota` | Somebody would give us chunks, and our user's allowance for it is used, or its rest is shorter than any of them. |
//! | `choked` | Somebody has chunks for us, and lets us wait. |
//! | `quota` | Nobody is left, and with some of them our budget is used. |
//! | `no-source` | Nobody is here who has a chunk that we want. |
//!
//! | a share | because |
//! | --- | --- |
//! | `rate-limit` | Answers wait for our own rate. |
//! | `disk` | Answers wait to be read from the disk. |
//! | `congestion` | Answers are written, and a path does not take them. |
//! | `peer-slow` | Answers are written, the paths are free, and who asked does not read. |
//! | `choked` | Peers that we would serve want chunks, and no slot is given to anybody. |
//! | `quota` | Nobody asks, and somebody who would has used its allowance, or all together theirs, or asked for more than the rest. |
//! | `no-demand` | Nobody asks. |
//!
//! A fetch whose chunks are all here and whose whole-file check goes on is `checking`.

use std::fmt;

/// Why a transfer with work left moves no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Idle {
    /// Nobody who has a chunk that we want is connected and introduced; known peers are being dialed.
    NoSource,
    /// Those who have what we want let us wait for a slot of theirs; of a share: peers want chunks, and no slot is given.
    Choked,
    /// Our own rate withholds bytes.
    RateLimit,
    /// A limit on bytes is reached: ours on what we receive, a peer's on what we may take, ours on what peers may take.
    Quota,
    /// Chunks wait for our disk, or the file is being read through.
    Disk,
    /// A peer owes us chunks, or is owed some, and the path to it is in trouble: silent, losing, or its round trip far
    /// above its least.
    Congestion,
    /// The path is alive, and the peer sends nothing, or does not read what it asked for.
    PeerSlow,
    /// Every chunk is here, and the whole-file check goes on.
    Checking,
    /// Nobody asks for anything.
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

    /// The word for programs.
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

/// What is known of a fetch to which no byte came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FetchFacts {
    /// The partial file is being read through.
    pub(super) is_rescanning: bool,
    /// Chunks that arrived and are not kept yet.
    pub(super) storing: u32,
    /// A chunk was kept meanwhile.
    pub(super) has_kept: bool,
    /// Somebody waited for our own rate.
    pub(super) is_withheld: bool,
    /// Peers that owe us something, and those of them whose path is in trouble.
    pub(super) owing: u32,
    pub(super) in_trouble: u32,
    /// Peers that have a chunk that we want.
    pub(super) useful: u32,
    /// Nothing can be asked for before somebody comes who knows leaf hashes.
    pub(super) lacks_leaves: bool,
    /// Our user's allowance keeps us from asking.
    pub(super) is_at_quota: bool,
    /// Nobody is left, and our budget with some is used.
    pub(super) is_out_of_budget: bool,
}

impl FetchFacts {
    pub(super) fn cause(&self) -> Idle {
        // A disk that keeps chunks while peers send nothing is not what is waited for.
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

/// What is known of a share from which no byte went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShareFacts {
    /// Somebody waited for our own rate.
    pub(super) is_withheld: bool,
    /// Chunks that are being read from the disk.
    pub(super) reading: u32,
    /// Peers that are being answered, and those of them whose path does not take it.
    pub(super) answered: u32,
    pub(super) in_trouble: u32,
    /// Peers that want chunks and that we would serve, and those of them that may ask.
    pub(super) interested: u32,
    pub(super) served: u32,
    /// Somebody was turned away for having used its allowance.
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
    fn a_disk_that_works_is_waited_for_only_when_nobody_owes_us_anything() {
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
