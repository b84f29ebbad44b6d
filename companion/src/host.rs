//! What the companion asks of the program that runs it: words, and whether that program is to end.

use minimodel::Watcher;
use minimodel::transfer::WaysSettings;
use minimodel_verifier::Manifest;

use crate::problem::Problem;

/// The program that runs a companion. As a [`Watcher`] it is told the notes and warnings of transfers, for its log.
pub trait Host: Watcher {
    /// Puts an error of the library into words, with its code and the next step.
    fn problem(&self, error: minimodel::Error) -> Problem;
    /// The fields of a manifest that the user sees before consent, as name and value. Text from outside is escaped.
    fn subject(&self, manifest: &Manifest) -> Vec<(String, String)>;
    /// The name that the user gave this companion, for [`Status::label`](crate::model::Status::label).
    fn label(&self) -> Option<String> {
        None
    }
    /// How the ways beyond offers are used, where a transfer's user agreed to them.
    fn ways(&self) -> WaysSettings {
        WaysSettings::default()
    }
    /// Returns true if the program was asked to end: a check that reads a file stops then.
    fn is_ending(&self) -> bool;
}
