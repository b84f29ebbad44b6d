//! Token buckets by site: what the keys of one site may cost together, since keys are free and sites are not.

use std::collections::BTreeMap;

use super::rate::Bucket;
use super::site::Site;
use super::time::Time;

/// Most sites with a bucket; beyond it the sites that spent less than half of theirs are forgotten, then any.
const MAX_SITES: usize = 1_024;

/// A bucket for each site that spent something lately.
#[derive(Debug)]
pub(super) struct SiteBuckets {
    sites: BTreeMap<Site, Bucket>,
    new: Bucket,
}

impl SiteBuckets {
    /// `new` is the full bucket of a site that spent nothing.
    pub(super) fn new(new: Bucket) -> Self {
        Self { sites: BTreeMap::new(), new }
    }

    /// The bucket of a site.
    pub(super) fn of(&mut self, now: Time, site: Site) -> &mut Bucket {
        if self.sites.len() >= MAX_SITES && !self.sites.contains_key(&site) {
            self.sites.retain(|_, bucket| bucket.is_half_empty(now));
            if self.sites.len() >= MAX_SITES {
                self.sites.pop_first();
            }
        }
        self.sites.entry(site).or_insert_with(|| self.new.clone())
    }

    /// The bucket of a site that spent something, if it is still remembered.
    pub(super) fn get_mut(&mut self, site: Site) -> Option<&mut Bucket> {
        self.sites.get_mut(&site)
    }
}
