//! Values with a spelling of their own.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use crate::size::{UnitError, parse_size};

/// Prefix of the text of every offer.
const OFFER_PREFIX: &str = "mm1";
/// Prefix of every link.
const LINK_SCHEME: &str = "minimodel:";

/// `--evidence KIND=ROUTE[,sha256:HEX]`. Kind and route are checked with the manifest's own rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvidenceArg {
    pub(crate) kind: String,
    pub(crate) route: String,
    /// In the manifest's spelling, `sha256:` and 64 uppercase hex digits.
    pub(crate) sha256: Option<String>,
}

/// An invalid `--evidence`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write KIND=ROUTE or KIND=ROUTE,sha256:HEX, as in eval-report=https://example.org/report")]
pub(crate) struct EvidenceSyntax;

impl FromStr for EvidenceArg {
    type Err = EvidenceSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once('=').ok_or(EvidenceSyntax)?;
        // A route holds no comma, so the first one ends it.
        let (route, sha256) = match rest.split_once(',') {
            Some((route, sha256)) if sha256.starts_with("sha256:") => (route, Some(sha256.to_owned())),
            Some(_) => return Err(EvidenceSyntax),
            None => (rest, None),
        };
        if kind.is_empty() || route.is_empty() {
            return Err(EvidenceSyntax);
        }
        Ok(Self { kind: kind.to_owned(), route: route.to_owned(), sha256 })
    }
}

/// `--dht-node HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DhtNode(String);

/// An invalid `--dht-node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write HOST:PORT, as in router.example.org:6881")]
pub(crate) struct DhtNodeSyntax;

impl FromStr for DhtNode {
    type Err = DhtNodeSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(DhtNodeSyntax)?;
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
        let has_port = port.parse::<u16>().is_ok_and(|port| port != 0);
        if is_host && has_port { Ok(Self(text.to_owned())) } else { Err(DhtNodeSyntax) }
    }
}

impl fmt::Display for DhtNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `--label TEXT` of the daemon: one line, as you wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label(String);

/// An invalid `--label`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 1 to 80 characters without control characters")]
pub(crate) struct LabelSyntax;

impl FromStr for Label {
    type Err = LabelSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fit = (1..=80).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if is_fit { Ok(Self(text.to_owned())) } else { Err(LabelSyntax) }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `--chunk-size auto|SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkSizeArg {
    /// Chosen by the size of the file.
    Auto,
    /// Bytes; checked against the manifest's rule later.
    Bytes(u64),
}

impl FromStr for ChunkSizeArg {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" { Ok(Self::Auto) } else { parse_size(text).map(Self::Bytes) }
    }
}

/// An OFFER argument: the text itself, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OfferArg {
    /// Begins with `mm1`.
    Text(String),
    /// Begins with `minimodel:`: a link, with one offer or more.
    Link(String),
    /// Anything else: a file with an offer or a list of them, or `-` for stdin. Write `./mm1...` for a file
    /// whose name begins with `mm1`.
    File(PathBuf),
}

impl OfferArg {
    /// Whether it is `-`.
    pub(crate) fn is_stdin(&self) -> bool {
        matches!(self, Self::File(path) if path.as_os_str() == "-")
    }
}

impl FromStr for OfferArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.starts_with(OFFER_PREFIX) {
            Self::Text(text.to_owned())
        } else if text.starts_with(LINK_SCHEME) {
            Self::Link(text.to_owned())
        } else {
            Self::File(PathBuf::from(text))
        })
    }
}

/// `--acquisition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AcquisitionChoice {
    /// Users have the file already
    UserLocalFile,
    /// Users download the file elsewhere
    UserExternalDownload,
    /// Users get the file from consenting peers
    ConsentPeerTransfer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_line_of_at_most_80_characters() {
        for good in ["x", "gpu box: ä, 模型", &"é".repeat(80)] {
            assert_eq!(good.parse::<Label>().unwrap().to_string(), good);
        }
        for bad in ["", "two\nlines", "\u{1b}[2J", "\u{9b}", &"x".repeat(81)] {
            assert_eq!(bad.parse::<Label>(), Err(LabelSyntax), "{bad:?}");
        }
    }

    #[test]
    fn evidence_is_kind_route_and_perhaps_a_sum() {
        let plain: EvidenceArg = "eval=https://example.org/r".parse().unwrap();
        assert_eq!((plain.kind.as_str(), plain.route.as_str()), ("eval", "https://example.org/r"));
        assert_eq!(plain.sha256, None);
        let sum = format!("sha256:{}", "AB".repeat(32));
        let summed: EvidenceArg = format!("eval=/r,{sum}").parse().unwrap();
        assert_eq!(summed.sha256, Some(sum));
        for text in ["", "eval", "=r", "eval=", "eval=,sha256:00", "eval=/r,md5:00", "eval=/r,"] {
            assert_eq!(text.parse::<EvidenceArg>(), Err(EvidenceSyntax), "{text:?}");
        }
    }

    #[test]
    fn a_chunk_size_is_auto_or_a_size() {
        assert_eq!("auto".parse(), Ok(ChunkSizeArg::Auto));
        assert_eq!("64KiB".parse(), Ok(ChunkSizeArg::Bytes(65_536)));
        assert_eq!("Auto".parse::<ChunkSizeArg>(), Err(UnitError::Size));
    }

    #[test]
    fn an_offer_is_text_or_file_by_its_first_letters() {
        assert_eq!("mm1abc".parse(), Ok(OfferArg::Text("mm1abc".into())));
        assert_eq!("./mm1abc".parse(), Ok(OfferArg::File("./mm1abc".into())));
        assert_eq!("minimodel:?s=1".parse(), Ok(OfferArg::Link("minimodel:?s=1".into())));
        assert_eq!("minimodel.offer".parse(), Ok(OfferArg::File("minimodel.offer".into())));
        assert_eq!("-".parse(), Ok(OfferArg::File("-".into())));
        assert_eq!("a.offer".parse(), Ok(OfferArg::File("a.offer".into())));
    }
}
