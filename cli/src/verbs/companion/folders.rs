//! `minimodel companion folders`: the folders in which the page, and other programs that use the interface, may let their user choose
//! a file.

use std::path::Path;

use minimodel_companion::folders::AllowedFolders;
use serde_json::json;

use crate::args::{FoldersAction, FoldersArgs};
use crate::companion;
use crate::escape;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text::of_problem;

/// Runs the verb. The companion reads the record at each request, so a change needs no running companion and holds at once.
pub(super) fn run(args: &FoldersArgs, context: &Context) -> Result<(), Failure> {
    let folders = AllowedFolders::below(&companion::places(context)?.folder);
    match &args.action {
        None | Some(FoldersAction::List) => {
            let allowed = folders.list().map_err(of_problem)?;
            if allowed.is_empty() {
                context.printer.note("none is allowed: `minimodel companion folders add PATH` allows one");
            }
            allowed.iter().try_for_each(|folder| tell(context, folder, "allowed"))
        }
        Some(FoldersAction::Add(args)) => {
            let folder = folders.add(&args.folder).map_err(of_problem)?;
            let told = "the page may now show names and lengths of the model files there and below, for choosing one";
            context.printer.note(told);
            tell(context, &folder, "allowed")
        }
        Some(FoldersAction::Remove(args)) => {
            let folder = folders.remove(&args.folder).map_err(of_problem)?;
            context.printer.note("it is not allowed any more");
            tell(context, &folder, "removed")
        }
    }
}

fn tell(context: &Context, folder: &Path, state: &str) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("companion-folder", json!({"path": folder, "state": state}));
    }
    context.printer.answer(escape::path(folder).to_string())
}
