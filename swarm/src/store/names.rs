//! What the files of one artifact are called.

use super::error::StoreError;

/// The names that belong to one stem, `<model.id>-<model.version>`.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `STEM.slm`: appears only when the file is whole and checked.
    pub(super) target: String,
    /// `STEM.slm.part`: proven bytes, each at its place.
    pub(super) part: String,
    /// `STEM.slm.part.state`: the record.
    pub(super) state: String,
    /// `STEM.slm.part.state.old`: a record whose partial file was gone when a repair of the finished file began.
    pub(super) old_state: String,
    /// `STEM.slm.part.found`: what had the partial file's name and was not known to be ours.
    pub(super) found: String,
    /// `STEM.slm.receipt`.
    pub(super) receipt: String,
    /// `STEM.minimodel`: the copy of the manifest.
    pub(super) manifest: String,
    /// `STEM.slm.invalid`: whole, but not a valid artifact.
    pub(super) invalid: String,
}

impl Names {
    pub(super) fn new(stem: &str) -> Result<Self, StoreError> {
        if stem.is_empty() || stem.contains(['/', '\0']) {
            return Err(StoreError::BadName { stem: stem.to_owned() });
        }
        Ok(Self {
            target: format!("{stem}.slm"),
            part: format!("{stem}.slm.part"),
            state: format!("{stem}.slm.part.state"),
            old_state: format!("{stem}.slm.part.state.old"),
            found: format!("{stem}.slm.part.found"),
            receipt: format!("{stem}.slm.receipt"),
            manifest: format!("{stem}.minimodel"),
            invalid: format!("{stem}.slm.invalid"),
        })
    }
}

/// `name`, then `name.2`, `name.3` ...: where something goes that must not replace anything.
pub(super) fn numbered(name: &str) -> impl Iterator<Item = String> {
    let first = std::iter::once(name.to_owned());
    // More leftovers of one name than this are a loop, not a history.
    first.chain((2..1000).map(move |number| format!("{name}.{number}")))
}
