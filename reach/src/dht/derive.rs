use sha2::{Digest as _, Sha256};

/// Seconds of a UTC day.
const DAY: u64 = 86_400;
/// How long before and after midnight the neighbour day is tried too: for clocks that differ, and for announcements of the day before.
const NEIGHBOUR: u64 = 3_600;

/// The UTC day at `now_unix` seconds since 1970, counted from then. Day 0 is 1970-01-01.
pub fn day(now_unix: u64) -> u32 {
    u32::try_from(now_unix / DAY).unwrap_or(u32::MAX)
}

/// The days under which a lookup at `now_unix` searches: today, and within an hour of midnight its neighbour.
pub fn days_to_try(now_unix: u64) -> Vec<u32> {
    let today = day(now_unix);
    let second = now_unix % DAY;
    let neighbour = if second < NEIGHBOUR {
        today.checked_sub(1)
    } else if second >= DAY - NEIGHBOUR {
        today.checked_add(1)
    } else {
        None
    };
    std::iter::once(today).chain(neighbour).collect()
}

/// Under which info hash the members of `swarm` announce themselves on `day`: the first 20 bytes of
/// SHA-256("minimodel dht v1" | 0x00 | swarm id, 32 bytes | day, 4 bytes little-endian).
pub fn info_hash(swarm: &[u8; 32], day: u32) -> [u8; 20] {
    let full = hash(&[b"minimodel dht v1\0", swarm, &day.to_le_bytes()]);
    let mut short = [0; 20];
    short.copy_from_slice(&full[..20]);
    short
}

/// The Ed25519 seed of the item that tells where `peer` is, as a member of `swarm`: SHA-256("minimodel where" | 0x00 | peer id | swarm id).
pub(super) fn place_seed(peer: &[u8; 32], swarm: &[u8; 32]) -> [u8; 32] {
    hash(&[b"minimodel where\0", peer, swarm])
}

/// The key that seals the items of `swarm`: SHA-256("minimodel where seal" | 0x00 | swarm id).
pub(super) fn seal_key(swarm: &[u8; 32]) -> [u8; 32] {
    hash(&[b"minimodel where seal\0", swarm])
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn derived_bytes_are_the_golden_ones() {
        // python3: sha256(b"minimodel dht v1\0" + b"\x11"*32 + (20000).to_bytes(4, "little")).hexdigest()[:40], and so on.
        let (swarm, peer) = ([0x11; 32], [0x22; 32]);
        assert_eq!(hex(&info_hash(&swarm, 20_000)), "2eaef6ebf2ba05b487e4951030abf12438fcc16e");
        assert_eq!(
            hex(&place_seed(&peer, &swarm)),
            "58a3b04279aa710d22b406fa6e63c5632b82e0937ca3b0de5932b98b63ea4da4"
        );
        assert_eq!(
            hex(&seal_key(&swarm)),
            "dbaff4d7e143b1c6c9403f28f9524fa92b329617028d88c11b9468565bcd2197"
        );
    }

    #[test]
    fn the_hash_turns_with_day_and_swarm() {
        assert_ne!(info_hash(&[1; 32], 5), info_hash(&[1; 32], 6));
        assert_ne!(info_hash(&[1; 32], 5), info_hash(&[2; 32], 5));
    }

    #[test]
    fn days_are_counted_in_utc_from_1970() {
        assert_eq!((day(0), day(86_399), day(86_400), day(u64::MAX)), (0, 0, 1, u32::MAX));
        // 2026-11-15 12:00:00 UTC
        assert_eq!(day(1_794_744_000), 20_772);
    }

    #[test]
    fn the_neighbour_day_is_tried_near_midnight_alone() {
        let noon = 10 * DAY + DAY / 2;
        let midnight = 11 * DAY;
        assert_eq!(days_to_try(noon), [10]);
        assert_eq!(days_to_try(midnight - NEIGHBOUR - 1), [10]);
        assert_eq!(days_to_try(midnight - NEIGHBOUR), [10, 11]);
        assert_eq!(days_to_try(midnight), [11, 10]);
        assert_eq!(days_to_try(midnight + NEIGHBOUR - 1), [11, 10]);
        assert_eq!(days_to_try(midnight + NEIGHBOUR), [11]);
        assert_eq!(days_to_try(0), [0]);
    }
}
