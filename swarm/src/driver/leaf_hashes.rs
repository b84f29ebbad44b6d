//! Leaf hashes for a rescan: requested one range at a time, in order, and proven against the root of the chunk tree.

use minimodel_verifier::{Digest, chunk};
use minimodel_wire::ResetCode;
use tokio::task::AbortHandle;

use crate::machine::{LeavesOutcome, Req, RequestFault};

/// An answer to a request for leaf hashes: the hashes, and the proof of their range.
pub(super) type LeafAnswer = Result<(Vec<Digest>, Vec<Digest>), RequestFault>;

/// Proven leaf hashes from the first chunk on, and the request for the next ones.
pub(super) struct LeafHashes {
    root: Digest,
    chunk_count: u32,
    proven: Vec<Digest>,
    request: Option<(Req, AbortHandle)>,
}

impl LeafHashes {
    pub(super) fn new(root: Digest, chunk_count: u32) -> Self {
        Self { root, chunk_count, proven: Vec::new(), request: None }
    }

    /// The request is made by `task`.
    pub(super) fn requested(&mut self, req: Req, task: AbortHandle) {
        self.request = Some((req, task));
    }

    /// Withdraws the request, if it is the one under way.
    pub(super) fn withdraw(&mut self, req: Req) {
        if let Some((_, task)) = self.request.take_if(|(asked, _)| *asked == req) {
            task.abort();
        }
    }

    /// Proves an answer from chunk `first` on. `None`: its request was withdrawn, and it must not touch leaf hashes that
    /// were proven since.
    pub(super) fn answered(&mut self, req: Req, first: u32, answer: LeafAnswer) -> Option<LeavesOutcome> {
        self.request.take_if(|(asked, _)| *asked == req)?;
        Some(match answer {
            Err(RequestFault::Malformed) => LeavesOutcome::BadProof,
            Err(RequestFault::Short) => LeavesOutcome::Short,
            Err(RequestFault::Reset(ResetCode::BudgetUsed)) => LeavesOutcome::BudgetUsed,
            Err(RequestFault::Reset(_) | RequestFault::Lost | RequestFault::HeldBack(_)) => {
                LeavesOutcome::Failed
            }
            Ok((hashes, proof)) => {
                match chunk::verify_range(&self.root, self.chunk_count, first, &hashes, &proof) {
                    Ok(()) => {
                        self.proven.truncate(first as usize);
                        self.proven.extend(hashes);
                        LeavesOutcome::Proven
                    }
                    Err(_) => LeavesOutcome::BadProof,
                }
            }
        })
    }

    /// Takes all proven leaf hashes, for the rescan.
    pub(super) fn take(&mut self) -> Vec<Digest> {
        std::mem::take(&mut self.proven)
    }
}

#[cfg(test)]
mod tests {
    use minimodel_verifier::chunk::Tree;
    use minimodel_verifier::sha256;

    use super::*;

    const COUNT: u32 = 8;

    fn tree() -> Tree {
        Tree::from_chunk_hashes((0..COUNT).map(|n| sha256(&[n as u8])).collect())
    }

    fn range(first: u32, count: u32) -> (Vec<Digest>, Vec<Digest>) {
        let tree = tree();
        let hashes = tree.chunk_hashes()[first as usize..][..count as usize].to_vec();
        (hashes, tree.range_proof(first, count).unwrap())
    }

    fn asked(leaves: &mut LeafHashes, req: u64) {
        leaves.requested(Req(req), tokio::spawn(std::future::pending::<()>()).abort_handle());
    }

    #[tokio::test]
    async fn ranges_are_proven_one_after_the_other() {
        let mut leaves = LeafHashes::new(*tree().root(), COUNT);
        for (req, first) in [(1, 0), (2, 4)] {
            asked(&mut leaves, req);
            assert_eq!(leaves.answered(Req(req), first, Ok(range(first, 4))), Some(LeavesOutcome::Proven));
        }
        assert_eq!(leaves.take(), tree().chunk_hashes());
    }

    #[tokio::test]
    async fn an_answer_to_a_withdrawn_request_changes_nothing() {
        let mut leaves = LeafHashes::new(*tree().root(), COUNT);
        asked(&mut leaves, 1);
        leaves.withdraw(Req(2));
        leaves.withdraw(Req(1));
        asked(&mut leaves, 2);
        assert_eq!(leaves.answered(Req(1), 0, Ok(range(0, 4))), None);
        assert_eq!(leaves.answered(Req(2), 0, Ok(range(0, 8))), Some(LeavesOutcome::Proven));
        assert_eq!(leaves.answered(Req(2), 0, Ok(range(0, 4))), None, "one answer for one request");
        assert_eq!(leaves.take().len(), COUNT as usize);
    }

    #[tokio::test]
    async fn each_fault_of_an_answer_has_its_outcome_and_proves_nothing() {
        let mut leaves = LeafHashes::new(*tree().root(), COUNT);
        let (mut hashes, proof) = range(0, 4);
        hashes[1][0] ^= 1;
        let budget_used = RequestFault::Reset(ResetCode::BudgetUsed);
        for (answer, outcome) in [
            (Ok((hashes, proof)), LeavesOutcome::BadProof),
            (Err(RequestFault::Malformed), LeavesOutcome::BadProof),
            (Err(RequestFault::Short), LeavesOutcome::Short),
            (Err(budget_used), LeavesOutcome::BudgetUsed),
            (Err(RequestFault::Reset(ResetCode::Busy)), LeavesOutcome::Failed),
            (Err(RequestFault::Lost), LeavesOutcome::Failed),
        ] {
            asked(&mut leaves, 1);
            assert_eq!(leaves.answered(Req(1), 0, answer), Some(outcome));
        }
        assert!(leaves.take().is_empty());
    }
}
