//! What a command line says of publishers and their keys.

use clap::{Args, Subcommand};
use minimodel::publishers::{PublisherKey, Signer, SignerDemand};

/// What is demanded and accepted of the key that signed a manifest.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PublisherOptions {
    /// The manifest must be signed by this key, whatever is known of its publisher
    #[arg(long, value_name = "KEY")]
    pub(crate) publisher_key: Option<PublisherKey>,
    /// Accept that this key signed, or `unsigned`, although other keys of the publisher are known
    #[arg(long, value_name = "KEY")]
    pub(crate) accept_publisher_key: Option<Signer>,
}

impl PublisherOptions {
    /// The same, for the library.
    pub(crate) fn demand(&self) -> SignerDemand {
        SignerDemand { required: self.publisher_key, accepted: self.accept_publisher_key }
    }
}

/// `minimodel publisher`.
#[derive(Debug, Args)]
pub(crate) struct PublisherArgs {
    #[command(subcommand)]
    pub(crate) action: PublisherAction,
}

/// What to do with known publishers.
#[derive(Debug, Subcommand)]
pub(crate) enum PublisherAction {
    /// List the publishers whose keys are known, one key a line
    List(PublisherListArgs),
    /// Show everything that is known of a publisher
    Show(PublisherShowArgs),
    /// Forget a publisher, or one of its keys: the next key is new again
    Forget(PublisherKeyArgs),
    /// Accept one key of a publisher alone, whatever a flag says
    Pin(PublisherKeyArgs),
    /// Take a pin away; the keys stay known
    Unpin(PublisherShowArgs),
}

/// `minimodel publisher list`.
#[derive(Debug, Args)]
pub(crate) struct PublisherListArgs {}

/// `minimodel publisher show` and `unpin`.
#[derive(Debug, Args)]
pub(crate) struct PublisherShowArgs {
    /// publisher.id, as manifests spell it
    #[arg(value_name = "ID")]
    pub(crate) publisher: String,
}

/// `minimodel publisher forget` and `pin`.
#[derive(Debug, Args)]
pub(crate) struct PublisherKeyArgs {
    /// publisher.id, as manifests spell it
    #[arg(value_name = "ID")]
    pub(crate) publisher: String,
    /// The key: ed25519:HEX [default: all of them to forget, the only one to pin]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<PublisherKey>,
}
