//! The user's explicit yes to one action, asked for or given by a flag, and recorded.
//!
//! There is no general yes. Off a terminal, and under `--json`, only the flag counts; on a terminal each action is its
//! own question and takes only the word `yes`. Without consent nothing has been dialed or written. What was given is
//! appended to `consent.log` in the state folder before anything is done with it; if that fails, nothing is done.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::str::FromStr;

use minimodel_verifier::receipt::{Consent, ConsentAction};
use serde::Serialize;

use crate::clock;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::folders;
use crate::json;
use crate::printer::{Line, Tone};
use crate::settings::Context;

/// What a consent permits.
pub(crate) type Action = ConsentAction;

const LOG_NAME: &str = "consent.log";

/// The order in which actions are asked for and spelled.
const ORDER: [Action; 5] = [Action::Fetch, Action::Import, Action::Serve, Action::Cache, Action::Publish];

fn question_text(action: Action) -> &'static str {
    match action {
        Action::Fetch => "Fetch these bytes from these peers, who will see this machine's address?",
        Action::Import => "Import the file, after every check has passed?",
        Action::Serve => "Serve chunks of this file from this machine?",
        Action::Cache => "Keep the file here for later?",
        Action::Publish => "Publish to the peers of this swarm that this machine has the file and where it is?",
    }
}

/// A word in `--consent` that names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name actions joined by commas: fetch, import, serve, publish")]
pub(crate) struct UnknownAction;

/// `--consent fetch,import`, or the same list in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsentFlag {
    actions: BTreeSet<Action>,
}

impl ConsentFlag {
    /// Reads a list of words.
    pub(crate) fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownAction> {
        let actions = words.into_iter().map(|word| Action::from_word(word).ok_or(UnknownAction));
        Ok(Self { actions: actions.collect::<Result<_, _>>()? })
    }
}

impl FromStr for ConsentFlag {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_words(text.split(','))
    }
}

/// How a consent was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By `--consent`.
    Flag,
    /// By answering `yes` on a terminal.
    Prompt,
    /// By the list in a request file.
    Request,
    /// By the command itself, which does nothing else (`write-import-receipt`).
    Command,
}

impl How {
    /// The word in logs and receipts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Prompt => "prompt",
            Self::Request => "request",
            Self::Command => "command",
        }
    }
}

/// A consent that was given and recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    actions: BTreeSet<Action>,
    /// How it was given.
    pub(crate) how: How,
    /// When, RFC 3339 UTC.
    pub(crate) at_utc: String,
}

impl Granted {
    /// Whether `action` is permitted.
    pub(crate) fn permits(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }

    /// The actions, in a stable order.
    pub(crate) fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        ORDER.into_iter().filter(|action| self.permits(*action))
    }

    /// The lines of a receipt.
    pub(crate) fn for_receipt(&self, verb: &str) -> Vec<Consent> {
        let by = self.spelled(verb);
        self.actions().map(|action| Consent { action, at_utc: self.at_utc.clone(), by: by.clone() }).collect()
    }

    /// For logs and receipts: `--consent fetch,import` where a flag said it, else `prompt`, `request` or the verb.
    pub(crate) fn spelled(&self, verb: &str) -> String {
        match self.how {
            How::Flag => format!("--consent {}", join(&self.actions)),
            How::Prompt | How::Request => self.how.as_str().to_owned(),
            How::Command => verb.to_owned(),
        }
    }
}

/// What is asked, and about what.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The verb that asks: `fetch`.
    pub(crate) verb: &'a str,
    /// The swarm, or `None` while only an offer is known and its manifest is asked for.
    pub(crate) swarm_id: Option<&'a [u8; 32]>,
    /// Shown before the question: publisher, license, evidence, size, peers ([`crate::show::subject`]). Values from
    /// outside are escaped already.
    pub(crate) subject: &'a [(String, String)],
    /// Without one of these the verb does nothing.
    pub(crate) required: &'a [Action],
    /// These may be given besides. One that is neither required nor here is refused, so that nobody consents to what
    /// does not happen.
    pub(crate) optional: &'a [Action],
}

/// Asks or takes the flag, and records what was given. `flag`: the list and whether a flag or a request held it.
pub(crate) fn obtain(
    context: &Context,
    question: &Question<'_>,
    flag: Option<(&ConsentFlag, How)>,
) -> Result<Granted, Failure> {
    let granted = match flag {
        Some((flag, how)) => Granted { actions: by_flag(question, flag)?, how, at_utc: clock::now_utc() },
        None if context.settings.can_ask => {
            Granted { actions: by_prompt(context, question)?, how: How::Prompt, at_utc: clock::now_utc() }
        }
        None => return Err(missing(question, "no consent was given, and there is no terminal to ask on")),
    };
    record(context, question.verb, question.swarm_id, &granted)?;
    Ok(granted)
}

/// Records the consent that a command itself is.
pub(crate) fn by_command(
    context: &Context,
    verb: &str,
    swarm_id: &[u8; 32],
    action: Action,
) -> Result<Granted, Failure> {
    let granted = Granted { actions: BTreeSet::from([action]), how: How::Command, at_utc: clock::now_utc() };
    record(context, verb, Some(swarm_id), &granted)?;
    Ok(granted)
}

fn by_flag(question: &Question<'_>, flag: &ConsentFlag) -> Result<BTreeSet<Action>, Failure> {
    let known = |action: &Action| question.required.contains(action) || question.optional.contains(action);
    if let Some(foreign) = flag.actions.iter().find(|action| !known(action)) {
        let hint = format!("{} takes `{}`{}", question.verb, flag_text(question.required), may_add(question));
        let error = format!("{} never does `{}`, so it takes no consent for it", question.verb, foreign.as_str());
        return Err(Failure::new(Exit::Usage, error, hint).because(format!("--consent {}", join(&flag.actions))));
    }
    match question.required.iter().find(|action| !flag.actions.contains(action)) {
        Some(absent) => {
            let given = join(&flag.actions);
            Err(missing(question, &format!("consent to `{given}` is not consent to `{}`", absent.as_str())))
        }
        None => Ok(flag.actions.clone()),
    }
}

fn by_prompt(context: &Context, question: &Question<'_>) -> Result<BTreeSet<Action>, Failure> {
    let printer = &context.printer;
    let mut page = Line::default();
    let width = question.subject.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in question.subject {
        page = page.with(Tone::Strong, format!("{label:width$}")).with(Tone::Plain, format!("  {value}\n"));
    }
    let mut actions = BTreeSet::new();
    for &action in question.required.iter().chain(question.optional) {
        let is_required = question.required.contains(&action);
        let note = if is_required { "" } else { " (not needed)" };
        page = page.with(Tone::Strong, question_text(action)).with(Tone::Plain, format!("{note} Type yes to agree: "));
        let reply = printer.ask(std::mem::take(&mut page));
        let reply = reply.map_err(|error| missing(question, &format!("the answer could not be read: {error}")))?;
        if reply.as_deref().map(str::trim) == Some("yes") {
            actions.insert(action);
        } else if is_required {
            let said = reply.unwrap_or_default();
            let cause = format!("the answer to `{}` was `{}`, not `yes`", action.as_str(), escape::shown(&said));
            return Err(missing(question, &cause));
        }
    }
    Ok(actions)
}

fn missing(question: &Question<'_>, cause: &str) -> Failure {
    let wanted = join(&question.required.iter().copied().collect());
    let hint = format!("to agree, add `{}`{}", flag_text(question.required), may_add(question));
    let error = match question.swarm_id {
        Some(id) => {
            let id = data_encoding::HEXLOWER.encode(id);
            format!("{} of swarm {id} needs consent to {wanted}; nothing was dialed or written", question.verb)
        }
        None => format!("{} needs consent to {wanted}; nothing was dialed or written", question.verb),
    };
    Failure::new(Exit::Consent, error, hint).because(cause)
}

fn flag_text(actions: &[Action]) -> String {
    format!("--consent {}", join(&actions.iter().copied().collect()))
}

fn may_add(question: &Question<'_>) -> String {
    let words: Vec<&str> = question.optional.iter().map(|action| action.as_str()).collect();
    if words.is_empty() { String::new() } else { format!(" (it may also name {})", words.join(", ")) }
}

fn join(actions: &BTreeSet<Action>) -> String {
    let words = ORDER.into_iter().filter(|action| actions.contains(action)).map(Action::as_str);
    words.collect::<Vec<_>>().join(",")
}

/// One line of the log.
#[derive(Serialize)]
struct LogLine<'a> {
    version: u32,
    time: &'a str,
    verb: &'a str,
    actions: Vec<&'a str>,
    swarm_id: Option<String>,
    by: &'a str,
    spelled: String,
}

fn record(context: &Context, verb: &str, swarm_id: Option<&[u8; 32]>, granted: &Granted) -> Result<(), Failure> {
    let folder = context.folders.state()?;
    let path = folder.join(LOG_NAME);
    let line = LogLine {
        version: 0,
        time: &granted.at_utc,
        verb,
        actions: granted.actions().map(Action::as_str).collect(),
        swarm_id: swarm_id.map(|id| data_encoding::HEXLOWER.encode(id)),
        by: granted.how.as_str(),
        spelled: granted.spelled(verb),
    };
    let line = json::line(&line)
        .map_err(|error| Failure::unexpected("cannot record the consent", &anyhow::Error::new(error)))?;
    let append = || {
        folders::create(folder)?;
        let mut log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        // One write, so that two processes never mix their lines.
        log.write_all(format!("{line}\n").as_bytes())?;
        log.sync_data()
    };
    append().map_err(|error| Failure::writing("consent log", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FETCH: Question<'static> = Question {
        verb: "fetch",
        swarm_id: None,
        subject: &[],
        required: &[Action::Fetch, Action::Import],
        optional: &[Action::Serve, Action::Publish],
    };

    fn flag(text: &str) -> ConsentFlag {
        text.parse().unwrap()
    }

    #[test]
    fn a_flag_names_known_actions_in_any_order() {
        assert_eq!(flag("import,fetch"), flag("fetch,import,fetch"));
        for text in ["", "yes", "all", "fetch,", "fetch, import", "Fetch", "fetch;import"] {
            assert_eq!(text.parse::<ConsentFlag>(), Err(UnknownAction), "{text:?}");
        }
    }

    #[test]
    fn a_flag_permits_what_it_names_and_no_more() {
        let actions = by_flag(&FETCH, &flag("fetch,import,serve")).unwrap();
        let granted = Granted { actions, how: How::Flag, at_utc: clock::now_utc() };
        assert!(granted.permits(Action::Serve) && !granted.permits(Action::Publish));
        assert_eq!(granted.spelled("fetch"), "--consent fetch,import,serve");
    }

    #[test]
    fn a_missing_action_is_exit_5_with_the_exact_flag() {
        let failure = by_flag(&FETCH, &flag("fetch,serve")).unwrap_err();
        assert_eq!(failure.class, Exit::Consent);
        assert!(failure.hint.contains("`--consent fetch,import`"), "{}", failure.hint);
        assert!(failure.cause.unwrap().contains("not consent to `import`"));
    }

    #[test]
    fn consent_to_what_a_verb_never_does_is_a_usage_error() {
        let seed = Question { verb: "seed", required: &[Action::Serve], optional: &[Action::Publish], ..FETCH };
        let failure = by_flag(&seed, &flag("serve,import")).unwrap_err();
        assert_eq!(failure.class, Exit::Usage);
        assert!(failure.hint.contains("--consent serve"));
    }
}
