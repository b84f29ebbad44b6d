//! Payload bytes of a session: all, and by peer as far as there is room. No byte is lost from the sums.

use std::collections::BTreeMap;

use minimodel_wire::PeerId;

use crate::machine::Conn;

/// Peers that have a row of their own without having been named; each moved some, so it is no crowd of empty keys.
pub(super) const MAX_ROWS: usize = 4_096;

/// Received and sent.
pub(super) type Bytes = (u64, u64);

fn add(sum: &mut Bytes, (received, sent): Bytes) {
    *sum = (sum.0 + received, sum.1 + sent);
}

/// What has moved.
#[derive(Debug)]
pub(super) struct Moved {
    most: usize,
    rows: BTreeMap<PeerId, Bytes>,
    others: Bytes,
    total: Bytes,
    /// What of each connection is in the sums.
    counted: BTreeMap<Conn, Bytes>,
}

impl Moved {
    pub(super) fn new(most: usize) -> Self {
        Self { most, rows: BTreeMap::new(), others: (0, 0), total: (0, 0), counted: BTreeMap::new() }
    }

    /// `bytes`: what moved over the connection since it began. Once there is no more room, whoever is not named gets no
    /// row, now or later: a row that came late would seem to begin at nothing.
    pub(super) fn count(&mut self, conn: Conn, peer: PeerId, bytes: Bytes, is_named: impl FnOnce() -> bool) {
        let counted = self.counted.entry(conn).or_default();
        let fresh = (bytes.0.saturating_sub(counted.0), bytes.1.saturating_sub(counted.1));
        if fresh == (0, 0) {
            return;
        }
        add(counted, fresh);
        add(&mut self.total, fresh);
        if let Some(row) = self.rows.get_mut(&peer) {
            add(row, fresh);
        } else if self.rows.len() < self.most || is_named() {
            self.rows.insert(peer, fresh);
        } else {
            add(&mut self.others, fresh);
        }
    }

    /// The connection is gone; nothing more is counted of it.
    pub(super) fn forget(&mut self, conn: Conn) {
        self.counted.remove(&conn);
    }

    pub(super) fn rows(&self) -> &BTreeMap<PeerId, Bytes> {
        &self.rows
    }

    pub(super) fn others(&self) -> Bytes {
        self.others
    }

    pub(super) fn total(&self) -> Bytes {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> PeerId {
        PeerId([n; 32])
    }

    #[test]
    fn i6_a_crowd_of_keys_has_as_many_rows_as_there_is_room_for_and_whoever_is_named_one_more() {
        let mut moved = Moved::new(2);
        for n in 1..=5 {
            moved.count(Conn(n.into()), id(n), (10, 1), || n == 4);
            moved.forget(Conn(n.into()));
        }
        assert_eq!(moved.rows().keys().copied().collect::<Vec<_>>(), [1, 2, 4].map(id));
        assert_eq!((moved.others(), moved.total()), ((20, 2), (50, 5)));
        // It comes back: still without a row, and nothing of it is lost.
        moved.count(Conn(9), id(3), (7, 0), || false);
        assert_eq!((moved.rows().len(), moved.others()), (3, (27, 2)));
        // From here on it is named.
        moved.count(Conn(9), id(3), (8, 0), || true);
        assert_eq!((moved.rows()[&id(3)], moved.others()), ((1, 0), (27, 2)));
    }

    proptest! {
        #[test]
        fn rows_and_others_make_up_the_total_and_nothing_ever_goes_back(
            steps in prop::collection::vec((0u64..12, 0u64..50, 0u64..50, 0u8..8), 0..200),
        ) {
            let mut moved = Moved::new(3);
            // Each connection belongs to one of six keys; when it is gone, its place is taken by another.
            let mut open = BTreeMap::<u64, (Conn, Bytes)>::new();
            let (mut next, mut total) = (0, (0, 0));
            for (place, received, sent, how) in steps {
                if how == 0 {
                    if let Some((conn, _)) = open.remove(&place) {
                        moved.forget(conn);
                    }
                    continue;
                }
                next += 1;
                let (conn, bytes) = open.entry(place).or_insert((Conn(next), (0, 0)));
                add(bytes, (received, sent));
                add(&mut total, (received, sent));
                let before = (moved.rows().clone(), moved.others());
                let peer = id(place as u8 % 6);
                moved.count(*conn, peer, *bytes, || how == 1);
                let rows = |of: fn(&Bytes) -> u64| moved.rows().values().map(of).sum::<u64>();
                prop_assert_eq!(moved.total(), total);
                let sums = (rows(|row| row.0) + moved.others().0, rows(|row| row.1) + moved.others().1);
                prop_assert_eq!(sums, total);
                let goes_on = |old: Bytes, new: Bytes| new.0 >= old.0 && new.1 >= old.1;
                prop_assert!(goes_on(before.1, moved.others()));
                for (peer, &old) in &before.0 {
                    prop_assert!(moved.rows().get(peer).is_some_and(|&new| goes_on(old, new)));
                }
            }
        }
    }
}
