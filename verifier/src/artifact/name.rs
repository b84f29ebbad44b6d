use std::path::Path;

use super::Format;

/// The name of an artifact's file: `STEM.ENDING`. The names of all files beside it follow from it.
///
/// ```
/// use minimodel_verifier::artifact::{ArtifactName, Format};
///
/// let name = ArtifactName::new("tinylm-16m-1.0.0", Format::Slm);
/// assert_eq!(name.file(), "tinylm-16m-1.0.0.slm");
/// assert_eq!(name.part(), "tinylm-16m-1.0.0.slm.part");
/// assert_eq!(name.manifest(), "tinylm-16m-1.0.0.minimodel");
/// assert_eq!(ArtifactName::of_file("tinylm-16m-1.0.0.slm"), Some(name));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactName {
    stem: String,
    format: Format,
}

impl ArtifactName {
    /// The ending of a manifest's file, with its dot.
    pub const MANIFEST_ENDING: &str = ".minimodel";

    /// The name of a version of a model: `<model.id>-<model.version>`.
    pub fn of_model(id: &str, version: &str, format: Format) -> Self {
        Self::new(format!("{id}-{version}"), format)
    }

    /// A name of this stem. Whether it can be one is not checked.
    pub fn new(stem: impl Into<String>, format: Format) -> Self {
        Self { stem: stem.into(), format }
    }

    /// The name of a file, if it has the ending of a format and something before it.
    pub fn of_file(name: &str) -> Option<Self> {
        let (stem, ending) = name.rsplit_once('.')?;
        let format = Format::from_ending(ending)?;
        (!stem.is_empty()).then(|| Self::new(stem, format))
    }

    /// [`of_file`](Self::of_file) of the last part of a path.
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::of_file(path.file_name()?.to_str()?)
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// `STEM`.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// `STEM.slm`: appears only when the file is whole and checked.
    pub fn file(&self) -> String {
        format!("{}.{}", self.stem, self.format.ending())
    }

    /// `STEM.slm.part`: proven bytes, each at its place.
    pub fn part(&self) -> String {
        self.file() + ".part"
    }

    /// `STEM.slm.part.state`: the record of the partial file.
    pub fn state(&self) -> String {
        self.part() + ".state"
    }

    /// `STEM.slm.part.found`: a file that had the partial file's name and was not known to be this artifact's.
    pub fn found(&self) -> String {
        self.part() + ".found"
    }

    /// `STEM.slm.invalid`: whole, but not a valid artifact.
    pub fn invalid(&self) -> String {
        self.file() + ".invalid"
    }

    /// `STEM.slm.receipt`.
    pub fn receipt(&self) -> String {
        self.file() + ".receipt"
    }

    /// `STEM.minimodel`: the copy of the manifest.
    pub fn manifest(&self) -> String {
        format!("{}{}", self.stem, Self::MANIFEST_ENDING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_another_ending_or_of_no_stem_has_no_name() {
        for name in ["m", ".slm", "m.SLM", "m.slm.part", "m.minimodel", "slm", ""] {
            assert_eq!(ArtifactName::of_file(name), None, "{name}");
        }
        assert_eq!(ArtifactName::of_file("a.b.slm"), Some(ArtifactName::new("a.b", Format::Slm)));
    }
}
