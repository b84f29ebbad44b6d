//! The one screen of a question: a line that a stranger understands, what is known, and the answers that agree.
//!
//! An answer is `yes`, or `yes` with the names of further actions. Only an answer that the screen lists agrees: one of its lines, to
//! which the ways to be found and reached are added freely.

use std::collections::BTreeSet;

use minimodel::consent::{Action, unmet};

use crate::printer::{Line, Tone};
use crate::show;

/// What the last line of the list says of all other answers.
const ANYTHING_ELSE: &str = "anything else";

/// The answers that agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choices {
    /// One a line, each with what it agrees to.
    listed: Vec<Choice>,
    /// Ways to be found and reached, each of which may be added to an answer, and what each means.
    ways: Vec<(Action, String)>,
}

/// Returns true for an action that the user adds to an answer, or leaves out, whichever the others are.
fn is_way(action: Action) -> bool {
    matches!(action, Action::Lan | Action::Dht | Action::Map)
}

/// One answer that agrees, and what it agrees to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Actions that the answer names behind `yes`.
    pub(super) named: BTreeSet<Action>,
    /// All actions that the answer agrees to.
    pub(super) gives: BTreeSet<Action>,
    /// What it agrees to beyond the choice before it, a line each.
    adds: Vec<String>,
    /// Ways may be added to it.
    takes_ways: bool,
}

impl Choice {
    /// The answer as the user types it: `yes serve`.
    pub(super) fn words(&self) -> String {
        let named = Action::ALL.into_iter().filter(|action| self.named.contains(action));
        std::iter::once("yes").chain(named.map(Action::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// The choice that also names `action`.
    fn and(&self, action: Action, meaning: &str) -> Self {
        let with = |actions: &BTreeSet<Action>| actions.iter().copied().chain([action]).collect();
        let adds = vec![format!("also {meaning}")];
        Self { named: with(&self.named), gives: with(&self.gives), adds, takes_ways: true }
    }
}

/// The choices of a question: `yes` for all of `required`, then one more action at a time.
pub(super) fn choices(
    required: &[Action],
    optional: &[Action],
    meaning: impl Fn(Action) -> String,
) -> Choices {
    // Nobody agrees to it without typing its name.
    let named = required.iter().copied().filter(|action| *action == Action::Executable);
    let plain = Choice {
        named: named.collect(),
        gives: required.iter().copied().collect(),
        adds: lines("", required, &meaning),
        takes_ways: true,
    };
    with_optional(vec![plain], optional, meaning)
}

/// The choices while only an offer is known: `yes` for its manifest alone, `yes fetch` for the fetch as well, which takes
/// consent to all of `required`.
pub(super) fn choices_by_offer(
    required: &[Action],
    optional: &[Action],
    meaning: impl Fn(Action) -> String,
) -> Choices {
    let gives: BTreeSet<Action> = required.iter().copied().collect();
    // `fetch` stands for what a fetch cannot do without; other actions are always named.
    let is_named = |action: &Action| !matches!(action, Action::Import | Action::Cache);
    let mut adds = lines("also ", required, &meaning);
    adds.push("but ask again if it is not signed, or not by the known key".to_owned());
    let whole =
        Choice { named: gives.iter().copied().filter(is_named).collect(), adds, gives, takes_ways: true };
    with_optional(vec![manifest_alone(), whole], optional, meaning)
}

/// A line for each action: the first begins with `first`, the others with "and".
fn lines(first: &str, actions: &[Action], meaning: impl Fn(Action) -> String) -> Vec<String> {
    let begin = |number| if number == 0 { first } else { "and " };
    actions
        .iter()
        .enumerate()
        .map(|(number, &action)| format!("{}{}", begin(number), meaning(action)))
        .collect()
}

/// `yes` to a request for the manifest, and nothing else.
pub(super) fn for_manifest() -> Choices {
    Choices { listed: vec![manifest_alone()], ways: Vec::new() }
}

fn manifest_alone() -> Choice {
    let adds = [
        "fetch the manifest alone from this peer, who sees this machine's address",
        "and ask again, with what it says",
    ];
    Choice {
        named: BTreeSet::new(),
        gives: BTreeSet::from([Action::Fetch]),
        adds: adds.map(str::to_owned).to_vec(),
        takes_ways: false,
    }
}

fn with_optional(
    mut listed: Vec<Choice>,
    optional: &[Action],
    meaning: impl Fn(Action) -> String,
) -> Choices {
    let mut ways = Vec::new();
    for &action in optional {
        let Some(last) = listed.last() else { continue };
        let is_alone = unmet(|other| other == action || last.gives.contains(&other)).is_some();
        if last.gives.contains(&action) || is_alone {
            continue;
        }
        if is_way(action) {
            ways.push((action, meaning(action)));
        } else {
            listed.push(last.and(action, &meaning(action)));
        }
    }
    Choices { listed, ways }
}

/// Finds what a reply agrees to. Order and commas do not matter; a word too many or too few does.
pub(super) fn chosen(choices: &Choices, reply: &str) -> Option<BTreeSet<Action>> {
    let mut words = reply.split(|character: char| character == ',' || character.is_ascii_whitespace());
    let mut words = words.by_ref().filter(|word| !word.is_empty());
    if words.next() != Some("yes") {
        return None;
    }
    let named: BTreeSet<Action> = words.map(Action::from_word).collect::<Option<_>>()?;
    let is_offered = |action: &Action| choices.ways.iter().any(|(way, _)| way == action);
    let (ways, named): (BTreeSet<Action>, BTreeSet<Action>) = named.into_iter().partition(is_offered);
    let choice = choices.listed.iter().find(|choice| choice.named == named)?;
    let gives: BTreeSet<Action> = choice.gives.iter().chain(&ways).copied().collect();
    let may_have = || choice.takes_ways && unmet(|action| gives.contains(&action)).is_none();
    (ways.is_empty() || may_have()).then_some(gives)
}

/// The answers that agree, each between `mark`s: `yes`, `yes serve` or `yes serve publish`.
pub(super) fn listed(choices: &Choices, mark: &str) -> String {
    let words: Vec<String> =
        choices.listed.iter().map(|choice| format!("{mark}{}{mark}", choice.words())).collect();
    in_a_row(&words, "or")
}

/// Words in a row: `fetch, import and serve`.
pub(crate) fn in_a_row<S: AsRef<str>>(words: &[S], before_last: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} {before_last} {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// Lays the screen out, to the place where the answer is typed. `subject`: label and escaped value a line.
pub(super) fn page(
    notice: Option<&str>,
    headline: &str,
    subject: &[(String, String)],
    choices: &Choices,
) -> Line {
    let mut page = Line::default();
    if let Some(notice) = notice {
        page = page.with(Tone::Bad, "WARNING: ").with(Tone::Strong, format!("{notice}\n"));
    }
    page = page.with(Tone::Strong, headline).with(Tone::Plain, "\n\n");
    page = page.followed_by(show::summary(subject)).with(Tone::Plain, "\n\n");
    let lengths = choices.listed.iter().map(|choice| choice.words().len());
    let width = lengths.chain([ANYTHING_ELSE.len()]).max().unwrap_or(0);
    for choice in &choices.listed {
        let mut words = choice.words();
        for line in &choice.adds {
            page =
                page.with(Tone::Strong, format!("  {words:width$}")).with(Tone::Plain, format!("  {line}\n"));
            words.clear();
        }
    }
    for (number, (way, meaning)) in choices.ways.iter().enumerate() {
        let words =
            if number == 0 { format!("... {}", way.as_str()) } else { format!("    {}", way.as_str()) };
        page =
            page.with(Tone::Strong, format!("  {words:width$}")).with(Tone::Plain, format!("  {meaning}\n"));
    }
    page.with(Tone::Plain, format!("  {ANYTHING_ELSE:width$}  no\n\n"))
        .with(Tone::Plain, format!("Type {} to agree: ", listed(choices, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FETCH: &[Action] = &[Action::Fetch, Action::Import];
    const BESIDES: &[Action] = &[Action::Serve, Action::Publish];

    fn word(action: Action) -> String {
        format!("{} it", action.as_str())
    }

    fn words(choices: &Choices) -> Vec<String> {
        choices.listed.iter().map(Choice::words).collect()
    }

    #[test]
    fn one_answer_agrees_to_all_that_is_needed_and_more_by_name() {
        let all = choices(FETCH, BESIDES, word);
        assert_eq!(words(&all), ["yes", "yes serve", "yes serve publish"]);
        let gives: Vec<usize> = all.listed.iter().map(|choice| choice.gives.len()).collect();
        assert_eq!(gives, [2, 3, 4]);
        assert_eq!(all.listed[0].adds, ["fetch it", "and import it"]);
        assert_eq!(all.listed[1].adds, ["also serve it"]);
        // What is needed anyway is not named, and to publish is never asked for alone.
        assert_eq!(words(&choices(&[Action::Serve], BESIDES, word)), ["yes", "yes publish"]);
        assert_eq!(words(&choices(FETCH, &[Action::Publish], word)), ["yes"]);
    }

    #[test]
    fn an_offer_alone_is_answered_for_its_manifest_or_for_the_whole() {
        let all = choices_by_offer(FETCH, BESIDES, word);
        assert_eq!(words(&all), ["yes", "yes fetch", "yes fetch serve", "yes fetch serve publish"]);
        assert_eq!(all.listed[0].gives, BTreeSet::from([Action::Fetch]));
        assert_eq!(all.listed[1].gives, BTreeSet::from([Action::Fetch, Action::Import]));
        let seeding = [Action::Fetch, Action::Import, Action::Cache, Action::Serve];
        let all = choices_by_offer(&seeding, BESIDES, word);
        assert_eq!(words(&all), ["yes", "yes fetch serve", "yes fetch serve publish"]);
        assert_eq!(all.listed[1].gives, BTreeSet::from(seeding));
    }

    #[test]
    fn only_an_answer_that_is_listed_agrees() {
        let all = choices(FETCH, BESIDES, word);
        for (reply, at) in [
            ("yes", 0),
            (" yes\t", 0),
            ("yes serve", 1),
            ("yes, serve, publish", 2),
            ("yes publish serve serve", 2),
        ] {
            assert_eq!(chosen(&all, reply), Some(all.listed[at].gives.clone()), "{reply:?}");
        }
        for reply in [
            "",
            "y",
            "YES",
            "Yes",
            "no",
            "no yes",
            "yes please",
            "yes publish",
            "yes all",
            "yes fetch",
            "serve",
            "yesserve",
            "yes\u{1b}",
            "\u{1b}yes",
            "yes cache",
            "serve yes",
            "yes\u{a0}serve",
        ] {
            assert_eq!(chosen(&all, reply), None, "{reply:?}");
        }
    }

    #[test]
    fn ways_are_added_freely_where_they_mean_something() {
        let besides = [BESIDES, &[Action::Lan, Action::Dht, Action::Map]].concat();
        let all = choices(FETCH, &besides, word);
        assert_eq!(words(&all), ["yes", "yes serve", "yes serve publish"]);
        let gives = |reply| chosen(&all, reply).map(|gives| gives.len());
        assert_eq!(gives("yes lan"), Some(3));
        assert_eq!(gives("yes dht lan"), Some(4));
        assert_eq!(gives("yes serve publish map lan dht"), Some(7));
        assert_eq!(gives("yes map"), None, "nobody would be answered");
        assert_eq!(gives("lan"), None);
        let share = choices(&[Action::Serve], &besides, word);
        let gives = |reply| chosen(&share, reply).map(|gives| gives.len());
        assert_eq!([gives("yes map"), gives("yes lan"), gives("yes publish lan")], [Some(2), None, Some(3)]);
        // The manifest alone needs no way to be found.
        let by_offer = choices_by_offer(FETCH, &besides, word);
        assert_eq!(
            (chosen(&by_offer, "yes lan"), chosen(&by_offer, "yes fetch lan").is_some()),
            (None, true)
        );
        let shown = page(None, "Fetch?", &[], &all).render(false);
        assert!(shown.contains("\n  ... lan            lan it\n      dht            dht it\n"), "{shown}");
    }

    #[test]
    fn a_screen_begins_with_its_question_and_ends_with_the_answers() {
        let subject = [("signature", "by a key"), ("swarm", "53"), ("model", "tinylm")];
        let subject = subject.map(|(label, value)| (label.to_owned(), value.to_owned()));
        let all = choices(FETCH, &[Action::Serve], word);
        let shown = page(None, "Fetch tinylm?", &subject, &all).render(false);
        let expected = "Fetch tinylm?\n\nmodel      tinylm\nsignature  by a key\nswarm      53\n\n  \
                        yes            fetch it\n                 and import it\n  yes serve      also serve it\n  \
                        anything else  no\n\nType yes or yes serve to agree: \n";
        assert_eq!(shown, expected);
        let warned = page(Some("not signed"), "Fetch tinylm?", &subject, &all).render(false);
        assert_eq!(warned, format!("WARNING: not signed\n{expected}"));
        assert_eq!(listed(&choices(FETCH, &[], word), "`"), "`yes`");
        assert_eq!(listed(&choices(FETCH, BESIDES, word), "`"), "`yes`, `yes serve` or `yes serve publish`");
    }
}
