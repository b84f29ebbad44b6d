//! Events of the library as notes and warnings of the command line: the one place where they become sentences.

use minimodel::{Event, Watcher};

use crate::escape;
use crate::printer::Printer;

impl Watcher for Printer {
    fn tell(&self, event: Event) {
        match event {
            Event::IdentityCreated { peer, path } => {
                self.note(format!("created the identity {peer} in {}", escape::path(&path)));
                self.note("keep that file secret and keep a copy of it: it cannot be made again");
            }
            other => self.detail(format!("{other:?}")),
        }
    }
}
