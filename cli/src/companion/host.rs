//! What the companion asks of this program: words, and whether it is to end.

use minimodel::transfer::WaysSettings;
use minimodel::{Event, Watcher};
use minimodel_companion::{Host, Problem};
use minimodel_verifier::Manifest;

use crate::args::Label;
use crate::interrupt::Interrupt;
use crate::publisher;
use crate::settings::Context;
use crate::show;
use crate::text::problem;

/// This program as the host of a companion.
pub(super) struct CommandLine {
    context: Context,
    label: Option<String>,
    ways: WaysSettings,
}

impl CommandLine {
    /// Uses an unattended context: no question is asked and nothing is written to stdout; warnings go to stderr, which
    /// is the companion's log.
    pub(super) fn new(context: &Context, label: Option<&Label>) -> Self {
        let (label, ways) = (label.map(ToString::to_string), WaysSettings::default());
        Self { context: context.unattended(), label, ways }
    }

    /// Uses these nodes of the DHT.
    pub(super) fn with_ways(self, ways: WaysSettings) -> Self {
        Self { ways, ..self }
    }
}

impl Watcher for CommandLine {
    fn tell(&self, event: Event) {
        self.context.printer.tell(event);
    }
}

impl Host for CommandLine {
    fn problem(&self, error: minimodel::Error) -> Problem {
        problem(error.into())
    }

    fn subject(&self, manifest: &Manifest) -> Vec<(String, String)> {
        show::subject(manifest, publisher::signer_verdict(&self.context, manifest).ok().as_ref())
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }

    fn ways(&self) -> WaysSettings {
        self.ways.clone()
    }

    fn is_ending(&self) -> bool {
        Interrupt::listen().is_ok_and(|interrupt| interrupt.check().is_err())
    }
}
