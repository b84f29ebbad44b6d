//! OFFER arguments: the text itself or a file that holds it, signature checked.

use minimodel::clock::now_unix;
use minimodel::transfer::check_offer;
use minimodel_wire::{OfferError, SignedOffer, limits::MAX_OFFER_TEXT_LEN};

use crate::args::OfferArg;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;

/// Reads an offer and checks its signature. The code that uses the offer checks its expiry
/// ([`SignedOffer::check_fresh`]).
pub(crate) fn read(argument: &OfferArg) -> Result<SignedOffer, Failure> {
    match argument {
        OfferArg::Text(text) => {
            parse(text).map_err(|error| invalid(&format!("the offer `{}`", escape::shown(text)), &error))
        }
        OfferArg::File(path) => {
            // Room for a line end of two bytes.
            let bytes = input::read_small("offer", path, MAX_OFFER_TEXT_LEN + 2)?;
            let named = || format!("the offer in `{}`", escape::path(path));
            let text = std::str::from_utf8(&bytes).map_err(|_| invalid(&named(), &OfferError::Prefix))?;
            parse(text).map_err(|error| invalid(&named(), &error))
        }
    }
}

/// Reads an offer and checks its signature and its expiry.
pub(crate) fn fresh(argument: &OfferArg) -> Result<SignedOffer, Failure> {
    let signed = read(argument)?;
    check_offer(&signed, None, now_unix())?;
    Ok(signed)
}

/// Parses the text of an offer, with or without a line end, as a file or a clipboard holds it.
pub(crate) fn parse(text: &str) -> Result<SignedOffer, OfferError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text).parse()
}

fn invalid(named: &str, error: &OfferError) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{named} is not valid"),
        "ask for the offer again and pass it whole: one word that begins with mm1, or the file that holds it",
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};

    use super::*;

    fn text() -> String {
        let key = SigningKey::from_bytes(&[7; 32]);
        let offer = Offer {
            peer: PeerId(key.verifying_key().to_bytes()),
            swarm_id: [1; 32],
            addresses: vec!["127.0.0.1:4000".parse().unwrap()],
            expires_unix: 2_000_000_000,
        };
        SignedOffer::sign(offer, &key).unwrap().to_string()
    }

    #[test]
    fn text_and_file_give_the_same_offer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.offer");
        std::fs::write(&path, format!("{}\r\n", text())).unwrap();
        let from_file = read(&OfferArg::File(path)).unwrap();
        assert_eq!(from_file, read(&OfferArg::Text(text())).unwrap());
    }

    // Rows: C4, D8
    #[test]
    fn what_is_no_offer_is_exit_10_and_shown_harmless() {
        for bad in ["mm1", "mm1\u{1b}[2J", &text()[..40], &format!("{}a", text()), &"mm1a".repeat(5_000)] {
            let failure = read(&OfferArg::Text(bad.into())).unwrap_err();
            assert_eq!(failure.class, Exit::Invalid);
            assert!(!failure.error.contains('\u{1b}') && failure.error.len() < 300, "{}", failure.error);
        }
    }
}
