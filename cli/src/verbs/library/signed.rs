//! Entries and the keys that signed their manifests.

use minimodel::publishers::{Signer, SignerVerdict};
use minimodel_companion::Service;
use minimodel_companion::model::Entry;

use super::{manifest_of, tell};
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;

/// The verdict on the key of an entry's manifest. If the library has none, because an earlier program wrote the entry or
/// the record cannot be read, the manifest itself is compared with the record.
pub(super) fn signer_verdict(
    entry: &Entry,
    service: &dyn Service,
    context: &Context,
) -> Result<SignerVerdict, Failure> {
    match entry.publisher.clone() {
        Some(verdict) => Ok(verdict),
        None => publisher::signer_verdict(context, &manifest_of(entry, service)?),
    }
}

/// Warns of an entry whose manifest's key is not the known one by now; nothing is refused for that.
pub(super) fn warn(entry: &Entry, service: &dyn Service, context: &Context) {
    match signer_verdict(entry, service, context) {
        Ok(verdict) if verdict.is_alarm() => {
            let words = publisher::words(&verdict);
            context.printer.warning(&format!("{}: {words}", tell::name(entry)));
        }
        Ok(_) => {}
        Err(failure) => publisher::tell_unreadable(context, &failure),
    }
}

/// The accepted key, for the companion; `None` if there is nothing to accept.
pub(super) fn needed(verdict: &SignerVerdict, accepted: Option<Signer>) -> Option<String> {
    accepted.filter(|_| verdict.is_alarm()).map(|signer| signer.to_string())
}
