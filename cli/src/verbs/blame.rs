//! `minimodel blame`: lists which keys were banned, for what, until when and why, and lifts bans.

use minimodel::bans::{BanEntry, BanLedger, FILE_NAME, KnownBans};
use minimodel::clock::{now_unix, utc};
use serde::Serialize;

use crate::args::{BlameAction, BlameArgs, BlameClearArgs};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Context;
use crate::show;

/// An entry under `--json`.
#[derive(Serialize)]
struct BlameObject<'a> {
    #[serde(flatten)]
    entry: &'a BanEntry,
    at_utc: String,
    until_utc: String,
    everywhere: bool,
    active: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &BlameArgs, context: &Context) -> Result<(), Failure> {
    let (ledger, now) = (BanLedger::of(&context.home)?, now_unix());
    match &args.action {
        BlameAction::List(_) => {
            let known = read(&ledger, context, now)?;
            if known.entries.is_empty() {
                context.printer.note("no peer was banned in the last 30 days");
            }
            known.entries.iter().try_for_each(|entry| list(&context.printer, &known, entry, now))
        }
        BlameAction::Show(args) => {
            let known = read(&ledger, context, now)?;
            let peer = args.peer.to_string();
            let mut found = known.entries.iter().filter(|entry| entry.peer == peer).peekable();
            if found.peek().is_none() {
                let hint = "see all bans: `minimodel blame list`";
                return Err(Failure::new(Exit::NotFound, format!("peer {peer} was not banned"), hint));
            }
            for (number, entry) in found.enumerate() {
                if number > 0 && !context.printer.is_json() {
                    context.printer.answer("")?;
                }
                show(&context.printer, &known, entry, now)?;
            }
            Ok(())
        }
        BlameAction::Clear(args) => clear(args, &ledger, context, now),
    }
}

fn read(ledger: &BanLedger, context: &Context, now: u64) -> Result<KnownBans, Failure> {
    let known = ledger.read(now)?;
    if known.unreadable > 0 {
        context
            .printer
            .warning(&format!("{} lines of `{FILE_NAME}` cannot be read and do not count", known.unreadable));
    }
    Ok(known)
}

fn object<'a>(known: &KnownBans, entry: &'a BanEntry, now: u64) -> BlameObject<'a> {
    let until = known.until(entry);
    BlameObject {
        entry,
        at_utc: utc(entry.at_unix),
        until_utc: utc(until),
        everywhere: known.is_banned_everywhere(&entry.peer),
        active: now < until,
    }
}

fn list(printer: &Printer, known: &KnownBans, entry: &BanEntry, now: u64) -> Result<(), Failure> {
    let object = object(known, entry, now);
    if printer.is_json() {
        return printer.event("blame", object);
    }
    let until = if object.active { "until" } else { "ended" };
    let what = if object.everywhere { "for every model, last for" } else { "for" };
    let chunk = entry.chunk.map_or_else(String::new, |chunk| format!(" (chunk {chunk})"));
    printer.answer(format!(
        "{}  {until} {}  {what} {}: {}{chunk}",
        entry.peer,
        object.until_utc,
        escape::shown(&entry.model),
        escape::shown(&entry.reason),
    ))
}

fn show(printer: &Printer, known: &KnownBans, entry: &BanEntry, now: u64) -> Result<(), Failure> {
    let object = object(known, entry, now);
    if printer.is_json() {
        return printer.event("blame", object);
    }
    let mut lines = Vec::new();
    let mut say = |label: &str, value: String| lines.push((label.to_owned(), value));
    say("peer", entry.peer.clone());
    say("model", escape::shown(&entry.model).to_string());
    say("swarm", entry.swarm_id.clone());
    say(
        "reason",
        format!("{}, seen by `minimodel {}`", escape::shown(&entry.reason), escape::shown(&entry.verb)),
    );
    if let Some(chunk) = entry.chunk {
        say("chunk", chunk.to_string());
        let unknown = || "not known: no proof of this chunk had come before".to_owned();
        say("expected", entry.expected.clone().unwrap_or_else(unknown));
    }
    if let Some(got) = &entry.got {
        say("got", got.clone());
    }
    say("when", object.at_utc);
    let ended = if object.active { "" } else { " (over)" };
    let whole = if object.everywhere { ", for every model: it was banned for three" } else { "" };
    say("banned until", format!("{}{ended}{whole}", object.until_utc));
    show::answer(printer, &lines)
}

fn clear(args: &BlameClearArgs, ledger: &BanLedger, context: &Context, now: u64) -> Result<(), Failure> {
    let peer = args.peer.map(|peer| peer.to_string());
    let gone = ledger.remove(now, |entry| peer.as_ref().is_none_or(|peer| *peer == entry.peer))?;
    if let (Some(peer), true) = (&peer, gone.is_empty()) {
        let hint = "nothing was changed; see all bans: `minimodel blame list`";
        return Err(Failure::new(Exit::NotFound, format!("peer {peer} was not banned"), hint));
    }
    let bans = if gone.len() == 1 { "1 ban" } else { &format!("{} bans", gone.len()) };
    context.printer.note(format!("{bans} taken back; transfers that run already keep theirs until they end"));
    context.printer.event("blame-cleared", serde_json::json!({"peer": peer, "bans": gone.len()}))
}
