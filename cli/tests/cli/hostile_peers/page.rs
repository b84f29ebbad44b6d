//! The conformance table of `docs/protocol.md`, read from the page and compared with what a hostile peer saw.

use std::collections::BTreeMap;

use minimodel_hostile::{Ended, Seen, Trick};

use crate::catalogue::root;

/// Close codes of connections that do not end for the peer's breach.
const DONE: Ended = Ended::Closed(0);
const BUSY: Ended = Ended::Closed(19);
const BANNED: Ended = Ended::Closed(15);

/// Blame of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    Nothing,
    Strike,
    Strikes,
    Away,
    Ban,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Rule {
    id: String,
    resets: Vec<u64>,
    ended: Vec<Ended>,
    /// The connection stays open, as far as this rule is concerned.
    stays: bool,
    /// The peer ends the connection itself.
    gone: bool,
    blame: Blame,
}

/// All rows, in order.
pub(super) struct Page(Vec<Rule>);

impl Page {
    /// Reads the page from the source tree.
    #[track_caller]
    pub(super) fn read() -> Self {
        Self::of(&std::fs::read_to_string(root().join("docs/protocol.md")).unwrap()).unwrap()
    }

    fn of(page: &str) -> Result<Self, String> {
        let rows: Vec<Vec<&str>> = page.lines().filter_map(cells).collect();
        let codes = |section: &str| {
            let after = page.split(section).nth(1).unwrap_or_default();
            let rows = after.lines().skip_while(|line| !line.starts_with('|')).map_while(cells);
            let named =
                rows.filter_map(|cells| Some((cells.get(1)?.trim_matches('`'), cells[0].parse().ok()?)));
            named.map(|(name, code)| (name.to_owned(), code)).collect::<BTreeMap<String, u64>>()
        };
        let (closes, resets) = (codes("## 6. Close codes"), codes("### Reset codes"));
        let rules = rows.into_iter().filter(|cells| cells[0].starts_with("P-"));
        let rules: Vec<Rule> = rules.map(|cells| rule(&cells, &closes, &resets)).collect::<Result<_, _>>()?;
        let ids: Vec<String> = (1..=rules.len()).map(|n| format!("P-{n}")).collect();
        let found: Vec<&String> = rules.iter().map(|rule| &rule.id).collect();
        if rules.is_empty() || !ids.iter().eq(found.iter().copied()) {
            return Err(format!("the rules are not numbered one by one: {found:?}"));
        }
        Ok(Self(rules))
    }

    /// Rules that no trick plays, and tricks that name a missing rule.
    pub(super) fn gaps(&self) -> Vec<String> {
        let is_played = |rule: &&Rule| Trick::ALL.iter().any(|trick| trick.rule() == rule.id);
        let unplayed =
            self.0.iter().filter(|rule| !is_played(rule)).map(|rule| format!("{}: no play", rule.id));
        let lost = Trick::ALL.iter().filter(|trick| self.rule(**trick).is_none());
        unplayed
            .chain(lost.map(|trick| format!("{trick}: plays {}, which is no rule", trick.rule())))
            .collect()
    }

    fn rule(&self, trick: Trick) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.id == trick.rule())
    }

    /// Whether a trick leads to an event that blames.
    pub(super) fn is_blamed(&self, trick: Trick) -> bool {
        self.rule(trick).is_some_and(|rule| rule.blame != Blame::Nothing)
    }

    /// Compares the outcome of a trick with its row. `blame`: the events about the peer; `back`: the end of its next
    /// connection.
    pub(super) fn check(
        &self,
        trick: Trick,
        seen: &Seen,
        blame: &[String],
        back: Option<&Ended>,
    ) -> Result<(), String> {
        let Some(rule) = self.rule(trick) else { return Err(format!("{trick} plays no rule")) };
        let fault = rule.fault(seen, blame, back);
        fault.map_or(Ok(()), |fault| Err(format!("{} ({trick}): {fault}; blamed: {blame:?}", rule.id)))
    }
}

impl Rule {
    fn fault(&self, seen: &Seen, blame: &[String], back: Option<&Ended>) -> Option<String> {
        let is_tls = |ended: &Ended| matches!(ended, Ended::Transport(0x100..));
        let is_open = seen.ended == Ended::Open && (self.stays || self.gone);
        // A fetch closes its connections when it completes.
        let is_over = seen.ended == DONE && self.stays;
        // The hostile side's own TLS library may detect the fault first.
        let is_found = matches!(seen.ended, Ended::Found(0x100..)) && self.ended.iter().all(is_tls);
        if !(self.ended.contains(&seen.ended) || is_open || is_over || is_found) {
            return Some(format!("the connection: {}, not {:?}", seen.ended, self.ended));
        }
        let is_other = |code: &&u64| !self.resets.is_empty() && !self.resets.contains(code);
        if let Some(code) = seen.resets.iter().find(is_other) {
            return Some(format!("a request was reset with {code}, not {:?}", self.resets));
        }
        if !self.resets.is_empty() && self.ended.is_empty() && seen.resets.is_empty() {
            return Some(format!("no request was reset with {:?}", self.resets));
        }
        let count = |name: &str| blame.iter().filter(|line| line.starts_with(name)).count();
        let (struck, banned) = (count("peer-struck"), count("peer-banned"));
        let is_right = match self.blame {
            // From the fourth time on it is a strike.
            Blame::Nothing => banned == 0 && (struck == 0 || self.gone),
            Blame::Strike | Blame::Away => banned == 0 && struck > 0,
            Blame::Strikes => banned == 0 && struck > 0 && (back.is_none() || struck == 3),
            Blame::Ban => banned == 1,
        };
        if !is_right {
            return Some(format!("{:?} was expected", self.blame));
        }
        let wanted = match self.blame {
            Blame::Nothing | Blame::Strike => Ended::Open,
            Blame::Strikes | Blame::Away => BUSY,
            Blame::Ban => BANNED,
        };
        let back = back.filter(|&back| *back != wanted)?;
        Some(format!("when it dialed again: {back}, not {wanted}"))
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").map(str::trim).collect())
}

fn rule(
    cells: &[&str],
    closes: &BTreeMap<String, u64>,
    resets: &BTreeMap<String, u64>,
) -> Result<Rule, String> {
    let [id, _, judge, request, connection, blame] = cells else {
        return Err(format!("another table: {cells:?}"));
    };
    let fault = |what: &str| format!("{id}: {what}");
    if !["acceptor", "dialer", "requester", "both"].contains(judge) {
        return Err(fault("nobody judges it"));
    }
    let mut rule = Rule {
        id: (*id).to_owned(),
        resets: Vec::new(),
        ended: Vec::new(),
        stays: false,
        gone: false,
        blame: match *blame {
            "—" => Blame::Nothing,
            "strike" => Blame::Strike,
            "strikes" => Blame::Strikes,
            "away" => Blame::Away,
            "ban" => Blame::Ban,
            other => return Err(fault(&format!("blame by no word of the page: {other}"))),
        },
    };
    for word in request.split(' ').filter(|word| *word != "—") {
        rule.resets.push(*resets.get(word.trim_matches('`')).ok_or_else(|| fault("an unknown reset code"))?);
    }
    for word in connection.split(' ') {
        match word.trim_matches('`') {
            "stays" => rule.stays = true,
            "gone" => rule.gone = true,
            code => match code.strip_prefix("0x") {
                Some(digits) => {
                    let code = u64::from_str_radix(digits, 16).map_err(|_| fault("no number"))?;
                    rule.ended.push(Ended::Transport(code));
                }
                None => {
                    let code = closes.get(code).ok_or_else(|| fault("an unknown close code"))?;
                    rule.ended.push(Ended::Closed(*code));
                }
            },
        }
    }
    Ok(rule)
}

#[test]
fn a_check_of_a_row_can_fail_in_each_column() {
    let page = Page::read();
    let seen = |ended, resets: &[u64]| Seen {
        ended,
        resets: resets.to_vec(),
        chunks: 0,
        asked: 0,
        bye: None,
        granted: false,
    };
    let struck = ["peer-struck: sent bytes".to_owned()];
    let trick = Trick::UnknownRequest;
    let good = seen(Ended::Closed(5), &[6]);
    assert_eq!(page.check(trick, &good, &struck, Some(&BUSY)), Ok(()));
    let bad = [
        page.check(trick, &seen(Ended::Closed(6), &[6]), &struck, Some(&BUSY)),
        page.check(trick, &seen(Ended::Open, &[6]), &struck, Some(&BUSY)),
        page.check(trick, &seen(Ended::Closed(5), &[7]), &struck, Some(&BUSY)),
        page.check(trick, &good, &[], Some(&BUSY)),
        page.check(trick, &good, &["peer-banned: sent bytes".to_owned()], Some(&BUSY)),
        page.check(trick, &good, &struck, Some(&Ended::Open)),
    ];
    for fault in bad {
        assert!(fault.unwrap_err().starts_with(trick.rule()));
    }
    let row = "| P-2 | offers";
    let text = std::fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    assert!(text.contains(row));
    assert!(Page::of(&text.replace(row, "| P-0 | offers")).is_err());
    assert!(Page::of(&text.replace("| `TooSlow` | strike |", "| `TooSlow` | scorn |")).is_err());
    let more = text.replace("| P-1 |", "| P-1 | says nothing | both | — | stays | — |\n| P-2 |");
    assert!(Page::of(&more).is_err(), "one number twice");
}
