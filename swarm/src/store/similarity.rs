//! The check before a repair: whether a file is the artifact gone bad, or another file that has a chunk in common with
//! it.

use std::io;

use minimodel_verifier::Digest;
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::pool;
use rayon::prelude::*;

use super::disk::DiskFile;
use super::record::{has_zero_sector, is_zero};

/// How much of a file must be the artifact's before a repair writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairIf {
    /// At least half of its chunks if any other chunk holds data, and no data behind the artifact's end.
    MostIsGood,
    /// One chunk: the user accepts that the rest is written over.
    AnyIsGood,
}

/// How much of a file is the artifact's, in chunks. Zeros in the file or in the artifact are no evidence: all files
/// have holes in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Similarity {
    /// Chunks that are the artifact's.
    pub good: u64,
    /// Chunks that hold data and are not the artifact's, data behind its end among them: a repair would lose them.
    pub other: u64,
    /// Chunks in which the file or the artifact has data.
    pub total: u64,
    /// Bytes behind the artifact's end, if one of them is not zero: a repair would cut them off.
    pub cut_bytes: u64,
}

impl Similarity {
    /// Compares `file` with all `leaves`. `good`: the chunks found to be right, in order.
    pub(super) fn of<F: DiskFile>(
        layout: &Layout,
        file: &F,
        leaves: &[(u32, Digest)],
        good: &[u32],
    ) -> io::Result<Self> {
        let end = file.stat()?.byte_count;
        let zeros = |index| minimodel_verifier::sha256(&vec![0; layout.chunk_len(index) as usize]);
        let last = layout.count().saturating_sub(1);
        let (full_zeros, last_zeros) = (zeros(0), zeros(last));
        pool::start();
        let chunks: io::Result<Vec<Self>> = leaves
            .par_iter()
            .map(|(index, leaf)| {
                let from = layout.offset(*index);
                let to = (from + u64::from(layout.chunk_len(*index))).min(end);
                let is_good = good.binary_search(index).is_ok();
                let is_other = !is_good && from < to && !is_zero(file, from, to)?;
                let has_data = *leaf != if *index == last { last_zeros } else { full_zeros };
                Ok(Self {
                    good: u64::from(is_good && has_data),
                    other: u64::from(is_other),
                    total: u64::from(is_other || has_data),
                    cut_bytes: 0,
                })
            })
            .collect();
        let is_longer = end > layout.byte_count() && !is_zero(file, layout.byte_count(), end)?;
        let cut_bytes = if is_longer { end - layout.byte_count() } else { 0 };
        let behind = cut_bytes.div_ceil(u64::from(layout.chunk_size()));
        let none = Self { good: 0, other: behind, total: behind, cut_bytes };
        Ok(chunks?.into_iter().fold(none, |sum, chunk| Self {
            cut_bytes: sum.cut_bytes,
            good: sum.good + chunk.good,
            other: sum.other + chunk.other,
            total: sum.total + chunk.total,
        }))
    }

    /// Whether at least half of the chunks are the artifact's.
    pub fn is_most(&self) -> bool {
        self.good.saturating_mul(2) >= self.total
    }

    /// True if the file may be written to; always if no data would be lost.
    pub fn permits(&self, condition: RepairIf) -> bool {
        let is_sure = self.is_most() && self.cut_bytes == 0;
        self.other == 0 || self.good > 0 && (is_sure || condition == RepairIf::AnyIsGood)
    }
}

/// Counts the recorded chunks that hold other data. Left out are the `good` ones (in order), and what a power loss
/// leaves of a chunk: a record may reach the disk before the data it names, and then whole sectors of that data are
/// zeros, or behind the file's end.
pub(super) fn other_chunks<F: DiskFile>(
    layout: &Layout,
    file: &F,
    recorded: &[(u32, Digest)],
    good: &[u32],
) -> io::Result<usize> {
    let end = file.stat()?.byte_count;
    pool::start();
    let verdicts: io::Result<Vec<bool>> = recorded
        .par_iter()
        .filter(|(index, _)| good.binary_search(index).is_err())
        .map(|(index, _)| {
            let from = layout.offset(*index);
            let to = from + u64::from(layout.chunk_len(*index));
            Ok(to <= end && !has_zero_sector(file, from, to)?)
        })
        .collect();
    Ok(verdicts?.into_iter().filter(|&is_other| is_other).count())
}

/// Counts the chunks that no record names and whose place holds data: its first or last page is not all zeros. A fetch that was
/// killed leaves few of them, another file that has chunks in common with the artifact many.
pub(super) fn unrecorded_data<F: DiskFile>(
    layout: &Layout,
    file: &F,
    recorded: &[(u32, Digest)],
) -> io::Result<usize> {
    const PAGE: u64 = 4_096;
    let end = file.stat()?.byte_count;
    pool::start();
    let verdicts: io::Result<Vec<bool>> = (0..layout.count())
        .into_par_iter()
        .filter(|index| recorded.binary_search_by_key(index, |(index, _)| *index).is_err())
        .map(|index| {
            let from = layout.offset(index);
            let to = (from + u64::from(layout.chunk_len(index))).min(end);
            let first = (from + PAGE).min(to);
            let last = to.saturating_sub(PAGE).max(first);
            Ok(from < to && !(is_zero(file, from, first)? && is_zero(file, last, to)?))
        })
        .collect();
    Ok(verdicts?.into_iter().filter(|&has_data| has_data).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: H8
    #[test]
    fn most_of_a_file_is_right_or_nothing_in_it_is_lost() {
        let permits = |good, other, total| {
            let similarity = Similarity { good, other, total, cut_bytes: 0 };
            (similarity.permits(RepairIf::MostIsGood), similarity.permits(RepairIf::AnyIsGood))
        };
        assert_eq!(permits(1, 1, 128), (false, true), "the rest of it is holes");
        assert_eq!(permits(63, 65, 128), (false, true));
        assert_eq!(permits(64, 64, 128), (true, true));
        assert_eq!(permits(3, 0, 128), (true, true), "a file that was cut off");
        assert_eq!(permits(0, 0, 128), (true, true), "nothing but zeros");
        assert_eq!(permits(0, 1, 128), (false, false));
        let longer = Similarity { good: 128, other: 1, total: 129, cut_bytes: 1 };
        assert!(longer.is_most() && !longer.permits(RepairIf::MostIsGood));
        assert!(longer.permits(RepairIf::AnyIsGood));
    }
}
