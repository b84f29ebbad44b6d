//! The import receipt.

use minimodel_verifier::digest::tagged;
use minimodel_verifier::receipt::Receipt;
use minimodel_verifier::sha256;

/// The data is the text of a receipt; it is read as it is, and once more with its sum corrected, since no fuzzer finds a
/// SHA-256.
///
/// # Panics
/// When a receipt has a second spelling, a wrong sum is accepted, or an error message could control a terminal.
pub fn receipt(data: &[u8]) {
    read(data);
    let end = find(data, b"receipt.sha256=").unwrap_or(data.len());
    let covered = &data[..end];
    let sealed = [covered, b"receipt.sha256=", tagged(&sha256(covered)).as_bytes(), b"\n"].concat();
    if sealed != data {
        read(&sealed);
    }
}

fn read(text: &[u8]) {
    match Receipt::parse(text) {
        Ok(receipt) => {
            assert_eq!(receipt.render().as_bytes(), text, "one spelling");
            let mut changed = text.to_vec();
            changed[text.len() / 2] ^= 1;
            assert!(Receipt::parse(&changed).is_err(), "the sum covers every byte");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{told:?}");
            assert!(told.len() < 2_000, "{} bytes", told.len());
        }
    }
}

/// Where `word` stands at the beginning of a line.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let at_line = |&at: &usize| at == 0 || text[at - 1] == b'\n';
    (0..text.len()).filter(|&at| text[at..].starts_with(word)).find(at_line)
}
