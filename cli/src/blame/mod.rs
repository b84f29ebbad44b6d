//! The ban ledger: which keys were banned, for what and until when, kept from one run to the next.
//!
//! A ban applies to one key and one content, and ends after a day. A key that was banned for three contents is banned
//! for every content until its entries are too old. Only a provable breach bans a key, so an entry states what the peer
//! sent and what was expected. Addresses are never banned: many people may share one. `blame.jsonl` in the state folder
//! holds one entry per line; `docs/blame.md` has the rules and the fields.

mod entry;
mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use minimodel::clock::{now_unix, utc};
use minimodel_swarm::driver::{Ban, Bans};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;

pub(crate) use self::entry::Entry;
pub(crate) use self::ledger::{FILE_NAME, Ledger, Standing};
use crate::escape;
use crate::failure::Failure;
use crate::settings::Context;

/// Longest wait at the end of a run for the last bans to be written, in case the disk hangs.
const LAST_BANS: Duration = Duration::from_secs(2);

/// Ban keeping of one run: earlier bans are loaded at its start, new bans are recorded as they happen.
#[derive(Debug)]
pub(crate) struct Keeping(std_mpsc::Receiver<()>);

impl Keeping {
    /// Loads the bans for this content, warns the user about banned peers among `named`, and starts to record new bans.
    /// The ledger only helps later runs: if it cannot be read or written, the user is warned and the transfer goes on.
    pub(crate) fn start(
        context: &Context,
        verb: &'static str,
        manifest: &Arc<Manifest>,
        named: &[PeerId],
    ) -> Result<(Self, Bans), Failure> {
        let ledger = Ledger::of(&context.home)?;
        let (now, swarm) = (now_unix(), hex(manifest.swarm_id()));
        let known = match ledger.read(now) {
            Ok(standing) => standing.banned(&swarm, now),
            Err(failure) => {
                context.printer.warning(&format!("{}; bans of earlier runs are not known", failure.error));
                BTreeMap::new()
            }
        };
        for peer in named {
            if let Some(left) = known.get(peer) {
                let until = utc(now.saturating_add(left.as_secs()));
                context.printer.warning(&format!(
                    "peer {peer} is banned until {until} and is not asked; see why: `minimodel blame show {peer}`"
                ));
            }
        }
        let (tell, bans) = mpsc::unbounded_channel();
        let keeping = Self::write_down(context, ledger, verb, manifest.clone(), bans)?;
        Ok((keeping, Bans { known, tell: Some(tell) }))
    }

    fn write_down(
        context: &Context,
        ledger: Ledger,
        verb: &'static str,
        manifest: Arc<Manifest>,
        mut bans: mpsc::UnboundedReceiver<Ban>,
    ) -> Result<Self, Failure> {
        let (done, ended) = std_mpsc::channel();
        let printer = context.printer.clone();
        let write = move || {
            while let Some(ban) = bans.blocking_recv() {
                let entry = Entry::new(verb, &manifest, &ban, now_unix());
                if let Err(failure) = ledger.add(entry, now_unix()) {
                    let cause = failure.cause.unwrap_or_default();
                    printer.warning(&escape::harmless(&format!(
                        "the ban of peer {} is not written down ({}: {cause}); a later run will not know it",
                        ban.peer, failure.error
                    )));
                }
            }
            let _ = done.send(());
        };
        let started = std::thread::Builder::new().name("bans".to_owned()).spawn(write);
        started.map_err(|error| Failure::unexpected("cannot start a transfer", &error.into()))?;
        Ok(Self(ended))
    }

    /// Waits until the bans of a run that has ended are on disk.
    pub(crate) fn end(self) {
        let _ = self.0.recv_timeout(LAST_BANS);
    }
}
