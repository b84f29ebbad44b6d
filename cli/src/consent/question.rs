//! Asking for a consent, or taking it from a flag.

use std::collections::BTreeSet;
use std::io;

use minimodel::consent::{RunConsent, is_publish_alone};

use minimodel::consent::Action;

use crate::args::{ConsentFlag, ConsentSource, join};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;
use crate::text;

/// Text of a refusal before anything has happened.
pub(crate) const NOTHING_DONE: &str = "nothing was dialed or written";

/// Text of a refusal after the manifest came from a peer, under a consent of its own.
pub(crate) const MANIFEST_ASKED: &str = "the manifest was asked for, no model byte was";

fn question_text(action: Action) -> &'static str {
    match action {
        Action::Fetch => "Fetch these bytes from these peers, who will see this machine's address?",
        Action::Import => "Import the file, after every check has passed?",
        Action::Serve => "Serve chunks of this file from this machine?",
        Action::Cache => "Keep the file here for later?",
        Action::Publish => {
            "Publish to the peers of this swarm that this machine has the file and where it is?"
        }
    }
}

/// Actions to ask for, and what they are about.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The verb that asks: `fetch`.
    pub(crate) verb: &'a str,
    /// The swarm, or `None` while only an offer is known and its manifest is asked for.
    pub(crate) swarm_id: Option<&'a [u8; 32]>,
    /// Shown before the question: publisher, license, evidence, size, peers ([`crate::show::subject`]). Values from
    /// outside are escaped already.
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
    obtain_asking(context, question, question.optional, flag)
}

/// Like `obtain`, but on a terminal only required actions are asked for, because a later question asks for the optional ones.
pub(crate) fn obtain_required(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
) -> Result<RunConsent, Failure> {
    obtain_asking(context, question, &[], flag)
}

fn obtain_asking(
    context: &Context,
    question: &Question<'_>,
    asked_besides: &[Action],
    flag: Option<&ConsentFlag>,
) -> Result<RunConsent, Failure> {
    let wording = |action| question_text(action).to_owned();
    let (actions, source) = ask(context, question, asked_besides, flag, wording)?;
    record(context, question.verb, question.swarm_id, source.consent(question.verb, actions))
}

/// Asks for all required actions in the caller's wording and records nothing, because a grant has a record of its own.
pub(crate) fn agree(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
    wording: impl Fn(Action) -> String,
) -> Result<ConsentSource, Failure> {
    ask(context, question, &[], flag, wording).map(|(_, source)| source)
}

fn ask(
    context: &Context,
    question: &Question<'_>,
    asked_besides: &[Action],
    flag: Option<&ConsentFlag>,
    wording: impl Fn(Action) -> String,
) -> Result<(BTreeSet<Action>, ConsentSource), Failure> {
    match flag {
        Some(flag) => Ok((by_flag(question, flag)?, ConsentSource::Flag)),
        None if context.settings.can_ask => {
            let actions = by_prompt(question, asked_besides, wording, |page| context.printer.ask(page))?;
            Ok((actions, ConsentSource::Prompt))
        }
        None => {
            let cause = "no consent was given, and there is no terminal to ask on";
            Err(missing(question, question.required, cause))
        }
    }
}

/// Asks for all actions, or takes the flag, and records nothing: the companion does the work and records the consent.
pub(crate) fn answer(
    context: &Context,
    question: &Question<'_>,
    flag: Option<&ConsentFlag>,
) -> Result<(BTreeSet<Action>, ConsentSource), Failure> {
    ask(context, question, question.optional, flag, |action| question_text(action).to_owned())
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
    if let Some(foreign) = flag.actions.iter().find(|action| !known(action)) {
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
    if is_publish_alone(|action| flag.actions.contains(&action)) && known(&Action::Serve) {
        let cause = format!(
            "consent to `{given}` is not consent to `serve`, and publish tells peers that this machine serves"
        );
        return Err(missing(question, &[Action::Serve], &cause));
    }
    Ok(flag.actions.clone())
}

fn by_prompt(
    question: &Question<'_>,
    asked_besides: &[Action],
    wording: impl Fn(Action) -> String,
    mut ask: impl FnMut(Line) -> io::Result<Option<String>>,
) -> Result<BTreeSet<Action>, Failure> {
    let mut page = Line::default();
    let width = question.subject.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in question.subject {
        page = page.with(Tone::Strong, format!("{label:width$}")).with(Tone::Plain, format!("  {value}\n"));
    }
    let mut actions = BTreeSet::new();
    for &action in question.required.iter().chain(asked_besides) {
        let would_have = |other: Action| other == action || actions.contains(&other);
        if is_publish_alone(would_have) && !question.required.contains(&Action::Publish) {
            continue;
        }
        let is_required = question.required.contains(&action);
        let note = if is_required { "" } else { " (not needed)" };
        page =
            page.with(Tone::Strong, wording(action)).with(Tone::Plain, format!("{note} Type yes to agree: "));
        let reply = ask(std::mem::take(&mut page));
        let reply = reply.map_err(|error| {
            missing(question, &[action], &format!("the answer could not be read: {error}"))
        })?;
        if reply.as_deref().map(str::trim) == Some("yes") {
            actions.insert(action);
        } else if is_required {
            let said = reply.unwrap_or_default();
            let cause =
                format!("the answer to `{}` was `{}`, not `yes`", action.as_str(), escape::shown(&said));
            return Err(missing(question, &[action], &cause));
        }
    }
    Ok(actions)
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

    fn replies(words: &[Option<&str>]) -> (Result<BTreeSet<Action>, Failure>, usize) {
        let mut asked = 0;
        let answered = by_prompt(
            &FETCH,
            FETCH.optional,
            |action| question_text(action).to_owned(),
            |_| {
                let reply = words.get(asked).copied().flatten().map(str::to_owned);
                asked += 1;
                Ok(reply)
            },
        );
        (answered, asked)
    }

    #[test]
    fn a_prompt_takes_the_word_yes_for_each_action_alone() {
        let (granted, asked) = replies(&[Some("yes"), Some(" yes "), Some("yes"), Some("no")]);
        assert_eq!(asked, 4);
        assert_eq!(granted.unwrap(), BTreeSet::from([Action::Fetch, Action::Import, Action::Serve]));
    }

    #[test]
    fn publishing_is_neither_asked_for_nor_taken_without_serving() {
        let (granted, asked) = replies(&[Some("yes"), Some("yes"), Some("no")]);
        assert_eq!(asked, 3);
        assert_eq!(granted.unwrap(), BTreeSet::from([Action::Fetch, Action::Import]));
        let failure = by_flag(&FETCH, &flag("fetch,import,publish")).unwrap_err();
        assert_eq!(failure.class, Exit::Consent);
        assert!(failure.error.contains("needs consent to serve; nothing was dialed"), "{}", failure.error);
        assert!(failure.hint.contains("`--consent fetch,import,serve`"), "{}", failure.hint);
    }

    #[test]
    fn a_prompt_takes_nothing_else_for_yes_and_asks_no_further() {
        for word in
            [None, Some(""), Some("y"), Some("YES"), Some("yes please"), Some("\u{1b}yes"), Some("no")]
        {
            let (refused, asked) = replies(&[word]);
            let failure = refused.unwrap_err();
            assert_eq!((failure.class, asked), (Exit::Consent, 1), "{word:?}");
            assert!(!failure.cause.unwrap().contains('\u{1b}'));
            assert_eq!(replies(&[Some("yes"), word]).1, 2);
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
