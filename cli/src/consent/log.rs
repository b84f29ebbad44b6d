//! The log: one line for each consent given, written before anything is done with it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use minimodel_swarm::store::step;
use serde::Serialize;

use super::grant::{Action, Granted};
use crate::failure::Failure;
use crate::settings::Context;
use crate::{folders, json};

const LOG_NAME: &str = "consent.log";

/// One line of the log.
#[derive(Serialize)]
struct LogLine<'a> {
    version: u32,
    time: &'a str,
    verb: &'a str,
    actions: Vec<&'a str>,
    swarm_id: Option<String>,
    by: &'a str,
    spelled: String,
}

/// Appends the consent; a failure means that nothing may be done with it.
pub(super) fn record(
    context: &Context,
    verb: &str,
    swarm_id: Option<&[u8; 32]>,
    granted: &Granted,
) -> Result<(), Failure> {
    let folder = context.folders.state()?;
    let path = folder.join(LOG_NAME);
    let line = LogLine {
        version: 0,
        time: &granted.at_utc,
        verb,
        actions: granted.actions().map(Action::as_str).collect(),
        swarm_id: swarm_id.map(|id| data_encoding::HEXLOWER.encode(id)),
        by: granted.how.as_str(),
        spelled: granted.spelled(verb),
    };
    let line = json::line(&line)
        .map_err(|error| Failure::unexpected("cannot record the consent", &anyhow::Error::new(error)))?;
    let append = || {
        folders::create(folder)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut log = step("create", || options.open(&path))?;
        // One write, so that two processes never mix their lines.
        step("write", || log.write_all(format!("{line}\n").as_bytes()))?;
        step("sync", || log.sync_data())
    };
    append().map_err(|error| Failure::writing("consent log", &path, &error))
}
