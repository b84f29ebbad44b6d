//! Eviction from the table of known peers when a member passes on an offer; answers are cached until the table changes.
//!
//! An answer costs a walk through the table, and an attacker triggers one by sending an old offer again. So one answer is
//! kept for each site that offers come from, whatever the keys there, until the table changes.

use std::collections::BTreeMap;

use minimodel_wire::PeerId;

use super::places::Held;
use super::site::Site;

/// Most cached answers: more sites than there are connections at once.
const MAX_SITES: usize = 256;

/// A peer known from passed-on offers alone: its key, the site of the member that passed its offer on, and its failed tries.
pub(super) type PexPeer = (PeerId, Site, u32);

/// Cached answers: the peer to evict for an offer from a site, or none.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    answers: BTreeMap<Site, Option<PeerId>>,
    /// Walks through the table so far.
    #[cfg(test)]
    pub(super) walks: u32,
}

impl Evictions {
    /// Drops all answers, since the table changed.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }

    /// Returns the peer in `told` to evict for an offer that a member at `bringer` passes on, or `None`. Only peers whose
    /// network (or, within the bringer's network, whose site) brought at least two more than the bringer's may be
    /// evicted. Of these it is one of the network and site that brought most, and there the one with most failed tries.
    pub(super) fn candidate<I: Iterator<Item = PexPeer>>(
        &mut self,
        bringer: Site,
        told: impl Fn() -> I,
    ) -> Option<PeerId> {
        if let Some(&answer) = self.answers.get(&bringer) {
            return answer;
        }
        #[cfg(test)]
        {
            self.walks += 1;
        }
        let held = Held::of(told().map(|(_, site, _)| site));
        let owing = told().filter(|&(_, site, _)| held.owes(site, bringer));
        let answer = owing.max_by_key(|&(_, site, tries)| (held.by(site), tries)).map(|(peer, ..)| peer);
        if self.answers.len() >= MAX_SITES {
            self.answers.clear();
        }
        self.answers.insert(bringer, answer);
        answer
    }
}
