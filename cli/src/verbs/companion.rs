//! `minimodel companion`: the service that keeps a user's models.

mod folders;
mod service;
mod sessions;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::private;
use minimodel_companion::Service as _;
use minimodel_companion::api::{self, Access, Interface, ServerLimits};
use minimodel_swarm::os::{OpenWith as _, processes_command};
use serde_json::json;

use crate::args::{CompanionAction, CompanionArgs, CompanionRunArgs};
use crate::companion::{self, running};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::os;
use crate::program;
use crate::settings::Context;
use crate::text::{no_companion, of_problem as failure};

const LOG_NAME: &str = "companion.log";
/// Longest wait for a companion that was started to answer.
const STARTING: Duration = Duration::from_secs(20);
/// Longest wait for a companion that was asked to end.
const ENDING: Duration = Duration::from_secs(20);
/// Longest time for which a companion may run unreached before a verb reports that: it may be starting or ending.
const UNREACHED: Duration = Duration::from_secs(3);
/// Interval at which the companion is tried meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes from the end of the log, shown for a companion that did not start.
const LAST_BYTES: usize = 2_048;

/// Runs the verb.
pub(crate) fn run(args: &CompanionArgs, context: &Context) -> Result<(), Failure> {
    match &args.action {
        CompanionAction::Run(args) => serve(args, context),
        CompanionAction::Start(args) => start(args, context),
        CompanionAction::Stop => stop(context),
        CompanionAction::Status => status(context),
        CompanionAction::Sessions(args) => sessions::run(args, context),
        CompanionAction::Folders(args) => folders::run(args, context),
        CompanionAction::Install(args) => service::install(args, context),
        CompanionAction::Uninstall(options) => service::uninstall(options, context),
    }
}

fn serve(args: &CompanionRunArgs, context: &Context) -> Result<(), Failure> {
    if args.detached {
        os::outlive_terminal();
    }
    let interrupt = Interrupt::listen()?;
    if args.end_with_stdin {
        interrupt.end_with_stdin()?;
    }
    if let Some(client) = running(context)? {
        return Err(runs_already(&client.address().to_string()));
    }
    let companion = companion::open_to_run(context, args)?;
    let access = Access::open(&companion::places(context)?.folder).map_err(failure)?;
    let listeners = api::bind(args.port).map_err(|error| {
        let hint = "choose another port with --port, or none: a free one is taken";
        Failure::new(Exit::Io, format!("cannot listen at port {} of 127.0.0.1", args.port), hint)
            .because(error)
    })?;
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    let shown = address.map(|address| address.to_string()).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unexpected("cannot start the companion", &error.into()))?;
    let companion = Arc::new(companion);
    let served: Result<(), Failure> = runtime.block_on(async {
        let (ask, asked) = tokio::sync::watch::channel(false);
        let (mut signal, mut request) = (interrupt.asked(), companion.asked_to_stop());
        let interface = Interface {
            service: companion.clone(),
            access,
            events: companion.events(),
            stop: asked,
            limits: ServerLimits::default(),
        };
        let serving = api::publish(listeners, interface).map_err(|error| {
            Failure::unexpected("the companion's interface cannot be reached", &error.into())
        })?;
        // From here on other processes find the companion.
        tell_started(context, &shown)?;
        let serving = serving.until_stopped();
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            _ = signal.wait_for(|asked| *asked) => { ask.send_replace(true); serving.await }
            _ = request.wait_for(|asked| *asked) => { ask.send_replace(true); serving.await }
        }
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    companion.end();
    served?;
    context.printer.note("the companion has ended; what ran goes on with its next start");
    Ok(())
}

/// Says that the companion runs, and where.
fn tell_started(context: &Context, address: &str) -> Result<(), Failure> {
    let printer = &context.printer;
    printer.note(format!("the companion runs; its interface is at http://{address}, for this user alone"));
    printer.note("see what it does: `minimodel status`; Ctrl-C or `minimodel companion stop` ends it");
    printer.event("companion", json!({"state": "running", "address": address, "pid": std::process::id()}))
}

fn start(args: &CompanionRunArgs, context: &Context) -> Result<(), Failure> {
    if let Some(client) = running(context)? {
        context.printer.note("it runs already");
        return tell_running(context, &client.address().to_string());
    }
    let folder = companion::places(context)?.folder;
    private::create_folder(&folder).map_err(|error| Failure::writing("folder", &folder, &error))?;
    let path = folder.join(LOG_NAME);
    let log = OpenOptions::new().create(true).write(true).truncate(true).private().open(&path);
    let log = log.map_err(|error| Failure::writing("log", &path, &error))?;
    let program = program::path()?;
    let port = args.port.to_string();
    let mut command = Command::new(program);
    os::detach(&mut command);
    command.args(["companion", "run", "--detached", "--port", &port]);
    if let Some(label) = &args.label {
        command.arg(format!("--label={label}"));
    }
    command.args(args.dht_node.iter().map(|node| format!("--dht-node={node}")));
    let mut child = command
        .env_remove("MINIMODEL_JSON")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| Failure::unexpected("cannot start the companion", &error.into()))?;
    let begun = Instant::now();
    while begun.elapsed() < STARTING {
        if let Some(client) = running(context)? {
            return tell_running(context, &client.address().to_string());
        }
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let hint = format!("see why: `cat {}`", escape::shell_word(path.as_os_str()));
    Err(Failure::new(Exit::Unexpected, "the companion did not start", hint).because(last_words(&path)))
}

fn last_words(path: &Path) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    let last = log.get(log.len().saturating_sub(LAST_BYTES)..).unwrap_or_default();
    escape::harmless(String::from_utf8_lossy(last).trim())
}

fn stop(context: &Context) -> Result<(), Failure> {
    let Some(client) = running(context)? else {
        check_unheld(context)?;
        context.printer.note("no companion runs in this home folder");
        return context.printer.event("companion", json!({"state": "stopped"}));
    };
    client.stop().map_err(failure)?;
    let begun = Instant::now();
    while begun.elapsed() < ENDING {
        if running(context)?.is_none() && !minimodel_companion::is_held(&companion::places(context)?) {
            context.printer.note("the companion has ended; what ran goes on with its next start");
            return context.printer.event("companion", json!({"state": "stopped"}));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let hint = "see what it does: `minimodel status`; a second `minimodel companion stop` asks again";
    Err(Failure::new(Exit::Busy, "the companion is still ending its work", hint))
}

fn status(context: &Context) -> Result<(), Failure> {
    match running(context)? {
        Some(client) => {
            let status = client.status().map_err(failure)?;
            let transfers = status.transfers.len();
            context
                .printer
                .note(format!("process {}, since {}, {transfers} transfers", status.pid, status.started_utc));
            tell_running(context, &client.address().to_string())
        }
        None => {
            check_unheld(context)?;
            Err(no_companion())
        }
    }
}

/// Refuses if a companion runs but cannot be reached, because its token or the file with its address is missing or
/// replaced. A companion that is starting or ending is waited for.
fn check_unheld(context: &Context) -> Result<(), Failure> {
    let (places, begun) = (companion::places(context)?, Instant::now());
    while minimodel_companion::is_held(&places) {
        if running(context)?.is_some() {
            break;
        }
        if begun.elapsed() >= UNREACHED {
            let folder = escape::path(&places.folder).to_string();
            return Err(Failure::new(
                Exit::Busy,
                format!(
                    "a companion runs and cannot be reached: its token or `endpoint.json` in `{folder}` is gone or another"
                ),
                format!(
                    "find its process with `{}` and end it with `kill PID`; its next start makes what is gone anew",
                    processes_command("companion run")
                ),
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn tell_running(context: &Context, address: &str) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("companion", json!({"state": "running", "address": address}));
    }
    context.printer.answer(format!("the companion runs at http://{address}"))
}

fn runs_already(address: &str) -> Failure {
    Failure::new(
        Exit::Busy,
        format!("a companion runs in this home folder already, at http://{address}"),
        "use it, or end it first: `minimodel companion stop`",
    )
}
