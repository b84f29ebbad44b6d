//! From a draft to a manifest: the text is rendered, signed if there is a key, and read back by the parser.

use ed25519_dalek::SigningKey;

use super::document::Manifest;
use super::draft::ManifestDraft;
use super::error::ManifestError;
use super::signature;

impl ManifestDraft {
    /// The unsigned manifest.
    ///
    /// # Errors
    /// The first rule of the format that the draft breaks; lines are those of the canonical form.
    pub fn build(&self) -> Result<Manifest, ManifestError> {
        Manifest::parse(self.render("none")?.as_bytes())
    }

    /// The manifest signed with `key`, which becomes `publisher.key_id`.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn sign(&self, key: &SigningKey) -> Result<Manifest, ManifestError> {
        let canonical = self.render(&signature::key_id(key))?;
        let lines = signature::lines(&signature::sign(key, &canonical));
        Manifest::parse(format!("{canonical}{lines}").as_bytes())
    }
}

impl Manifest {
    /// Signs this manifest with `key`; an earlier signature is replaced. The swarm id changes, because the canonical form
    /// names the key.
    ///
    /// # Errors
    /// [`ManifestError::TooLarge`] or [`ManifestError::TooManyFields`] where the signature does not fit.
    pub fn sign(&self, key: &SigningKey) -> Result<Self, ManifestError> {
        self.draft().sign(key)
    }
}
