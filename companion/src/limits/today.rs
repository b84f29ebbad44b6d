//! Bytes sent today, kept in memory between two writes of the [`ledger`](super::ledger).

use std::collections::BTreeMap;

use super::ledger::{MAX_PEERS, OTHERS, used};

/// Adds bytes sent to a peer to the result of [`sent_today`](super::ledger::sent_today). An unlisted peer starts at the floor of
/// [`OTHERS`], as in the ledger, so that eviction gives no peer a fresh quota. Beyond [`MAX_PEERS`] names the peer with the
/// fewest bytes is evicted, so that free keys cost bounded memory.
pub fn add_sent(sent_today: &mut BTreeMap<String, u64>, peer: &str, bytes: u64) {
    if bytes == 0 {
        return;
    }
    let sum = used(sent_today, peer).saturating_add(bytes);
    sent_today.insert(peer.to_owned(), sum);
    while sent_today.len() > MAX_PEERS + usize::from(sent_today.contains_key(OTHERS)) {
        let named = sent_today.iter().filter(|(name, _)| *name != OTHERS);
        let Some((name, least)) =
            named.min_by_key(|(_, sent)| **sent).map(|(name, sent)| (name.clone(), *sent))
        else {
            return;
        };
        sent_today.remove(&name);
        let floor = sent_today.entry(OTHERS.to_owned()).or_default();
        *floor = (*floor).max(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: B22
    #[test]
    fn unnamed_peer_starts_at_the_sum_of_others_and_counts_on() {
        let mut sent = BTreeMap::from([(OTHERS.to_owned(), 70), ("a".to_owned(), 90)]);
        add_sent(&mut sent, "stranger", 5);
        add_sent(&mut sent, "stranger", 5);
        add_sent(&mut sent, "a", 1);
        add_sent(&mut sent, "idle", 0);
        assert_eq!((used(&sent, "stranger"), used(&sent, "a"), used(&sent, "idle")), (80, 91, 70));
        assert_eq!(sent.len(), 3);
    }

    // Rows: B22
    #[test]
    fn strangers_use_bounded_memory_and_none_is_counted_too_low() {
        let (mut sent, mut truth) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
        for round in 0..3_u64 {
            for number in 0..1200_u64 {
                let (peer, bytes) = (format!("p{number}"), (number * 7919 + round * 31) % 50 + 1);
                add_sent(&mut sent, &peer, bytes);
                *truth.entry(peer).or_default() += bytes;
            }
        }
        assert_eq!(sent.len(), MAX_PEERS + 1);
        assert!(truth.iter().all(|(peer, had)| used(&sent, peer) >= *had));
    }
}
