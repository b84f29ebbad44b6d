//! Peers named in the offers of fetches.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use minimodel_wire::SignedOffer;

use super::row::TransferRow;
use super::table::TransferTable;

/// Cache of the peers named in the offers of each row: offers are parsed and their signatures checked only when they change, not
/// at each reconcile.
#[derive(Debug, Default)]
pub(super) struct OfferedPeers(Mutex<BTreeMap<u64, Read>>);

#[derive(Debug)]
struct Read {
    offers: Vec<String>,
    peers: Vec<String>,
}

impl OfferedPeers {
    /// Returns true if any peer named in this row's offers satisfies `is_one`. Rows that are not in the table leave the cache.
    pub(super) fn any(
        &self,
        row: &TransferRow,
        table: &TransferTable,
        is_one: impl Fn(&str) -> bool,
    ) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&row.id).is_none_or(|read| read.offers != row.offers) {
            known.retain(|&id, _| table.get(id).is_some());
            let read = row.offers.iter().filter_map(|text| text.parse::<SignedOffer>().ok());
            let peers = read.map(|offer| offer.offer().peer.to_string()).collect();
            known.insert(row.id, Read { offers: row.offers.clone(), peers });
        }
        known.get(&row.id).is_some_and(|read| read.peers.iter().any(|peer| is_one(peer)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};

    use super::*;
    use crate::model::NewFetch;

    pub(in super::super) fn peer(n: u8) -> PeerId {
        PeerId(SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes())
    }

    pub(in super::super) fn offer(n: u8) -> String {
        let addresses = vec!["127.0.0.1:4000".parse().unwrap()];
        let offer = Offer { peer: peer(n), swarm_id: [0xab; 32], addresses, expires_unix: 2_000_000_000 };
        SignedOffer::sign(offer, &SigningKey::from_bytes(&[n; 32])).unwrap().to_string()
    }

    pub(in super::super) fn fetch(offers: &[String]) -> TransferRow {
        let new = NewFetch { offers: offers.to_vec(), ..NewFetch::default() };
        TransferRow { id: 1, ..TransferRow::fetch(new, "ab".repeat(32), 0) }
    }

    #[test]
    fn offers_of_a_row_are_reread_on_change_and_dropped_with_it() {
        let offered = OfferedPeers::default();
        let of = |row: &TransferRow, table: &TransferTable| {
            let seen = std::cell::RefCell::new(BTreeSet::new());
            offered.any(row, table, |peer| !seen.borrow_mut().insert(peer.to_owned()));
            seen.into_inner()
        };
        let names = |all: &[u8]| all.iter().map(|&n| peer(n).to_string()).collect::<BTreeSet<_>>();
        let (first, second) =
            (fetch(&[offer(1), "mm1no".into()]), TransferRow { id: 2, ..fetch(&[offer(3)]) });
        let both = TransferTable::of([first.clone(), second.clone()]);
        assert_eq!((of(&first, &both), of(&second, &both)), (names(&[1]), names(&[3])));
        let more = fetch(&[offer(2), offer(1)]);
        assert_eq!(of(&more, &TransferTable::of([more.clone()])), names(&[1, 2]));
        assert_eq!(offered.0.lock().unwrap().keys().copied().collect::<Vec<_>>(), [1]);
    }
}
