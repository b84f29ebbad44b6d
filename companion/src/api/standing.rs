//! How a connection stands against others when places are short.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::api::request::Caller;

/// What the last request of a connection presented. A request without a token takes the place away again that an earlier one with
/// it has kept.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

/// The ranks, lowest first.
const RANKS: [Rank; 3] = [Rank::Anyone, Rank::Page, Rank::Owner];

/// Rank of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// No token.
    Anyone,
    /// That of a session of the page.
    Page,
    /// The token itself.
    Owner,
}

impl Standing {
    /// Takes what a request presented.
    pub(crate) fn set(&self, caller: Caller) {
        let rank = match caller {
            Caller::Anyone => Rank::Anyone,
            Caller::Page(_) => Rank::Page,
            Caller::Owner => Rank::Owner,
        };
        self.0.store(rank as u8, Ordering::Relaxed);
    }

    pub(crate) fn rank(&self) -> Rank {
        RANKS.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Rank::Anyone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_request_decides() {
        let standing = Standing::default();
        assert_eq!(standing.rank(), Rank::Anyone);
        for (caller, rank) in
            [(Caller::Owner, Rank::Owner), (Caller::Page(1), Rank::Page), (Caller::Anyone, Rank::Anyone)]
        {
            standing.set(caller);
            assert_eq!(standing.rank(), rank);
        }
    }
}
