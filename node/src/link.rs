//! Links: what is to be fetched and where, in one line that a chat or a web page can hold.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use minimodel_verifier::digest::{hex, parse_hex};
use minimodel_wire::{OfferError, SignedOffer};

/// What every link begins with.
pub const LINK_PREFIX: &str = "minimodel:?";
/// Longest link, in bytes.
pub const MAX_LINK_BYTES: usize = 16 << 10;
/// Most offers in a link.
pub const MAX_LINK_OFFERS: usize = 16;
/// Longest name in a link, in bytes of UTF-8.
pub const MAX_LINK_NAME_BYTES: usize = 200;

/// A swarm, and offers of some of its members: `minimodel:?s=SWARM&n=NAME&o=mm1...&o=mm1...`.
///
/// Everything that counts is in the offers, which their peers have signed. The name is a claim of whoever made the link: a
/// program shows it as one until it has the manifest.
///
/// ```
/// use minimodel::Link;
///
/// # let key = minimodel_fixtures::fixture_signing_key();
/// # let peer = minimodel::PeerId(key.verifying_key().to_bytes());
/// # let addresses = vec!["203.0.113.7:4433".parse()?];
/// # let offer = minimodel::Offer { peer, swarm_id: [7; 32], addresses, expires_unix: 2_000_000_000 };
/// # let offer = minimodel::SignedOffer::sign(offer, &key)?;
/// let link = Link::new(vec![offer], Some("tiny model 1.0"))?;
/// let text = link.to_string();
/// assert!(text.starts_with("minimodel:?s=0707") && text.contains("&n=tiny%20model%201.0&o=mm1"));
/// assert_eq!(text.parse::<Link>()?, link);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    swarm_id: [u8; 32],
    name: Option<String>,
    offers: Vec<SignedOffer>,
}

/// Why a text is no link.
///
/// ```
/// use minimodel::{Link, LinkError};
///
/// assert_eq!("https://example.org/model".parse::<Link>(), Err(LinkError::Prefix));
/// assert_eq!("minimodel:?n=x".parse::<Link>(), Err(LinkError::Swarm));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It begins in another way.
    #[error("a link begins with {LINK_PREFIX}")]
    Prefix,
    /// It is longer than any link.
    #[error("link of {bytes} bytes > {MAX_LINK_BYTES}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// There is no swarm id `s`, or it is not 64 lowercase hex digits.
    #[error("the link names no swarm: `s` is 64 lowercase hex digits")]
    Swarm,
    /// A part that stands once at most stands there again.
    #[error("the link has `{0}` twice")]
    Twice(&'static str),
    /// The name is too long, or no text without control characters.
    #[error("the name in the link is more than {MAX_LINK_NAME_BYTES} bytes, or no plain text")]
    Name,
    /// No offer, or too many.
    #[error("link with {count} offers, expected 1 to {MAX_LINK_OFFERS}")]
    Offers {
        /// How many.
        count: usize,
    },
    /// An offer is not valid.
    #[error("offer {number} of the link: {fault}")]
    Offer {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: OfferError,
    },
    /// An offer is for another swarm than the link.
    #[error("offer {number} of the link is for another swarm")]
    OtherSwarm {
        /// Counted from 1.
        number: usize,
    },
}

impl Link {
    /// A link to what these offers are for.
    ///
    /// # Errors
    ///
    /// The name is too long or has control characters, there are no offers or too many, or they are for different swarms.
    pub fn new(offers: Vec<SignedOffer>, name: Option<&str>) -> Result<Self, LinkError> {
        let count = offers.len();
        let first = offers.first().filter(|_| count <= MAX_LINK_OFFERS);
        let swarm_id = first.ok_or(LinkError::Offers { count })?.offer().swarm_id;
        let link = Self { swarm_id, name: name.map(str::to_owned), offers };
        link.check()?;
        Ok(link)
    }

    fn check(&self) -> Result<(), LinkError> {
        let is_plain =
            |name: &String| name.len() <= MAX_LINK_NAME_BYTES && !name.chars().any(char::is_control);
        if !self.name.iter().all(is_plain) {
            return Err(LinkError::Name);
        }
        let foreign = self.offers.iter().position(|offer| offer.offer().swarm_id != self.swarm_id);
        foreign.map_or(Ok(()), |at| Err(LinkError::OtherSwarm { number: at + 1 }))
    }

    /// The swarm.
    pub fn swarm_id(&self) -> &[u8; 32] {
        &self.swarm_id
    }

    /// What the link calls it: a claim, and text from outside.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The offers, 1 to [`MAX_LINK_OFFERS`]. Their signatures hold; whether they have expired is not checked.
    pub fn offers(&self) -> &[SignedOffer] {
        &self.offers
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINK_PREFIX}s={}", hex(&self.swarm_id))?;
        if let Some(name) = &self.name {
            f.write_str("&n=")?;
            for byte in name.bytes() {
                // The unreserved characters of RFC 3986 section 2.3.
                let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if is_plain {
                    f.write_char(byte.into())?;
                } else {
                    write!(f, "%{byte:02X}")?;
                }
            }
        }
        self.offers.iter().try_for_each(|offer| write!(f, "&o={offer}"))
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let parts = text.strip_prefix(LINK_PREFIX).ok_or(LinkError::Prefix)?;
        if text.len() > MAX_LINK_BYTES {
            return Err(LinkError::TooLong { bytes: text.len() });
        }
        let (mut swarm, mut name, mut offers) = (None, None, Vec::new());
        // A part of another name is for a later version, and left out.
        for (key, value) in parts.split('&').filter_map(|part| part.split_once('=')) {
            match key {
                "s" => once(&mut swarm, "s", parse_hex(value).ok_or(LinkError::Swarm)?)?,
                "n" => once(&mut name, "n", unescaped(value).ok_or(LinkError::Name)?)?,
                "o" => offers.push(value),
                _ => {}
            }
        }
        let swarm_id = swarm.ok_or(LinkError::Swarm)?;
        let count = offers.len();
        if !(1..=MAX_LINK_OFFERS).contains(&count) {
            return Err(LinkError::Offers { count });
        }
        let read = |(at, text): (usize, &str)| {
            text.parse().map_err(|fault| LinkError::Offer { number: at + 1, fault })
        };
        let offers = offers.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let link = Self { swarm_id, name, offers };
        link.check()?;
        Ok(link)
    }
}

fn once<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), LinkError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(LinkError::Twice(key)),
    }
}

/// Decodes percent-encoded UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};
    use proptest::prelude::*;

    use super::*;

    fn offer(n: u8, swarm: u8) -> SignedOffer {
        let key = SigningKey::from_bytes(&[n; 32]);
        let peer = PeerId(key.verifying_key().to_bytes());
        let addresses = vec![([203, 0, 113, n], 4433).into()];
        let offer = Offer { peer, swarm_id: [swarm; 32], addresses, expires_unix: 2_000_000_000 };
        SignedOffer::sign(offer, &key).unwrap()
    }

    #[test]
    fn what_is_no_link_is_named() {
        let (s, o) = ("07".repeat(32), offer(1, 7).to_string());
        let fault = |text: String| format!("{LINK_PREFIX}{text}").parse::<Link>().unwrap_err();
        assert_eq!("MINIMODEL:?s=".parse::<Link>(), Err(LinkError::Prefix));
        assert_eq!(fault(format!("o={o}")), LinkError::Swarm);
        for swarm in ["", "07", &s.to_uppercase().replace('0', "A"), &format!("{s}0")] {
            assert_eq!(fault(format!("s={swarm}&o={o}")), LinkError::Swarm, "{swarm}");
        }
        assert_eq!(fault(format!("s={s}&s={s}&o={o}")), LinkError::Twice("s"));
        assert_eq!(fault(format!("s={s}&n=a&n=a&o={o}")), LinkError::Twice("n"));
        for name in ["%", "%2", "%zz", "%ff", "a%00b", "%1B%5B2J", &"a".repeat(201)] {
            assert_eq!(fault(format!("s={s}&n={name}&o={o}")), LinkError::Name, "{name}");
        }
        assert_eq!(fault(format!("s={s}")), LinkError::Offers { count: 0 });
        let many = format!("&o={o}").repeat(17);
        assert_eq!(fault(format!("s={s}{many}")), LinkError::Offers { count: 17 });
        assert!(matches!(fault(format!("s={s}&o={o}&o=mm1")), LinkError::Offer { number: 2, .. }));
        let other = offer(2, 8);
        assert_eq!(fault(format!("s={s}&o={o}&o={other}")), LinkError::OtherSwarm { number: 2 });
        let long = format!("s={s}&o={o}&x={}", "a".repeat(MAX_LINK_BYTES));
        assert!(matches!(fault(long), LinkError::TooLong { .. }));
        assert_eq!(Link::new(vec![offer(1, 7), other], None), Err(LinkError::OtherSwarm { number: 2 }));
        assert_eq!(Link::new(Vec::new(), None), Err(LinkError::Offers { count: 0 }));
        assert_eq!(Link::new(vec![offer(1, 7)], Some("a\nb")), Err(LinkError::Name));
    }

    #[test]
    fn parts_of_a_later_version_are_left_out() {
        let link = Link::new(vec![offer(1, 7), offer(2, 7)], None).unwrap();
        let text = link.to_string().replace("&o=", "&later=1&flag&o=");
        assert_eq!(text.parse(), Ok(link));
    }

    proptest! {
        #[test]
        fn links_survive_the_round_trip(name in prop::option::of("\\PC{0,50}"), count in 1_u8..=16) {
            let offers = (1..=count).map(|n| offer(n, 7)).collect();
            let link = Link::new(offers, name.as_deref());
            prop_assume!(link.is_ok());
            let link = link.unwrap();
            let text = link.to_string();
            prop_assert!(text.len() <= MAX_LINK_BYTES && text.is_ascii() && !text.contains(char::is_whitespace));
            prop_assert_eq!(text.parse(), Ok(link));
        }

        #[test]
        fn any_text_is_a_link_or_named(text in "minimodel:\\?[snox=&%0-9a-f]{0,80}") {
            let _ = text.parse::<Link>();
        }
    }
}
