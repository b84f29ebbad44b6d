//! Versions of models, made for a test.

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

use crate::home::Home;

/// One version of a model: the file and its manifest. Chunks are of 16 KiB.
pub(super) struct Version {
    pub(super) artifact: Vec<u8>,
    pub(super) manifest: ManifestText,
}

impl Version {
    /// A small version of three chunks; another `seed` gives other bytes of the same number.
    pub(super) fn of(model: &str, version: &str, seed: u64) -> Self {
        Self::about(45_000, model, version, seed)
    }

    /// A version of about so many bytes.
    pub(super) fn about(bytes: u64, model: &str, version: &str, seed: u64) -> Self {
        let artifact = slm_vec(&Shape::about(bytes, Quantization::Q4_0).unwrap(), seed);
        let options = ManifestOptions {
            model_id: model.to_owned(),
            model_version: version.to_owned(),
            ..ManifestOptions::default()
        };
        let manifest = ManifestText::of(&artifact, &options);
        Self { artifact, manifest }
    }

    /// This version with a line of its manifest added or changed.
    pub(super) fn with(self, key: &str, value: &str) -> Self {
        Self { manifest: self.manifest.with(key, value), ..self }
    }

    /// Writes `STEM.slm` and `STEM.minimodel`.
    pub(super) fn write(&self, home: &Home, stem: &str) {
        home.write(format!("{stem}.slm"), &self.artifact);
        home.write(format!("{stem}.minimodel"), self.manifest.render());
    }

    /// The swarm id in hexadecimal, as the JSON output spells it.
    pub(super) fn swarm_id(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.manifest.swarm_id())
    }
}
