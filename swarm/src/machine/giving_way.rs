//! Who of the known peers gives way to one that a member tells of, remembered for as long as the table stays as it is.
//!
//! To look for it costs a walk through the table, and to ask for it the bytes of an offer that was sent before. So it is
//! looked for once for each site that offers come from, whatever keys come from there, until the table changes.

use std::collections::BTreeMap;

use minimodel_wire::PeerId;

use super::places::Held;
use super::site::Site;

/// Sites for which the answer is remembered: more than there are connections at once.
const MAX_SITES: usize = 256;

/// A peer known by hearsay alone, where the member is that told of it, and tries that brought nothing.
pub(super) type Told = (PeerId, Site, u32);

/// The answers as the table is now.
#[derive(Debug, Default)]
pub(super) struct GivingWay {
    answers: BTreeMap<Site, Option<PeerId>>,
    /// How often the table was walked through.
    #[cfg(test)]
    pub(super) looks: u32,
}

impl GivingWay {
    /// The table changed.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }

    /// Who of those that were `told` of gives way to what a member at `bringer` tells: where those of one network, or within
    /// the bringer's network of one site, would still be no fewer than the bringer's, the one of them that was tried most
    /// often. `None`: nobody.
    pub(super) fn to<I: Iterator<Item = Told>>(
        &mut self,
        bringer: Site,
        told: impl Fn() -> I,
    ) -> Option<PeerId> {
        if let Some(&answer) = self.answers.get(&bringer) {
            return answer;
        }
        #[cfg(test)]
        {
            self.looks += 1;
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
