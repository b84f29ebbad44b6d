//! Entries and the keys that signed their manifests.

use minimodel_companion::Service;
use minimodel_companion::api::types::{Entry, Publisher};
use minimodel_companion::publishers::{Judged, Shown};

use super::{manifest_of, tell};
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;

/// How an entry's manifest stands to what is known of its publisher. Where the library cannot tell, since its entry is of an
/// earlier program or the record cannot be read, the manifest itself is held against the record.
pub(super) fn judge(entry: &Entry, service: &dyn Service, context: &Context) -> Result<Judged, Failure> {
    match entry.publisher.as_ref().and_then(Publisher::judged) {
        Some(judged) => Ok(judged),
        None => publisher::judge(context, &manifest_of(entry, service)?),
    }
}

/// Warns of an entry that was taken in under a key that is not the known one by now; nothing is refused for that.
pub(super) fn warn(entry: &Entry, service: &dyn Service, context: &Context) {
    match judge(entry, service, context) {
        Ok(judged) if judged.is_alarm() => {
            let words = publisher::words(&judged);
            context.printer.warning(&format!("{}: {words}", tell::name(entry)));
        }
        Ok(_) => {}
        Err(failure) => publisher::tell_unreadable(context, &failure),
    }
}

/// What the companion is told that its user accepts: nothing where there is nothing to accept.
pub(super) fn needed(judged: &Judged, accepted: Option<Shown>) -> Option<String> {
    accepted.filter(|_| judged.is_alarm()).map(|shown| shown.to_string())
}
