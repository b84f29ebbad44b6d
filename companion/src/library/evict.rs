//! Eviction policy of the cache: a pure plan.

use std::collections::BTreeSet;

/// An entry as the eviction plan sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionEntry {
    /// The entry.
    pub id: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// When it was last used, seconds since 1970.
    pub used_unix: u64,
    /// Its file is cached, also one that failed its check.
    pub cached: bool,
    /// The user keeps it from eviction.
    pub pinned: bool,
    /// The model's link leads to it.
    pub active: bool,
}

impl EvictionEntry {
    /// Returns true if the entry may be evicted. A user's own file is never cached, so never evicted.
    pub fn may_go(&self, in_use: &BTreeSet<u64>) -> bool {
        self.cached && !self.pinned && !self.active && !in_use.contains(&self.id)
    }
}

/// Returns the bytes of all cached files, those that may not be evicted included.
pub fn cached_bytes(entries: &[EvictionEntry]) -> u64 {
    entries.iter().filter(|entry| entry.cached).fold(0, |sum, entry| sum.saturating_add(entry.bytes))
}

/// Chooses the entries to evict so that the cached files hold at most `keep_bytes`: the least recently used first, on ties the
/// lowest number, and no more than needed. It may not suffice. `in_use`: entries that a transfer uses.
pub fn plan_eviction(entries: &[EvictionEntry], keep_bytes: u64, in_use: &BTreeSet<u64>) -> Vec<u64> {
    let mut left = cached_bytes(entries);
    let mut may_go: Vec<&EvictionEntry> = entries.iter().filter(|entry| entry.may_go(in_use)).collect();
    may_go.sort_unstable_by_key(|entry| (entry.used_unix, entry.id));
    let mut go = Vec::new();
    for entry in may_go {
        if left <= keep_bytes {
            break;
        }
        left = left.saturating_sub(entry.bytes);
        go.push(entry.id);
    }
    go
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn held() -> impl Strategy<Value = Vec<EvictionEntry>> {
        let one = (0..1000_u64, 0..5_u64, any::<[bool; 3]>());
        vec(one, 0..12).prop_map(|all| {
            let entries =
                all.into_iter().enumerate().map(|(id, (bytes, used_unix, [cached, pinned, active]))| {
                    EvictionEntry { id: id as u64, bytes, used_unix, cached, pinned, active }
                });
            entries.collect()
        })
    }

    fn after(entries: &[EvictionEntry], gone: &[u64]) -> Vec<EvictionEntry> {
        entries.iter().filter(|entry| !gone.contains(&entry.id)).copied().collect()
    }

    proptest! {
        #[test]
        fn eviction_takes_only_evictable_files_oldest_first_and_no_more(
            entries in held(),
            keep in 0..5000_u64,
            in_use in btree_set(0..12_u64, 0..6),
        ) {
            let gone = plan_eviction(&entries, keep, &in_use);
            let of = |id: u64| entries.iter().find(|entry| entry.id == id).copied();
            for &id in &gone {
                let entry = of(id).unwrap();
                prop_assert!(entry.cached && !entry.pinned && !entry.active && !in_use.contains(&id));
            }
            let order: Vec<_> = gone.iter().map(|&id| (of(id).unwrap().used_unix, id)).collect();
            prop_assert!(order.is_sorted());
            let left = after(&entries, &gone);
            let may_go: Vec<_> = left.iter().filter(|entry| entry.may_go(&in_use)).collect();
            // The rest fits, or nothing is left that may be evicted.
            prop_assert!(cached_bytes(&left) <= keep || may_go.is_empty());
            // No evictable entry that was kept precedes an evicted one.
            if let Some(last) = order.last() {
                prop_assert!(may_go.iter().all(|entry| (entry.used_unix, entry.id) > *last));
            }
            // Without the last one it would not have fitted.
            if let Some((_, but_last)) = gone.split_last() {
                prop_assert!(cached_bytes(&after(&entries, but_last)) > keep);
            }
        }
    }

    #[test]
    fn least_recently_used_is_evicted_first_and_own_file_never() {
        let entry = |id, used_unix, cached| EvictionEntry {
            id,
            bytes: 100,
            used_unix,
            cached,
            pinned: false,
            active: false,
        };
        let entries = [entry(1, 1, false), entry(2, 9, true), entry(3, 5, true), entry(4, 7, true)];
        assert_eq!(plan_eviction(&entries, 300, &BTreeSet::new()), [0_u64; 0]);
        assert_eq!(plan_eviction(&entries, 299, &BTreeSet::new()), [3]);
        assert_eq!(plan_eviction(&entries, 100, &BTreeSet::from([3])), [4, 2]);
        assert_eq!(plan_eviction(&entries, 0, &BTreeSet::new()), [3, 4, 2]);
    }
}
