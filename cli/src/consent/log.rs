//! The consent log: one line for each consent given, written before anything is done with it.

use minimodel::consent::{ConsentBook, ConsentError, Given};
use minimodel_companion::Problem;

use super::grant::Granted;
use crate::companion;
use crate::failure::Failure;
use crate::settings::Context;

/// Appends the consent; a failure means that nothing may be done with it.
pub(super) fn record(
    context: &Context,
    verb: &str,
    swarm_id: Option<&[u8; 32]>,
    granted: &Granted,
) -> Result<(), Failure> {
    let given = Given {
        verb: verb.to_owned(),
        actions: granted.actions().collect(),
        swarm_id: swarm_id.map(|id| data_encoding::HEXLOWER.encode(id)),
        by: granted.source.as_str().to_owned(),
        spelled: granted.spelled(verb),
    };
    let mut book = ConsentBook::unread(context.home.state()?, context.home.data()?);
    match book.record_given(given, granted.at_unix) {
        Ok(_) => Ok(()),
        Err(ConsentError::Io { doing: "read", path, source }) => {
            Err(Failure::reading("consent log", &path, &source))
        }
        Err(ConsentError::Io { path, source, .. }) => Err(Failure::writing("consent log", &path, &source)),
        Err(error) => Err(companion::failure(Problem::from(error))),
    }
}
