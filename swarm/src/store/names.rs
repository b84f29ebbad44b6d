//! File names of one artifact.

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
    /// `STEM.slm.part.found`: a file that had the partial file's name and was not known to be this artifact's.
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

/// True if the store may give this name to a file beside the artifact of `stem`: no other file is to be written there.
/// The receipt's name is not among them. Names are compared without case, as on some file systems.
pub fn is_store_name(stem: &str, name: &str) -> bool {
    let (stem, name) = (stem.to_lowercase(), name.to_lowercase());
    let Some(suffix) = name.strip_prefix(&stem) else { return false };
    matches!(suffix, ".slm" | ".minimodel")
        || [".slm.part", ".slm.invalid"].iter().any(|taken| suffix.starts_with(taken))
}

/// `name`, then `name.2`, `name.3` ...: names for a file that must not replace another.
pub(super) fn numbered(name: &str) -> impl Iterator<Item = String> {
    let first = std::iter::once(name.to_owned());
    // More leftovers of one name than this are a loop, not a history.
    first.chain((2..1000).map(move |number| format!("{name}.{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_store_but_the_receipts_is_its_own() {
        let Names { target, part, state, old_state, found, receipt, manifest, invalid } =
            Names::new("A-1").unwrap();
        for name in [&target, &part, &state, &old_state, &found, &manifest, &invalid] {
            assert!(is_store_name("A-1", name) && is_store_name("A-1", &name.to_uppercase()), "{name}");
        }
        assert!(is_store_name("A-1", "A-1.slm.part.state.damaged.2"));
        for name in [&receipt, "A-1.slm.repair.receipt", "A-12.slm", "B.slm", "A-1"] {
            assert!(!is_store_name("A-1", name), "{name}");
        }
    }
}
