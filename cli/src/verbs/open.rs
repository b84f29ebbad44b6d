//! `minimodel open`: begins a session of the companion's page in the browser.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use minimodel_companion::client::Client;
use serde_json::json;

use crate::args::OpenArgs;
use crate::companion;
use crate::failure::Failure;
use crate::os;
use crate::printer::Printer;
use crate::settings::Context;
use crate::text::{no_companion, of_problem};

/// Longest wait for a program that starts browsers to say that there is none. One that still runs then shows the page.
const STARTING: Duration = Duration::from_secs(2);
/// Interval at which it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the verb.
pub(crate) fn run(args: &OpenArgs, context: &Context) -> Result<(), Failure> {
    let client = companion::running(context)?.ok_or_else(no_companion)?;
    let printer = &context.printer;
    let is_opened = show(&client, args.print, printer)?;
    if printer.is_json() {
        return Ok(());
    }
    if is_opened {
        printer.note("see who uses it: `minimodel companion sessions`");
    } else {
        let port = client.address().port();
        printer.note(format!(
            "from another machine: `ssh -L {port}:127.0.0.1:{port} THIS-MACHINE` first, then as above there; a browser that \
             does not find that name, as Safari, takes http://127.0.0.1:{port}/ and the code"
        ));
    }
    Ok(())
}

/// Opens a companion's page in the browser, or prints its address and code; returns true if a browser was started. The code in
/// the address is good once, so what it leads to cannot be opened again with it.
pub(super) fn show(client: &Client, is_printed: bool, printer: &Printer) -> Result<bool, Failure> {
    let code = client.mint_code().map_err(of_problem)?;
    // A browser that does not know the name finds the address.
    let page = if os::BROWSERS_KNOW_NAMES { code.page } else { format!("http://{}/", client.address()) };
    let url = format!("{page}#{}", code.code);
    let is_opened = !is_printed && open(&url);
    if printer.is_json() {
        let state = if is_opened { "opened" } else { "printed" };
        let told =
            json!({"state": state, "url": url, "typed": code.typed, "expires_unix": code.expires_unix});
        printer.event("page", told)?;
        return Ok(is_opened);
    }
    if is_opened {
        printer.note(format!("the page opens in the browser: {page}, for this machine and this user alone"));
        return Ok(true);
    }
    if !is_printed {
        printer.note("no browser could be started here; open this address in one on this machine:");
    }
    printer.answer(&url)?;
    printer.note(format!("or open {page} and type the code {}", code.typed));
    printer.note("either is good once, within 60 seconds");
    Ok(false)
}

/// Starts the browser. Returns false if there is none.
fn open(url: &str) -> bool {
    let Some((program, arguments)) = os::browser() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok_and(|started| !has_failed(started))
}

/// Waits a moment for a program that ends at once if it finds no browser.
fn has_failed(mut started: Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < STARTING {
        match started.try_wait() {
            Ok(Some(status)) => return !status.success(),
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(_) => return true,
        }
    }
    false
}
