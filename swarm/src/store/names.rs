//! File names of one artifact.

use minimodel_verifier::artifact::ArtifactName;

use super::error::StoreError;

/// The names that belong to one artifact.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// [`ArtifactName::file`].
    pub(super) target: String,
    /// [`ArtifactName::part`].
    pub(super) part: String,
    /// [`ArtifactName::state`].
    pub(super) state: String,
    /// `STEM.slm.part.state.old`: a record whose partial file was gone when a repair of the finished file began.
    pub(super) old_state: String,
    /// [`ArtifactName::found`].
    pub(super) found: String,
    /// [`ArtifactName::receipt`].
    pub(super) receipt: String,
    /// [`ArtifactName::manifest`].
    pub(super) manifest: String,
    /// [`ArtifactName::invalid`].
    pub(super) invalid: String,
}

impl Names {
    pub(super) fn new(name: &ArtifactName) -> Result<Self, StoreError> {
        let stem = name.stem();
        if stem.is_empty() || stem.contains(['/', '\0']) {
            return Err(StoreError::BadName { stem: stem.to_owned() });
        }
        Ok(Self {
            target: name.file(),
            part: name.part(),
            state: name.state(),
            old_state: name.state() + ".old",
            found: name.found(),
            receipt: name.receipt(),
            manifest: name.manifest(),
            invalid: name.invalid(),
        })
    }
}

/// True if the store may give this name to a file beside the artifact: no other file is to be written there.
/// The receipt's name is not among them. Names are compared without case, as on some file systems.
pub fn is_store_name(artifact: &ArtifactName, name: &str) -> bool {
    let name = name.to_lowercase();
    let is = |own: String| name == own.to_lowercase();
    let begins = |own: String| name.starts_with(&own.to_lowercase());
    is(artifact.file()) || is(artifact.manifest()) || begins(artifact.part()) || begins(artifact.invalid())
}

/// `name`, then `name.2`, `name.3` ...: names for a file that must not replace another.
pub(super) fn numbered(name: &str) -> impl Iterator<Item = String> {
    let first = std::iter::once(name.to_owned());
    // More leftovers of one name than this are a loop, not a history.
    first.chain((2..1000).map(move |number| format!("{name}.{number}")))
}

#[cfg(test)]
mod tests {
    use minimodel_verifier::artifact::Format;

    use super::*;

    #[test]
    fn every_name_of_the_store_but_the_receipts_is_its_own() {
        let own = ArtifactName::new("A-1", Format::Slm);
        let Names { target, part, state, old_state, found, receipt, manifest, invalid } =
            Names::new(&own).unwrap();
        for name in [&target, &part, &state, &old_state, &found, &manifest, &invalid] {
            assert!(is_store_name(&own, name) && is_store_name(&own, &name.to_uppercase()), "{name}");
        }
        assert!(is_store_name(&own, "A-1.slm.part.state.damaged.2"));
        for name in [&receipt, "A-1.slm.repair.receipt", "A-12.slm", "B.slm", "A-1"] {
            assert!(!is_store_name(&own, name), "{name}");
        }
    }
}
