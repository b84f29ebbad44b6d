//! `minimodel mirror`: a fetch that serves on what it has, and whose user agrees to be found: a machine that others reach, for those
//! who cannot reach each other.

use super::fetch;
use crate::args::{FetchArgs, TransferOptions};
use crate::failure::Failure;
use crate::settings::Context;

/// Runs the verb.
pub(crate) fn run(args: FetchArgs, context: &Context) -> Result<(), Failure> {
    let transfer = TransferOptions { keep_seeding: true, mirrors: true, ..args.transfer };
    fetch::run(FetchArgs { transfer, ..args }, context)
}
