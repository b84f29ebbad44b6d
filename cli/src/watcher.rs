//! Events of the library as notes and warnings of the command line: the one place where they become sentences.

use minimodel::clock::utc;
use minimodel::{Event, Watcher};

use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::text;

impl Watcher for Printer {
    fn tell(&self, event: Event) {
        match event {
            Event::IdentityCreated { peer, path } => {
                self.note(format!("created the identity {peer} in {}", escape::path(&path)));
                self.note("keep that file secret and keep a copy of it: it cannot be made again");
            }
            Event::BansUnknown(error) => {
                let failure = Failure::from(error);
                self.warning(&format!("{}; bans of earlier runs are not known", failure.error));
            }
            Event::PeerBanned { peer, until_unix } => {
                let until = utc(until_unix);
                self.warning(&format!(
                    "peer {peer} is banned until {until} and is not asked; see why: `minimodel blame show {peer}`"
                ));
            }
            Event::BanNotRecorded { peer, error } => {
                let failure = Failure::from(error);
                let cause = failure.cause.unwrap_or_default();
                self.warning(&escape::harmless(&format!(
                    "the ban of peer {peer} is not written down ({}: {cause}); a later run will not know it",
                    failure.error
                )));
            }
            Event::CheckRecorded { path } => {
                self.detail(format!("the check of `{}` is recorded", escape::path(&path)));
            }
            Event::CheckNotRecorded { path, why } => {
                let (shown, why) = (escape::path(&path), text::not_recorded(why));
                self.detail(format!("the check of `{shown}` is not recorded: {}", escape::shown(&why)));
            }
            other => self.detail(format!("{other:?}")),
        }
    }
}
