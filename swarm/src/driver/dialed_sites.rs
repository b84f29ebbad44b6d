//! Sites to which this node sent packets of its own accord: whoever comes from there is let in by a router as an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::{Site, Time};

/// How long a site counts: no router keeps a mapping that long without a packet.
const COUNTS: Duration = Duration::from_secs(24 * 3_600);
/// Most sites that are remembered. While there are as many, every site counts as dialed.
pub(super) const MOST: usize = 4_096;

/// When each site was dialed last.
#[derive(Debug, Default)]
pub(super) struct DialedSites(BTreeMap<Site, Time>);

impl DialedSites {
    /// Notes that a packet is about to be sent to this site.
    pub(super) fn note(&mut self, now: Time, site: Site) {
        self.forget(now);
        if self.0.len() < MOST || self.0.contains_key(&site) {
            self.0.insert(site, now);
        }
    }

    /// Whether the site may have been dialed lately.
    pub(super) fn may_have(&mut self, now: Time, site: Site) -> bool {
        self.forget(now);
        self.0.len() >= MOST || self.0.get(&site).is_some_and(|&at| now.since(at) < COUNTS)
    }

    fn forget(&mut self, now: Time) {
        if self.0.len() >= MOST {
            self.0.retain(|_, at| now.since(*at) < COUNTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    fn site(n: u32) -> Site {
        let [_, b, c, d] = n.to_be_bytes();
        Site::of([11, b, c, d].into())
    }

    // Rows: H13
    #[test]
    fn dialed_site_counts_for_a_day_and_a_full_table_empties() {
        let mut sites = DialedSites::default();
        sites.note(after(5), site(0));
        assert!(sites.may_have(after(86_404), site(0)) && !sites.may_have(after(86_404), site(1)));
        assert!(!sites.may_have(after(86_405), site(0)));
        (0..MOST as u32).for_each(|n| sites.note(after(100_000), site(n)));
        assert!(sites.may_have(after(100_000), site(9_999)), "full");
        assert!(!sites.may_have(after(186_400), site(9_999)), "a day later");
        sites.note(after(186_400), site(9_999));
        assert!(sites.may_have(after(186_400), site(9_999)));
    }
}
