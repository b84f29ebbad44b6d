//! Asking for a consent, or taking it from a flag.

use std::collections::BTreeSet;
use std::io;

use minimodel::consent::{RunConsent, unmet};

use minimodel::consent::Action;

use super::advance::Advance;
use super::screen::{self, Choices};
use crate::args::{ConsentFlag, ConsentSource, join};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Line;
use crate::settings::Context;
use crate::text;

/// Text of a refusal before anything has happened.
pub(crate) const NOTHING_DONE: &str = "nothing was dialed or written";

/// Text of a refusal after the manifest came from a peer, under a consent of its own.
pub(crate) const MANIFEST_ASKED: &str = "the manifest was asked for, no model byte was";

fn meaning(action: Action) -> String {
    let text = match action {
        Action::Fetch => "fetch it from these peers, who see this machine's address",
        Action::Import => "import the file, once every check has passed",
        Action::Serve => "serve chunks of it to other peers",
        Action::Cache => "cache it: the library keeps the file, and may evict it later",
        Action::Publish => "publish to the peers of this model that this machine has it, and where",
        Action::Lan => {
            "look on the network at hand; with `publish`, be found there: by anyone here who has the manifest"
        }
        Action::Dht => {
            "ask the public DHT of BitTorrent; with `publish`, be found there: anyone who has the manifest sees this address"
        }
        Action::Map => "have the router let others in at one port, while this runs",
        Action::Executable => "take a file that can run code when a program loads it",
    };
    text.to_owned()
}

/// What an action means while only an offer is known.
fn meaning_by_offer(action: Action) -> String {
    match action {
        Action::Fetch => "fetch the model that the manifest names".to_owned(),
        other => meaning(other),
    }
}

/// Actions to ask for, and what they are about.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The verb that asks: `fetch`.
    pub(crate) verb: &'a str,
    /// The swarm, or `None` while only an offer is known and its manifest is asked for.
    pub(crate) swarm_id: Option<&'a [u8; 32]>,
    /// The question in one line that a stranger understands. Values from outside are escaped already.
    pub(crate) headline: &'a str,
    /// A warning above it, or `None`; escaped likewise.
    pub(crate) notice: Option<&'a str>,
    /// Shown below it: publisher, license, evidence, size, peers ([`crate::show::subject`]); escaped likewise.
    pub(crate) subject: &'a [(String, String)],
    /// Actions that the verb needs: without one of them it does nothing.
    pub(crate) required: &'a [Action],
    /// Actions that may be given besides. An action that is neither required nor optional is refused, so that no user
    /// consents to what does not happen.
    pub(crate) optional: &'a [Action],
    /// What has happened so far, for a refusal: [`NOTHING_DONE`] or [`MANIFEST_ASKED`].
    pub(crate) done: &'static str,
}

/// Asks, or takes the flag, and records the consents that were given.
pub(crate) fn obtain(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
) -> Result<RunConsent, Failure> {
    let (actions, source) = answer(context, question, flag)?;
    record(context, question.verb, question.swarm_id, source.consent(question.verb, actions))
}

/// Records the consents of an answer that was given before the manifest was known, now that it counts.
pub(crate) fn take_up(
    context: &Context,
    question: &Question<'_>,
    actions: BTreeSet<Action>,
) -> Result<RunConsent, Failure> {
    let consent = ConsentSource::Prompt.consent(question.verb, actions);
    record(context, question.verb, question.swarm_id, consent)
}

/// Asks for the consent to request a manifest, or takes the flag, and records it. On a terminal the answer may consent to
/// the whole fetch, which takes `later`, and to `besides`; that consent is returned, and recorded when it is taken up.
pub(crate) fn obtain_by_offer(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
    (later, besides): (&[Action], &[Action]),
) -> Result<Option<Advance>, Failure> {
    let choices = screen::choices_by_offer(later, besides, meaning_by_offer);
    let (actions, source) = ask(context, question, flag, &choices)?;
    let (now, advance) = match source {
        ConsentSource::Prompt => {
            let is_whole = !actions.iter().eq(question.required);
            (question.required.iter().copied().collect(), is_whole.then(|| Advance::new(actions)))
        }
        ConsentSource::Flag | ConsentSource::Command => (actions, None),
    };
    record(context, question.verb, question.swarm_id, source.consent(question.verb, now))?;
    Ok(advance)
}

/// Asks for all required actions in the caller's words and records nothing, because a grant has a record of its own.
pub(crate) fn agree(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
    meaning: impl Fn(Action) -> String,
) -> Result<ConsentSource, Failure> {
    let choices = screen::choices(question.required, &[], meaning);
    ask(context, question, flag, &choices).map(|(_, source)| source)
}

/// Asks for all actions, or takes the flag, and records nothing: the companion does the work and records the consent.
pub(crate) fn answer(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
) -> Result<(BTreeSet<Action>, ConsentSource), Failure> {
    let choices = screen::choices(question.required, question.optional, meaning);
    ask(context, question, flag, &choices)
}

/// Like [`answer`], for a transfer whose manifest is not known: on a terminal the manifest alone is asked for.
pub(crate) fn answer_by_offer(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
) -> Result<(BTreeSet<Action>, ConsentSource), Failure> {
    ask(context, question, flag, &screen::for_manifest())
}

fn ask(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
    choices: &Choices,
) -> Result<(BTreeSet<Action>, ConsentSource), Failure> {
    match flag {
        Some(flag) => Ok((by_flag(question, flag)?, ConsentSource::Flag)),
        None if context.settings.can_ask => {
            let actions = by_prompt(question, choices, |page| context.printer.ask(page))?;
            Ok((actions, ConsentSource::Prompt))
        }
        None => {
            let cause = "no consent was given, and there is no terminal to ask on";
            Err(missing(question, question.required, cause))
        }
    }
}

/// Records the consent that the command itself gives.
pub(crate) fn by_command(
    context: &Context,
    verb: &str,
    swarm_id: &[u8; 32],
    action: Action,
) -> Result<RunConsent, Failure> {
    record(context, verb, Some(swarm_id), ConsentSource::Command.consent(verb, BTreeSet::from([action])))
}

/// Appends the consent to the log; a failure means that nothing may be done with it.
fn record(
    context: &Context,
    verb: &str,
    swarm_id: Option<&[u8; 32]>,
    consent: RunConsent,
) -> Result<RunConsent, Failure> {
    consent.record(&context.home, verb, swarm_id).map(|()| consent).map_err(text::consent)
}

fn by_flag(question: &Question<'_>, flag: &ConsentFlag) -> Result<BTreeSet<Action>, Failure> {
    let known = |action: &Action| question.required.contains(action) || question.optional.contains(action);
    // A script may accept such files whether or not this is one.
    let is_foreign = |action: &&Action| !known(action) && **action != Action::Executable;
    if let Some(foreign) = flag.actions.iter().find(is_foreign) {
        let hint = format!("{} takes `{}`{}", question.verb, flag_text(question.required), may_add(question));
        let error =
            format!("{} never does `{}`, so it takes no consent for it", question.verb, foreign.as_str());
        return Err(
            Failure::new(Exit::Usage, error, hint).because(format!("--consent {}", join(&flag.actions)))
        );
    }
    let given = join(&flag.actions);
    let absent: Vec<Action> =
        question.required.iter().copied().filter(|action| !flag.actions.contains(action)).collect();
    if let Some(first) = absent.first() {
        let cause = format!("consent to `{given}` is not consent to `{}`", first.as_str());
        return Err(missing(question, &absent, &cause));
    }
    if let Some(unmet) = unmet(|action| flag.actions.contains(&action))
        && let Some(&needed) = unmet.needs.iter().find(|&needed| known(needed))
    {
        let cause = format!("consent to `{given}`: {unmet}, {}", unmet.reason());
        return Err(missing(question, &[needed], &cause));
    }
    Ok(flag.actions.iter().copied().filter(known).collect())
}

fn by_prompt(
    question: &Question<'_>,
    choices: &Choices,
    ask: impl FnOnce(Line) -> io::Result<Option<String>>,
) -> Result<BTreeSet<Action>, Failure> {
    let reply = ask(screen::page(question.notice, question.headline, question.subject, choices));
    let reply = reply.map_err(|error| {
        missing(question, question.required, &format!("the answer could not be read: {error}"))
    })?;
    let said = reply.unwrap_or_default();
    if let Some(gives) = screen::chosen(choices, &said) {
        return Ok(gives);
    }
    let cause = format!("the answer was `{}`, not {}", escape::shown(&said), screen::listed(choices, "`"));
    Err(missing(question, question.required, &cause))
}

/// The failure for consent not given to the actions `absent`; its hint names these and all required actions.
fn missing(question: &Question<'_>, absent: &[Action], cause: &str) -> Failure {
    let verb = question.verb;
    let subject = match question.swarm_id {
        Some(id) => format!("{verb} of swarm {}", data_encoding::HEXLOWER.encode(id)),
        None => verb.to_owned(),
    };
    let error = format!("{subject} needs consent to {}; {}", words(absent), question.done);
    let needed: Vec<Action> = question.required.iter().chain(absent).copied().collect();
    let hint = format!("to agree, add `{}`{}", flag_text(&needed), may_add(question));
    Failure::new(Exit::Consent, error, hint).because(cause)
}

fn words(actions: &[Action]) -> String {
    join(&actions.iter().copied().collect())
}

fn flag_text(actions: &[Action]) -> String {
    format!("--consent {}", words(actions))
}

fn may_add(question: &Question<'_>) -> String {
    let words: Vec<&str> = question.optional.iter().map(|action| action.as_str()).collect();
    if words.is_empty() { String::new() } else { format!(" (it may also name {})", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FETCH: Question<'static> = Question {
        verb: "fetch",
        swarm_id: None,
        headline: "Fetch it?",
        notice: None,
        subject: &[],
        required: &[Action::Fetch, Action::Import],
        optional: &[Action::Serve, Action::Publish],
        done: NOTHING_DONE,
    };

    fn flag(text: &str) -> ConsentFlag {
        text.parse().unwrap()
    }

    #[test]
    fn a_flag_permits_what_it_names_and_no_more() {
        let actions = by_flag(&FETCH, &flag("fetch,import,serve")).unwrap();
        let granted = ConsentSource::Flag.consent("fetch", actions);
        assert!(granted.permits(Action::Serve) && !granted.permits(Action::Publish));
        assert_eq!(granted.spelled(), "--consent fetch,import,serve");
    }

    #[test]
    fn a_missing_action_is_exit_5_with_the_exact_flag() {
        let failure = by_flag(&FETCH, &flag("fetch,serve")).unwrap_err();
        assert_eq!(failure.class, Exit::Consent);
        assert!(failure.hint.contains("`--consent fetch,import`"), "{}", failure.hint);
        assert!(failure.cause.unwrap().contains("not consent to `import`"));
    }

    fn reply(word: Option<&str>) -> Result<BTreeSet<Action>, Failure> {
        let choices = screen::choices(FETCH.required, FETCH.optional, meaning);
        by_prompt(&FETCH, &choices, |_| Ok(word.map(str::to_owned)))
    }

    #[test]
    fn a_prompt_takes_one_answer_for_all_that_it_names() {
        let needed = BTreeSet::from([Action::Fetch, Action::Import]);
        assert_eq!(reply(Some(" yes ")).unwrap(), needed);
        let serving = BTreeSet::from([Action::Fetch, Action::Import, Action::Serve]);
        assert_eq!(reply(Some("yes serve")).unwrap(), serving);
        assert_eq!(reply(Some("yes serve publish")).unwrap().len(), 4);
    }

    #[test]
    fn publishing_is_not_taken_without_serving() {
        assert_eq!(reply(Some("yes publish")).unwrap_err().class, Exit::Consent);
        let failure = by_flag(&FETCH, &flag("fetch,import,publish")).unwrap_err();
        assert_eq!(failure.class, Exit::Consent);
        assert!(failure.error.contains("needs consent to serve; nothing was dialed"), "{}", failure.error);
        assert!(failure.hint.contains("`--consent fetch,import,serve`"), "{}", failure.hint);
    }

    #[test]
    fn a_prompt_takes_no_other_answer_and_says_which_agree() {
        for word in [
            None,
            Some(""),
            Some("y"),
            Some("YES"),
            Some("yes please"),
            Some("\u{1b}yes"),
            Some("no"),
            Some("yes fetch"),
            Some("yes import serve"),
        ] {
            let failure = reply(word).unwrap_err();
            assert_eq!(failure.class, Exit::Consent, "{word:?}");
            assert!(failure.hint.contains("`--consent fetch,import`"), "{}", failure.hint);
            let cause = failure.cause.unwrap();
            assert!(cause.ends_with("not `yes`, `yes serve` or `yes serve publish`"), "{cause}");
            assert!(!cause.contains('\u{1b}'));
        }
    }

    #[test]
    fn consent_to_what_a_verb_never_does_is_a_usage_error() {
        let seed =
            Question { verb: "seed", required: &[Action::Serve], optional: &[Action::Publish], ..FETCH };
        let failure = by_flag(&seed, &flag("serve,import")).unwrap_err();
        assert_eq!(failure.class, Exit::Usage);
        assert!(failure.hint.contains("--consent serve"));
    }
}
