//! Offers of expected peers, typed or piped in while a share runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::transfer::{Control, StartError, check_offer};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use crate::failure::Failure;
use crate::offer_argument;
use crate::printer::Printer;

/// Longest line, in bytes; a link with some offers is shorter.
const MAX_LINE: u64 = 16 << 10;

/// Peers that a share expects at once.
const MOST: usize = 16;

/// Reads offers from stdin, a line each, until it ends, and has the share expect their peers.
pub(super) fn from_stdin(
    printer: Arc<Printer>,
    control: Control,
    manifest: Arc<Manifest>,
) -> Result<(), Failure> {
    let read = move || {
        let mut stdin = BufReader::new(std::io::stdin());
        let mut line = Vec::new();
        while matches!(stdin.by_ref().take(MAX_LINE).read_until(b'\n', &mut line), Ok(count) if count > 0) {
            match offer_argument::of_line(&line).and_then(|offers| checked(offers, &manifest)) {
                Ok(offers) => offers.into_iter().for_each(|offer| expect(&printer, &control, offer)),
                Err(failure) => printer.warning(&failure.error),
            }
            line.clear();
        }
    };
    let reader = std::thread::Builder::new().name("expect".to_owned()).spawn(read);
    reader.map(drop).map_err(|error| StartError::Resources(error).into())
}

fn checked(offers: Vec<SignedOffer>, manifest: &Manifest) -> Result<Vec<SignedOffer>, Failure> {
    for offer in &offers {
        check_offer(offer, Some(manifest), now_unix())?;
    }
    Ok(offers)
}

fn expect(printer: &Printer, control: &Control, offer: SignedOffer) {
    let peer = offer.offer().peer;
    printer.note(format!("expecting peer {}", peer.short()));
    let mut controls = control.controls();
    // The newest ones count, where there are more than a share expects.
    controls.expected.retain(|known| known.offer().peer != peer);
    controls.expected.insert(0, offer);
    controls.expected.truncate(MOST);
    controls.expected_named += 1;
    control.set_controls(controls);
}
