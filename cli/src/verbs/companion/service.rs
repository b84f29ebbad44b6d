//! `minimodel companion install` and `uninstall`: the companion as a service of the user's session.
//!
//! Both show the file and the commands before they ask, and touch no file but one that is as `install` wrote it.

use std::ffi::OsStr;
use std::io;
use std::time::Instant;

use minimodel::private::{self, Exposed};
use serde_json::json;

use super::{LOOK_EVERY, STARTING, UNREACHED, runs_already};
use crate::args::{CompanionInstallArgs, ServiceOptions};
use crate::companion::{self, running};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::printer::{Line, Tone};
use crate::program;
use crate::service::{
    Aside, BEFORE, Definition, DefinitionError, Found, Job, Manager, Step, Taken, look, remarks_on_left,
};
use crate::settings::Context;
use crate::text;

/// Name of the file for the companion's messages, where the manager keeps no log.
const LOG_NAME: &str = "companion-service.log";
/// Text of a refusal before anything has happened.
const NOTHING_DONE: &str = "nothing was written or run";

/// One of the two verbs, for questions and failures.
struct Act<'a> {
    /// True for `install`, false for `uninstall`.
    installs: bool,
    definition: &'a Definition,
    /// The commands, in their order.
    steps: Vec<&'a Step>,
}

/// `minimodel companion install`.
pub(super) fn install(args: &CompanionInstallArgs, context: &Context) -> Result<(), Failure> {
    let definition = define(args.port, context)?;
    let found = found(&definition)?;
    let act =
        Act { installs: true, definition: &definition, steps: definition.steps.install.iter().collect() };
    if args.options.dry_run {
        return act.plan(context);
    }
    let companion = running(context)?;
    match (found, companion) {
        (Found::Foreign, _) => {
            let path = escape::shell_word(definition.path.as_os_str());
            let hint =
                format!("nothing is overwritten: move it away, `mv {path} {path}.mine`, and run this again");
            return Err(act.foreign(hint));
        }
        (Found::Nothing, Some(client)) => return Err(runs_already(&client.address().to_string())),
        (Found::Same, Some(_)) => {
            context.printer.note("it is installed already, and its companion runs");
            return act.answer("installed", context);
        }
        _ => {}
    }
    warn_of_shared_folder(&definition, context);
    remarks_on_left(&definition.path).iter().for_each(|left| context.printer.warning(left));
    act.agree(&args.options, context)?;
    act.probe()?;
    let folder = companion::places(context)?.folder;
    private::create_folder(&folder).map_err(|error| Failure::writing("folder", &folder, &error))?;
    // An earlier definition of ours: its service may run, or may never have been started.
    let earlier = if found == Found::Nothing { None } else { act.withdraw(context)? };
    if let Err(failure) = replace(&definition, context) {
        if let Some(earlier) = earlier {
            put_back(earlier, &definition, context);
        }
        return Err(failure);
    }
    if let Some(earlier) = earlier {
        earlier.remove().map_err(|error| Failure::writing("definition", &definition.path, &error))?;
    }
    await_start(&definition, context)?;
    for note in &definition.notes {
        context.printer.note(note.as_str());
    }
    act.answer("installed", context)
}

/// Writes the definition once no companion runs, and hands it to the manager; takes it back if the manager refuses it.
fn replace(definition: &Definition, context: &Context) -> Result<(), Failure> {
    await_end(context)?;
    let failed = |error: &io::Error| Failure::writing("definition", &definition.path, error);
    if let Some(folder) = definition.path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Failure::writing("folder", folder, &error))?;
    }
    output::write("definition", &definition.path, definition.text.as_bytes())?;
    for step in &definition.steps.install {
        if let Err(cause) = run(step, context) {
            definition.steps.uninstall.iter().for_each(|step| attempt(step, context));
            if let Taken::Ours(ours) =
                Aside::take(&definition.path, &definition.text, "refused").map_err(|e| failed(&e))?
            {
                ours.remove().map_err(|error| failed(&error))?;
            }
            definition.steps.forget.iter().for_each(|step| attempt(step, context));
            let error = format!("`{}` failed, and the file was taken back", step.shown());
            let hint = "correct what it names; or go without a service: `minimodel companion start`";
            return Err(Failure::new(Exit::Unexpected, error, hint).because(cause));
        }
    }
    Ok(())
}

/// Puts the earlier definition back, and its service to use.
fn put_back(earlier: Aside, definition: &Definition, context: &Context) {
    match earlier.put_back() {
        Ok(()) => {
            context.printer.note("the service that was installed before is put back");
            definition.steps.install.iter().for_each(|step| attempt(step, context));
        }
        Err(error) => context.printer.warning(&format!(
            "the file that was installed before could not be put back, and is beside it: {error}"
        )),
    }
}

/// Warns if other accounts can change what the user's session starts, by this file or by any other.
fn warn_of_shared_folder(definition: &Definition, context: &Context) {
    let Some(folder) = definition.path.parent() else { return };
    if let Some(exposed) = Exposed::of_users_folder(folder) {
        context.printer.warning(&format!(
            "other accounts can change what your session starts: folder `{}`: {}",
            escape::path(folder),
            text::shared_folder(exposed)
        ));
    }
}

/// `minimodel companion uninstall`.
pub(super) fn uninstall(options: &ServiceOptions, context: &Context) -> Result<(), Failure> {
    let definition = define(0, context)?;
    let steps = definition.steps.uninstall.iter().chain(&definition.steps.forget).collect();
    let act = Act { installs: false, definition: &definition, steps };
    remarks_on_left(&definition.path).iter().for_each(|left| context.printer.warning(left));
    match found(&definition)? {
        Found::Nothing => {
            context
                .printer
                .note(format!("no service is installed: `{}` is not there", escape::path(&definition.path)));
            return act.event("absent", context);
        }
        Found::Foreign => {
            let commands: Vec<String> =
                definition.steps.uninstall.iter().map(|step| format!("`{}`", step.shown())).collect();
            let path = escape::shell_word(definition.path.as_os_str());
            let hint = format!("end and remove it yourself: {}, then `rm {path}`", commands.join(", "));
            return Err(act.foreign(hint));
        }
        Found::Same | Found::Ours => {}
    }
    if options.dry_run {
        return act.plan(context);
    }
    act.agree(options, context)?;
    act.probe()?;
    if let Some(earlier) = act.withdraw(context)? {
        earlier.remove().map_err(|error| Failure::writing("definition", &definition.path, &error))?;
    }
    context.printer.note("what ran goes on with the next start: `minimodel companion start`");
    act.answer("uninstalled", context)
}

impl Act<'_> {
    fn verb(&self) -> &'static str {
        if self.installs { "install" } else { "uninstall" }
    }

    /// Prints what would be done, and does nothing.
    fn plan(&self, context: &Context) -> Result<(), Failure> {
        if context.printer.is_json() {
            return self.event("planned", context);
        }
        context.printer.note(format!("file: {}", escape::path(&self.definition.path)));
        for step in &self.steps {
            context.printer.note(format!("command: {}", step.shown()));
        }
        if self.installs {
            context.printer.answer_bytes(self.definition.text.as_bytes())
        } else {
            context.printer.answer_path(&self.definition.path)
        }
    }

    /// Requires the user's agreement to this file and these commands, by flag or by answer.
    fn agree(&self, options: &ServiceOptions, context: &Context) -> Result<(), Failure> {
        if options.yes {
            return Ok(());
        }
        let refused = |cause: &str| {
            let hint = format!(
                "see what it would do: `minimodel companion {0} --dry-run`; to agree: `minimodel companion {0} --yes`",
                self.verb()
            );
            let error = format!("{} needs your agreement; {NOTHING_DONE}", self.verb());
            Failure::new(Exit::Consent, error, hint).because(cause)
        };
        if !context.settings.can_ask {
            return Err(refused("there is no terminal to ask on"));
        }
        let path = escape::path(&self.definition.path);
        let mut page = if self.installs {
            Line::default()
                .with(Tone::Strong, format!("writes {path}\n"))
                .with(Tone::Plain, indented(&self.definition.text))
        } else {
            Line::default().with(Tone::Strong, format!("removes {path}\n"))
        };
        for step in &self.steps {
            page = page.with(Tone::Strong, "runs ").with(Tone::Plain, format!("{}\n", step.shown()));
        }
        let question = if self.installs {
            "Write this file and run these commands?"
        } else {
            "Run these commands and remove this file?"
        };
        let page = page.with(Tone::Strong, question).with(Tone::Plain, " Type yes to agree: ");
        match context
            .printer
            .ask(page)
            .map_err(|error| refused(&error.to_string()))?
            .as_deref()
            .map(str::trim)
        {
            Some("yes") => Ok(()),
            _ => Err(refused("only the word `yes` agrees")),
        }
    }

    /// Requires the manager to answer.
    fn probe(&self) -> Result<(), Failure> {
        self.definition.steps.probe.run().map_err(|cause| {
            let error = format!("{} does not answer here; {NOTHING_DONE}", self.definition.manager);
            let hint =
                "go without a service: `minimodel companion start`, in what your session runs at its start";
            Failure::new(Exit::Unexpected, error, hint).because(cause)
        })
    }

    /// Ends the service, sets its file aside and tells the manager. Since the question a user may have edited the file, or another
    /// program: then it stays.
    fn withdraw(&self, context: &Context) -> Result<Option<Aside>, Failure> {
        let Definition { path, text, steps, .. } = self.definition;
        let hint = || {
            let verb = self.verb();
            format!("see what it has now, and run `minimodel companion {verb}` again")
        };
        if found(self.definition)? == Found::Foreign {
            return Err(self.foreign(hint()));
        }
        steps.uninstall.iter().for_each(|step| attempt(step, context));
        let taken =
            Aside::take(path, text, BEFORE).map_err(|error| Failure::writing("definition", path, &error))?;
        steps.forget.iter().for_each(|step| attempt(step, context));
        match taken {
            Taken::Nothing => Ok(None),
            Taken::Ours(aside) => Ok(Some(aside)),
            Taken::Foreign => {
                let error = format!(
                    "`{}` was changed meanwhile and is left; its service was ended",
                    escape::path(path)
                );
                Err(Failure::new(Exit::Io, error, hint()))
            }
        }
    }

    fn foreign(&self, hint: String) -> Failure {
        let path = escape::path(&self.definition.path).to_string();
        let error =
            format!("`{path}` is no file that this program wrote, or was changed since; {NOTHING_DONE}");
        Failure::new(Exit::Io, error, hint)
    }

    fn answer(&self, state: &str, context: &Context) -> Result<(), Failure> {
        if context.printer.is_json() {
            return self.event(state, context);
        }
        context.printer.answer_path(&self.definition.path)
    }

    fn event(&self, state: &str, context: &Context) -> Result<(), Failure> {
        let commands: Vec<Vec<&str>> = self.steps.iter().map(|step| step.words().collect()).collect();
        let path = self.definition.path.to_string_lossy();
        let fields = json!({
            "state": state, "manager": self.definition.manager, "path": path, "commands": commands,
            "text": self.installs.then_some(&self.definition.text),
        });
        context.printer.event("companion-service", fields)
    }
}

/// The definition for the program that runs now and the folders that it uses.
fn define(port: u16, context: &Context) -> Result<Definition, Failure> {
    let failed = |error: &DefinitionError| {
        let (class, hint) = match error {
            DefinitionError::Character { .. } => (
                Exit::Usage,
                "move it to a path of plain letters; or go without a service: `minimodel companion start`",
            ),
            DefinitionError::Folder { .. } | DefinitionError::Account => (
                Exit::Io,
                "run this in a session of the user whose models it keeps, where that variable is set",
            ),
        };
        let cause = escape::harmless(&error.to_string());
        Failure::new(class, "the companion cannot be made a service here", hint).because(cause)
    };
    let text = |what: &str, path: &OsStr| {
        let hint = "move it to a path of plain letters; or go without a service: `minimodel companion start`";
        let error = format!("the {what} has a name that is no text: {}", escape::os(path));
        path.to_str().map(str::to_owned).ok_or_else(|| Failure::new(Exit::Usage, error, hint))
    };
    let program = program::path()?;
    if !program.is_file() {
        let error = format!("this program is no longer at `{}`", escape::path(&program));
        return Err(Failure::new(
            Exit::NotFound,
            error,
            "run the command again with the program that is there now",
        ));
    }
    let manager = Manager::of_this_system();
    let carried = context.service.carried().into_iter();
    let variables = carried.map(|(name, path)| Ok((name, text(name, path.as_os_str())?)));
    let job = Job {
        program: text("program", program.as_os_str())?,
        port,
        variables: variables.collect::<Result<_, Failure>>()?,
        user: manager.user(&context.service),
        log: text("log", companion::places(context)?.folder.join(LOG_NAME).as_os_str())?,
    };
    manager.define(&job, &context.service).map_err(|error| failed(&error))
}

fn found(definition: &Definition) -> Result<Found, Failure> {
    look(&definition.path, &definition.text)
        .map_err(|error| Failure::reading("definition", &definition.path, &error))
}

/// Runs a command whose failure is a warning: a service that is not loaded cannot be ended, and its file goes all the same.
fn attempt(step: &Step, context: &Context) {
    if let Err(cause) = run(step, context) {
        context.printer.warning(&format!("`{}`: {cause}", step.shown()));
    }
}

/// Waits until no companion runs. One that was started by other means stays, and is in the way.
fn await_end(context: &Context) -> Result<(), Failure> {
    let begun = Instant::now();
    while let Some(client) = running(context)? {
        if begun.elapsed() >= UNREACHED {
            return Err(runs_already(&client.address().to_string()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Waits until the companion that the manager started answers.
fn await_start(definition: &Definition, context: &Context) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < STARTING {
        if let Some(client) = running(context)? {
            context.printer.note(format!("the companion runs at http://{}", client.address()));
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let error = "the service is installed, and its companion does not answer";
    let hint = format!("see why: `{}`; take it back: `minimodel companion uninstall`", definition.log);
    Err(Failure::new(Exit::Unexpected, error, hint))
}

fn run(step: &Step, context: &Context) -> Result<(), String> {
    context.printer.detail(format!("runs {}", step.shown()));
    step.run()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
