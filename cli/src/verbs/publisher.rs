//! `minimodel publisher`: lists, forgets and pins the keys under which publishers are known.

use minimodel::clock::{now_unix, utc};
use minimodel::publishers::{KeyRecord, PublisherRecord};
use serde::Serialize;

use crate::args::{PublisherAction, PublisherArgs};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::publisher::{self, KeyObject};
use crate::settings::Context;
use crate::show;

/// A publisher under `--json`.
#[derive(Serialize)]
struct PublisherObject<'a> {
    publisher: &'a str,
    pinned: Option<String>,
    keys: Vec<KeyObject>,
}

/// Runs the verb.
pub(crate) fn run(args: &PublisherArgs, context: &Context) -> Result<(), Failure> {
    let (record, printer) = (publisher::record(context)?, &context.printer);
    match &args.action {
        PublisherAction::List(_) => {
            let known = record.read().map_err(publisher::failure)?;
            if known.is_empty() {
                printer.note("no publisher's key is known: the first that you import from is kept");
            }
            known.iter().try_for_each(|(id, publisher)| list(printer, id, publisher))
        }
        PublisherAction::Show(args) => {
            let known = record.read().map_err(publisher::failure)?;
            let found = known.get(&args.publisher).ok_or_else(|| unknown(&args.publisher))?;
            show(printer, &args.publisher, found)
        }
        PublisherAction::Forget(args) => {
            let gone = record.forget(&args.publisher, args.key).map_err(publisher::failure)?;
            let keys = if gone.len() == 1 { "1 key" } else { &format!("{} keys", gone.len()) };
            printer.note(format!("{keys} of `{}` forgotten", args.publisher));
            let gone: Vec<_> = gone.iter().map(KeyObject::from).collect();
            let fields = serde_json::json!({"publisher": args.publisher, "keys": gone});
            printer.event("publisher-forgotten", fields)
        }
        PublisherAction::Pin(args) => {
            let pinned = record.pin(&args.publisher, args.key, now_unix()).map_err(publisher::failure)?;
            printer.note("no other key is accepted for it, and no manifest without a signature");
            list(printer, &args.publisher, &pinned)
        }
        PublisherAction::Unpin(args) => {
            let known = record.unpin(&args.publisher).map_err(publisher::failure)?;
            list(printer, &args.publisher, &known)
        }
    }
}

fn unknown(publisher: &str) -> Failure {
    let error = format!("no key of the publisher `{}` is known", escape::shown(publisher));
    Failure::new(Exit::NotFound, error, "see all: `minimodel publisher list`")
}

fn event(printer: &Printer, id: &str, publisher: &PublisherRecord) -> Result<(), Failure> {
    let keys = publisher.keys.iter().map(KeyObject::from).collect();
    let pinned = publisher.pinned.map(|key| key.to_string());
    printer.event("known-publisher", PublisherObject { publisher: id, pinned, keys })
}

/// Since when a key is known, with which model, and whether it is pinned.
fn by(publisher: &PublisherRecord, key: &KeyRecord) -> String {
    let pinned = if publisher.pinned == Some(key.key) { "  pinned" } else { "" };
    let from =
        key.model.as_deref().map(|model| format!(", with {}", escape::shown(model))).unwrap_or_default();
    format!("since {}{from}{pinned}", utc(key.first_seen_unix))
}

fn list(printer: &Printer, id: &str, publisher: &PublisherRecord) -> Result<(), Failure> {
    if printer.is_json() {
        return event(printer, id, publisher);
    }
    let line = |key: &KeyRecord| printer.answer(format!("{id}  {}  {}", key.key, by(publisher, key)));
    publisher.keys.iter().try_for_each(line)
}

fn show(printer: &Printer, id: &str, publisher: &PublisherRecord) -> Result<(), Failure> {
    if printer.is_json() {
        return event(printer, id, publisher);
    }
    let mut lines = vec![("publisher".to_owned(), id.to_owned())];
    let mut say = |label: &str, value: String| lines.push((label.to_owned(), value));
    say("pinned", publisher.pinned.map_or_else(|| "no".to_owned(), |key| format!("to {key}")));
    for key in &publisher.keys {
        say("key", key.key.to_string());
        say("first seen", utc(key.first_seen_unix));
        say("known by", key.origin.as_str().to_owned());
        if let Some(model) = &key.model {
            say("with", escape::shown(model).to_string());
        }
        if let Some(swarm_id) = &key.swarm_id {
            say("swarm", swarm_id.clone());
        }
    }
    show::answer(printer, &lines)
}
