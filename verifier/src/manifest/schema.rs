//! The versions of the manifest, and the keys of each.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::artifact::Format;
use crate::digest;

/// A version of the manifest. Version 0 names `.slm` files, and version 1 those of all other formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `minimodel.manifest.v0`.
    V0,
    /// `minimodel.manifest.v1`.
    V1,
}

/// The keys of a version.
struct Keys {
    list: &'static str,
    known: BTreeSet<&'static str>,
    checksum: String,
}

impl Keys {
    fn of(list: &'static str) -> Self {
        let checksum = digest::tagged(&digest::sha256(list.as_bytes()));
        Self { list, known: list.lines().collect(), checksum }
    }
}

static V0: LazyLock<Keys> = LazyLock::new(|| Keys::of(include_str!("../../../docs/manifest-v0.keys")));
static V1: LazyLock<Keys> = LazyLock::new(|| Keys::of(include_str!("../../../docs/manifest-v1.keys")));

impl Schema {
    /// All of them, in their order.
    pub const ALL: [Self; 2] = [Self::V0, Self::V1];

    /// The version that names files of this format.
    pub fn of(format: Format) -> Self {
        if format == Format::Slm { Self::V0 } else { Self::V1 }
    }

    /// The value of `manifest.version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::V0 => "0",
            Self::V1 => "1",
        }
    }

    /// The value of `manifest.schema_id`.
    pub fn id(self) -> &'static str {
        match self {
            Self::V0 => "minimodel.manifest.v0",
            Self::V1 => "minimodel.manifest.v1",
        }
    }

    fn keys(self) -> &'static Keys {
        match self {
            Self::V0 => &V0,
            Self::V1 => &V1,
        }
    }

    /// The published list, `docs/manifest-v0.keys` or `docs/manifest-v1.keys`: the required and optional key names, sorted bytewise,
    /// one a line. The three keys of a piece of evidence stand there once, with a literal `N`.
    pub fn key_list(self) -> &'static str {
        self.keys().list
    }

    /// The only accepted `manifest.schema_checksum`: SHA-256 of [`key_list`](Self::key_list), in the spelling of manifests.
    pub fn checksum(self) -> &'static str {
        &self.keys().checksum
    }

    pub(super) fn knows(self, key: &str) -> bool {
        self.keys().known.contains(key)
    }
}
