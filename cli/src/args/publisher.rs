//! What a command line says of publishers and their keys.

use clap::{Args, Subcommand};
use minimodel::publishers::{PublisherKey, Signer, SignerDemand};

/// Requirements for the key that signed a manifest.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PublisherOptions {
    /// Require this key's signature on the manifest, even if other keys of its publisher are known
    #[arg(long, value_name = "KEY")]
    pub(crate) publisher_key: Option<PublisherKey>,
    /// Accept this signing key, or `unsigned`, even if other keys of the publisher are known
    #[arg(long, value_name = "KEY")]
    pub(crate) accept_publisher_key: Option<Signer>,
}

impl PublisherOptions {
    /// Converts the options to a [`SignerDemand`].
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

/// Actions on known publishers.
#[derive(Debug, Subcommand)]
pub(crate) enum PublisherAction {
    /// List the publishers with known keys, one key per line
    List(PublisherListArgs),
    /// Show all details of a publisher
    Show(PublisherShowArgs),
    /// Forget a publisher, or one of its keys; the next key counts as new
    Forget(PublisherKeyArgs),
    /// Accept only one key of a publisher; no flag overrides a pin
    Pin(PublisherKeyArgs),
    /// Remove a pin; the keys stay known
    Unpin(PublisherShowArgs),
}

/// `minimodel publisher list`.
#[derive(Debug, Args)]
pub(crate) struct PublisherListArgs {}

/// `minimodel publisher show` and `unpin`.
#[derive(Debug, Args)]
pub(crate) struct PublisherShowArgs {
    /// publisher.id of the publisher, as in its manifests
    #[arg(value_name = "ID")]
    pub(crate) publisher: String,
}

/// `minimodel publisher forget` and `pin`.
#[derive(Debug, Args)]
pub(crate) struct PublisherKeyArgs {
    /// publisher.id of the publisher, as in its manifests
    #[arg(value_name = "ID")]
    pub(crate) publisher: String,
    /// Key, as ed25519:HEX [default: every key for `forget`, the only known key for `pin`]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<PublisherKey>,
}
