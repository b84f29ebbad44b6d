//! Files in folders that the user allowed for choosing one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::PathForm;

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "`GET /v1/files`: what is in a folder that the user allowed for choosing a file.")]
pub struct Files {
    /// The folders that are allowed; none unless the user allowed some.
    #[schema(value_type = Vec<PathForm>, max_items = 64)]
    pub roots: Vec<String>,
    /// Folders, then model files, each in the order of their names; empty where no folder was asked for.
    #[schema(max_items = 1000)]
    pub entries: Vec<FileEntry>,
    /// There are more than these.
    pub more: bool,
}

/// A model file, or a folder. Links, hidden names, other files and those of other accounts are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEntry {
    /// Its name. Text from outside, not escaped.
    #[schema(min_length = 1)]
    pub name: String,
    /// Its whole path.
    #[schema(value_type = PathForm)]
    pub path: String,
    /// A folder, to be asked for in its turn.
    pub is_dir: bool,
    /// Length of the file; 0 of a folder.
    pub bytes: u64,
}
