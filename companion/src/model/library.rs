//! Library entries: versions of models.

use std::path::PathBuf;

use minimodel::publishers::SignerVerdict;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{ManifestForm, PathForm, PublisherIdForm, SignerForm, SwarmIdForm, TimeForm};
use super::publisher::{self, Publisher};

/// Where a library entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Its manifest is known; the file is not here.
    Available,
    /// It is being fetched, or a partial file waits to be.
    Downloading,
    /// The file is here and was checked.
    Ready,
    /// See [`Entry::reason`].
    Failed,
}

/// One version of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its name in the interface.
    pub id: u64,
    /// `model.id`.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// `publisher.id`.
    #[schema(value_type = PublisherIdForm)]
    pub publisher_id: String,
    /// Who signed its manifest, beside what is known of them; none of entries that an earlier program wrote, or where the
    /// record of known publishers cannot be read.
    #[serde(default, with = "publisher")]
    #[schema(value_type = Option<Publisher>)]
    pub publisher: Option<SignerVerdict>,
    /// The swarm.
    #[schema(value_type = SwarmIdForm)]
    pub swarm_id: String,
    /// Bytes of the artifact.
    pub byte_count: u64,
    /// Where it stands.
    pub state: EntryState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The file.
    pub path: Option<String>,
    /// The receipt.
    pub receipt: Option<String>,
    /// Whether the library keeps the file in its own folder; a user's own file is never evicted or removed.
    pub cached: bool,
    /// Whether it is kept from eviction.
    pub pinned: bool,
    /// Whether the model's link leads to it.
    pub active: bool,
    /// When it was last used: served, verified or activated.
    #[schema(value_type = TimeForm)]
    pub used_utc: String,
    /// When it was added.
    #[schema(value_type = TimeForm)]
    pub added_utc: String,
    /// Whether this machine has what its manifest requires.
    pub fits: Fits,
}

/// The manifest's `requires.*` against this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fits {
    /// False when a requirement is known not to be met.
    pub fits: bool,
    /// One line a requirement; none: the manifest requires nothing.
    pub checks: Vec<FitCheck>,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FitCheck {
    /// `ram`, `vram` or `arch`.
    pub name: String,
    /// What is required.
    pub needs: String,
    /// What there is; `unknown` where it cannot be told.
    pub has: String,
    /// `pass`, `fail` or `unknown`.
    pub outcome: String,
}

/// A new entry: a manifest, with the file it describes if that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(description = "`POST /v1/library`: adds a manifest, with the file it describes if that is here.")]
pub struct NewEntry {
    /// The text of the manifest.
    #[schema(value_type = ManifestForm, required = true)]
    pub manifest: String,
    /// The absolute path of the user's own file, which is checked and stays where it is; none: only the manifest is kept.
    #[schema(value_type = Option<PathForm>)]
    pub path: Option<PathBuf>,
    /// For a manifest that is not signed as is known of its publisher: the key that signed it, or `unsigned`, which is accepted
    /// with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SignerForm>)]
    pub accept_publisher_key: Option<String>,
}

/// The terms of an activation; the default accepts no signer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(description = "`POST /v1/library/{id}/activate`; no body accepts nothing.")]
pub struct Activation {
    /// As in [`NewEntry::accept_publisher_key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SignerForm>)]
    pub accept_publisher_key: Option<String>,
}

/// What a prune took away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// The entries whose cached files are gone.
    pub entries: Vec<u64>,
    /// Bytes that are free now.
    pub bytes: u64,
}

/// A version that the model's link leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The entry.
    pub entry: Entry,
    /// The link.
    pub link: String,
    /// The entry that it led to before.
    pub previous: Option<u64>,
}
