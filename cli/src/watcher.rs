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
            Event::SharedFolder { folder, how } => self.warning(&format!(
                "other accounts can put another file in the place of what is checked and kept in `{}`: {}",
                escape::path(&folder),
                text::shared_folder(how)
            )),
            Event::PutAside { path } => self.warning(&format!(
                "the partial file that was there is not known to be ours; it was left as it is and is now called `{}`",
                escape::path(&path)
            )),
            Event::RecordDamaged => {
                self.warning("the record of this download was damaged: looking for what is good on the disk");
            }
            Event::Resumed { have, chunks, lost } => {
                if lost > 0 {
                    self.warning(&format!(
                        "{lost} recorded chunks are not good on the disk and will be fetched again"
                    ));
                }
                if have > 0 {
                    self.note(format!("resuming: {have} of {chunks} chunks are here and proven"));
                }
            }
            Event::EarlierPeers { peers } => {
                let peers = if peers == 1 { "a peer".to_owned() } else { format!("{peers} peers") };
                self.note(format!("asking {peers} that gave chunks of it to this machine before"));
            }
            Event::Whole { path } => {
                self.note(format!("already here, and every check passed: {}", escape::path(&path)));
            }
            Event::OtherManifest { path } => {
                let shown = escape::path(&path);
                self.warning(&format!("another manifest is already at `{shown}` and was left as it is"));
            }
            Event::Offer { port, taken_port: Some(taken), .. } => self.warning(&format!(
                "UDP port {taken}, which earlier offers name, is taken by another program: this run listens at port {port}, and \
                 the next one tries {taken} again"
            )),
            Event::Way(event) => text::way_event(self, &event),
            Event::KeepsSeeding => self.note("serving on until Ctrl-C"),
            Event::OldRecordAside { file, path } => self.warning(&format!(
                "the record of an earlier download stood beside `{}`; it is now called `{}`",
                escape::path(&file),
                escape::path(&path)
            )),
            Event::NameNotGivenBack { part, error } => {
                let cause = escape::harmless(&error);
                self.warning(&format!("the file is still called `{}`: {cause}", escape::path(&part)));
            }
            // What else happens is of use to a follower, which prints it.
            _ => {}
        }
    }
}
