//! The `.slm` verifier.

use std::sync::LazyLock;

use minimodel_fixtures::{bad_slm, slm_vec, valid_slm};
use minimodel_verifier::slm::{Scan, SlmOutcome};

use crate::source::Source;

/// The first byte chooses: any bytes as a file, any bytes of a file said to be longer, or a valid file with bytes
/// replaced. The second chooses the pieces.
///
/// # Panics
/// When pieces change the outcome, a report disagrees with its errors, or an unchanged file is refused.
pub fn slm(data: &[u8]) {
    let mut source = Source::new(data);
    let (mode, piece) = (source.byte(), 1 + 16 * usize::from(source.byte()));
    match mode % 4 {
        0 => {
            let file = source.rest();
            judge(file, file.len() as u64, piece);
        }
        1 => {
            let byte_count = source.u64();
            judge(source.rest(), byte_count, piece);
        }
        _ => patched(&mut source, piece),
    }
}

/// Valid files of every kind, and bad files of every fault, of at most 6,000 bytes each.
static FILES: LazyLock<Vec<(bool, Vec<u8>)>> = LazyLock::new(|| {
    let valid = valid_slm().into_iter().map(|(_, shape)| (true, slm_vec(&shape, 1)));
    let bad = bad_slm().into_iter().map(|bad| (false, bad.bytes));
    valid.chain(bad).filter(|(_, bytes)| bytes.len() <= 6_000).collect()
});

fn patched(source: &mut Source<'_>, piece: usize) {
    let (is_valid, original) = &FILES[usize::from(source.byte()) % FILES.len()];
    let mut file = original.clone();
    while !source.is_empty() {
        let (place, value) = (usize::from(source.u16()), source.byte());
        match place & 0xf000 {
            0xf000 => file.truncate(place & 0xfff),
            0xe000 => file.extend_from_slice(&[value; 16]),
            _ => {
                // Half of the changes hit the head of the file, where its numbers are.
                let place = if place & 0x800 == 0 { place & 0xff } else { place };
                if let Some(byte) = file.get_mut(place) {
                    *byte = value;
                }
            }
        }
    }
    let outcome = judge(&file, file.len() as u64, piece);
    if *is_valid && file == *original {
        assert!(outcome.report.ok(), "{:?}", outcome.errors);
    }
}

fn judge(file: &[u8], byte_count: u64, piece: usize) -> SlmOutcome {
    let scan = |piece: usize| {
        let mut scan = Scan::new(byte_count);
        file.chunks(piece).for_each(|bytes| scan.push(bytes));
        scan.finish()
    };
    let outcome = scan(file.len().max(1));
    assert_eq!(outcome.report.ok(), outcome.errors.is_empty());
    assert!(outcome.errors.iter().all(|error| !error.to_string().is_empty()));
    assert!(!outcome.report.ok() || (outcome.facts.is_some() && byte_count == file.len() as u64));
    assert_eq!(scan(piece), outcome, "in pieces of {piece}");
    outcome
}
