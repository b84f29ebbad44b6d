//! OFFER arguments: the text of an offer, a link, or a file or stdin with one offer or a list of them. Signatures are checked.

use std::io::Read as _;

use minimodel::clock::now_unix;
use minimodel::transfer::check_offer;
use minimodel::{Link, LinkError};
use minimodel_wire::{OfferError, SignedOffer};

use crate::args::OfferArg;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;

/// Longest list of offers, in bytes, and most offers in it: as many as a companion takes for one fetch.
const MAX_LIST_BYTES: usize = 64 << 10;
const MAX_LIST_OFFERS: usize = 64;
/// Reads the offers and checks their signatures, at least one. The code that uses them checks their expiry
/// ([`SignedOffer::check_fresh`]).
pub(crate) fn read(argument: &OfferArg) -> Result<Vec<SignedOffer>, Failure> {
    match argument {
        OfferArg::Text(text) => {
            let offer =
                parse(text).map_err(|error| invalid(&format!("the offer `{}`", escape::shown(text)), &error));
            Ok(vec![offer?])
        }
        OfferArg::Link(text) => {
            let link: Link = text.trim_end().parse().map_err(|error| bad_link(text, &error))?;
            Ok(link.offers().to_vec())
        }
        OfferArg::File(path) if argument.is_stdin() => {
            let mut bytes = Vec::new();
            let most = MAX_LIST_BYTES as u64 + 1;
            let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
            read.map_err(|error| Failure::reading("offers", path, &error))?;
            list(&bytes, "the offers on stdin")
        }
        OfferArg::File(path) => {
            let bytes = input::read_small("offer", path, MAX_LIST_BYTES)?;
            list(&bytes, &format!("the offer in `{}`", escape::path(path)))
        }
    }
}

/// Reads the offers, and checks their signatures and that they hold now. Of several offers those that have ended are left out
/// with a warning, as long as one holds.
pub(crate) fn fresh(argument: &OfferArg, printer: &Printer) -> Result<Vec<SignedOffer>, Failure> {
    let all = read(argument)?;
    let (mut good, mut ended) = (Vec::new(), None);
    for offer in all {
        match check_offer(&offer, None, now_unix()) {
            Ok(()) => good.push(offer),
            Err(error) => {
                if let Some((_, count)) = &mut ended {
                    *count += 1;
                } else {
                    ended = Some((error, 1_usize));
                }
            }
        }
    }
    if let Some((error, count)) = ended {
        if good.is_empty() {
            return Err(error.into());
        }
        printer.warning(&match count {
            1 => "1 of the offers does not hold now, and is left out".to_owned(),
            count => format!("{count} of the offers do not hold now, and are left out"),
        });
    }
    Ok(good)
}

/// Parses the text of an offer, with or without a line end, as a file or a clipboard holds it.
pub(crate) fn parse(text: &str) -> Result<SignedOffer, OfferError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text).parse()
}

/// Reads one line of a list: an offer, a link, or nothing.
pub(crate) fn of_line(line: &[u8]) -> Result<Vec<SignedOffer>, Failure> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(Vec::new());
    }
    list(line, "the offer on stdin")
}

/// Reads offers and links, one a line; empty lines and those that begin with `#` are left out.
fn list(bytes: &[u8], named: &str) -> Result<Vec<SignedOffer>, Failure> {
    if bytes.len() > MAX_LIST_BYTES {
        return Err(invalid(named, &format!("a list of more than {MAX_LIST_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| invalid(named, &OfferError::Prefix))?;
    let mut offers = Vec::new();
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let in_line = |cause: &dyn std::fmt::Display| invalid(named, &format!("line {number}: {cause}"));
        if line.starts_with(minimodel::link::LINK_PREFIX) {
            let link: Link = line.parse().map_err(|error: LinkError| in_line(&error))?;
            offers.extend_from_slice(link.offers());
        } else {
            offers.push(line.parse().map_err(|error: OfferError| in_line(&error))?);
        }
    }
    match offers.len() {
        0 => Err(invalid(named, &OfferError::Prefix)),
        1..=MAX_LIST_OFFERS => Ok(offers),
        count => Err(invalid(named, &format!("a list of {count} offers; {MAX_LIST_OFFERS} is the most"))),
    }
}

/// What a link calls the model: a claim of whoever made the link.
pub(crate) fn claimed_name(argument: &OfferArg) -> Option<String> {
    let OfferArg::Link(text) = argument else { return None };
    text.trim_end().parse::<Link>().ok()?.name().map(str::to_owned)
}

fn bad_link(text: &str, error: &LinkError) -> Failure {
    let shown: String = text.chars().take(80).collect();
    let hint = "ask for the link again and pass it whole, in quotes: one word that begins with minimodel:?s=";
    Failure::new(Exit::Invalid, format!("the link `{}` is not valid", escape::shown(&shown)), hint)
        .because(error)
}

fn invalid(named: &str, error: &impl ToString) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{named} is not valid"),
        "ask for the offer again and pass it whole: one word that begins with mm1, or the file that holds it",
    )
    .because(error.to_string())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};

    use super::*;

    fn offer(n: u8, expires_unix: u64) -> SignedOffer {
        let key = SigningKey::from_bytes(&[n; 32]);
        let offer = Offer {
            peer: PeerId(key.verifying_key().to_bytes()),
            swarm_id: [1; 32],
            addresses: vec!["127.0.0.1:4000".parse().unwrap()],
            expires_unix,
        };
        SignedOffer::sign(offer, &key).unwrap()
    }

    fn text() -> String {
        offer(7, 2_000_000_000).to_string()
    }

    fn file(text: impl AsRef<[u8]>) -> Result<Vec<SignedOffer>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.offer");
        std::fs::write(&path, text).unwrap();
        read(&OfferArg::File(path))
    }

    #[test]
    fn text_link_and_file_give_the_same_offer() {
        let from_text = read(&OfferArg::Text(text())).unwrap();
        assert_eq!(file(format!("{}\r\n", text())).unwrap(), from_text);
        let link = Link::new(from_text.clone(), Some("m")).unwrap().to_string();
        assert_eq!(read(&OfferArg::Link(link.clone())).unwrap(), from_text);
        assert_eq!(file(link).unwrap(), from_text);
    }

    #[test]
    fn a_list_has_an_offer_a_line_and_remarks() {
        let (one, two) = (offer(1, 2_000_000_000), offer(2, 2_000_000_000));
        let listed = file(format!("# members of the swarm\n\n  {one}\r\n# and\n{two}\n")).unwrap();
        assert_eq!(listed, [one.clone(), two]);
        for (bad, cause) in [
            (format!("{one}\n# x\nmm1a\n"), "line 3: "),
            ("# nothing\n".to_owned(), "mm1"),
            (String::new(), "mm1"),
            ("#".repeat(70_000), "more than"),
        ] {
            let failure = file(bad).unwrap_err();
            assert_eq!(failure.class, Exit::Invalid);
            let said = format!("{:?} {}", failure.cause, failure.error);
            assert!(said.contains(cause), "{said}");
        }
    }

    #[test]
    fn offers_that_ended_are_left_out_as_long_as_one_holds() {
        let soon = now_unix() + 3_600;
        let (good, ended) = (offer(1, soon), offer(2, 1_000));
        let fresh = |offers: &[&SignedOffer]| {
            let offers = offers.iter().map(|&offer| offer.clone()).collect();
            let link = Link::new(offers, None).unwrap().to_string();
            fresh(&OfferArg::Link(link), &Printer::mute())
        };
        assert_eq!(fresh(&[&ended, &good]).unwrap(), [good]);
        assert_eq!(fresh(&[&ended]).unwrap_err().class, Exit::Invalid);
    }

    // Rows: C4, D8
    #[test]
    fn what_is_no_offer_is_exit_10_and_shown_harmless() {
        for bad in ["mm1", "mm1\u{1b}[2J", &text()[..40], &format!("{}a", text()), &"mm1a".repeat(5_000)] {
            let failure = read(&OfferArg::Text(bad.into())).unwrap_err();
            assert_eq!(failure.class, Exit::Invalid);
            assert!(!failure.error.contains('\u{1b}') && failure.error.len() < 300, "{}", failure.error);
        }
        for bad in ["minimodel:", "minimodel:?s=\u{1b}[2J", &format!("minimodel:?{}", "x".repeat(50_000))] {
            let failure = read(&OfferArg::Link(bad.into())).unwrap_err();
            assert_eq!(failure.class, Exit::Invalid);
            assert!(!failure.error.contains('\u{1b}') && failure.error.len() < 300, "{}", failure.error);
        }
    }
}
