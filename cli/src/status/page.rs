//! The page of a snapshot, as a pure function: from a status to lines that fit a width.

use minimodel_companion::doctor;
use minimodel_companion::model::{FoundBy, GoesOver, Peer, Rates, State, Status, Transfer};

use super::fit::{columns, cut, left, right};
use super::words::{about, here, kind, state, why};
use crate::escape;
use crate::printer::{Line, Tone};
use crate::size::show_rate;

/// Columns of everything in a row but the model.
const ROW: usize = 4 + 7 + 11 + 12 + 13 + 13 + 6;

/// A narrower page has no room for a row.
const NARROW: usize = ROW + 12;

/// From this width on peers are shown by their whole id.
const WIDE: usize = 120;

/// Number of peers that are shown of a transfer, the busiest first.
const PEERS_SHOWN: usize = 8;

/// Characters of a peer's id where it is not shown in full.
const PEER_CHARS: usize = 12;

/// The lines of a snapshot, none of more than `width` columns.
pub(crate) fn page(status: &Status, width: usize) -> Vec<Line> {
    let mut page = Page { width, lines: Vec::new() };
    page.head(status);
    if status.transfers.is_empty() {
        page.say(Tone::Plain, "nothing is shared or fetched");
        return page.lines;
    }
    let model = status.transfers.iter().map(|transfer| columns(&about(transfer))).max().unwrap_or(0);
    let model = model.max(5).min(width.saturating_sub(ROW));
    let is_narrow = width < NARROW;
    if !is_narrow {
        page.say(Tone::Strong, &row(["ID", "WHAT", "MODEL", "STATE", "HERE", "IN", "OUT", "PEERS"], model));
    }
    for transfer in &status.transfers {
        page.transfer(transfer, is_narrow, model);
    }
    page.lines
}

struct Page {
    width: usize,
    lines: Vec<Line>,
}

impl Page {
    fn say(&mut self, tone: Tone, text: &str) {
        self.lines.push(Line::default().with(tone, cut(text.trim_end(), self.width)));
    }

    fn head(&mut self, status: &Status) {
        let shown = |text: &str| escape::shown(text).to_string();
        let line = if status.pid == 0 {
            "no companion runs; this is how it was left".to_owned()
        } else {
            format!(
                "companion {}, process {}, since {}",
                shown(&status.version),
                status.pid,
                shown(&status.started_utc)
            )
        };
        if let Some(label) = &status.label {
            self.say(Tone::Strong, &shown(label));
        }
        self.say(Tone::Plain, &line);
        self.say(Tone::Plain, &rates(&status.now));
    }

    fn transfer(&mut self, transfer: &Transfer, is_narrow: bool, model: usize) {
        let tone = match transfer.state {
            State::Failed => Tone::Bad,
            State::Asking => Tone::Warning,
            _ => Tone::Plain,
        };
        let (id, peers) = (transfer.id.to_string(), transfer.peers.len().to_string());
        let (about, here) = (about(transfer), here(transfer));
        let (down, up) = (show_rate(transfer.down_rate), show_rate(transfer.up_rate));
        let (kind, state) = (kind(transfer.kind), state(transfer.state));
        if is_narrow {
            self.say(tone, &format!("{id} {kind} {state} {about}"));
            self.say(Tone::Plain, &format!("  {here} here, in {down}, out {up}, peers {peers}"));
        } else {
            self.say(tone, &row([&id, kind, &about, state, &here, &down, &up, &peers], model));
        }
        let indent = if is_narrow { "  " } else { "    " };
        for line in why(transfer) {
            self.say(tone, &format!("{indent}{line}"));
        }
        let mut busiest: Vec<&Peer> = transfer.peers.iter().collect();
        let rate = |peer: &Peer| peer.down_rate.saturating_add(peer.up_rate);
        busiest.sort_by(|a, b| rate(b).cmp(&rate(a)).then_with(|| a.peer.cmp(&b.peer)));
        for peer in busiest.iter().take(PEERS_SHOWN) {
            self.say(Tone::Plain, &format!("{indent}{}", self.peer(peer)));
        }
        if let Some(more @ 1..) = busiest.len().checked_sub(PEERS_SHOWN) {
            self.say(Tone::Plain, &format!("{indent}and {more} more peers"));
        }
    }

    fn peer(&self, peer: &Peer) -> String {
        let name = escape::shown(&peer.peer).to_string();
        let name = if self.width < WIDE { cut(&name, PEER_CHARS) } else { name };
        let (down, up) = (show_rate(peer.down_rate), show_rate(peer.up_rate));
        let cause = peer.cause.map_or_else(String::new, |cause| format!(", {}", doctor::words(cause)));
        let found = match peer.way.found {
            FoundBy::Introduced => ", introduced",
            FoundBy::PassedOn => ", found through a member",
            FoundBy::Earlier => ", known from before",
            FoundBy::Lan => ", found on this network",
            FoundBy::Dht => ", found by the DHT",
            FoundBy::Came | FoundBy::Named => "",
        };
        let over = match peer.way.over {
            GoesOver::Ipv6 => ", IPv6",
            GoesOver::Mapped => ", through the mapped port",
            GoesOver::Punched => ", punched",
            GoesOver::Local | GoesOver::Direct => "",
        };
        format!("{name}  in {down}, out {up}, {:.0} ms{found}{over}{cause}", peer.rtt_ms)
    }
}

fn row(cells: [&str; 8], model: usize) -> String {
    let [id, kind, about, state, here, down, up, peers] = cells;
    [
        right(id, 3) + " ",
        left(kind, 5) + "  ",
        left(about, model) + "  ",
        left(state, 9),
        right(here, 12),
        right(down, 13),
        right(up, 13),
        right(peers, 6),
    ]
    .concat()
}

/// The rate limits of this hour, in words.
pub(super) fn rates(now: &Rates) -> String {
    if now.paused {
        return "the schedule pauses everything at this hour".to_owned();
    }
    let rate = |rate: Option<u64>| rate.map_or_else(|| "no limit".to_owned(), show_rate);
    format!("limits now: in {}, out {}", rate(now.down), rate(now.up))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{CAUSES, STATES, peer, status, transfer};
    use super::*;
    use minimodel::consent::Action;
    use minimodel_companion::Problem;
    use minimodel_companion::model::{Kind, Question};

    fn text(status: &Status, width: usize) -> Vec<String> {
        page(status, width).iter().map(|line| line.render(false).trim_end_matches('\n').to_owned()).collect()
    }

    #[test]
    fn a_moment_is_a_table_with_the_peers_below_each_transfer() {
        let mut fetch = transfer(2, Kind::Fetch, State::Running);
        fetch.peers = vec![peer("slow", 0), peer("fast", 2 << 20)];
        let shown = text(&status(vec![transfer(1, Kind::Share, State::Running), fetch]), 100);
        assert_eq!(
            shown,
            [
                "companion 0.1.0, process 7, since 2026-06-01T10:00:00Z",
                "limits now: in no limit, out 1.0 MiB/s",
                " ID WHAT   MODEL       STATE            HERE           IN          OUT PEERS",
                "  1 share  my-model 1  running       4.0 MiB  512.0 KiB/s        0 B/s     0",
                "  2 fetch  my-model 1  running          25 %  512.0 KiB/s        0 B/s     2",
                "    fast  in 2.0 MiB/s, out 0 B/s, 12 ms",
                "    slow  in 0 B/s, out 0 B/s, 12 ms",
            ]
        );
    }

    #[test]
    fn fetch_shows_time_left_or_what_no_connected_peer_has() {
        let mut fetch = transfer(2, Kind::Fetch, State::Running);
        fetch.peers = vec![peer("fast", 2 << 20)];
        let said = |fetch: &Transfer| text(&status(vec![fetch.clone()]), 100)[4].trim().to_owned();
        assert!(said(&fetch).starts_with("fast"), "neither is known");
        (fetch.eta_seconds, fetch.missing_unheld) = (Some(90), Some(0));
        assert_eq!(said(&fetch), "1 min 30 s left");
        (fetch.eta_seconds, fetch.missing_unheld) = (None, Some(7));
        assert_eq!(said(&fetch), "7 chunks that no connected peer has");
        fetch.missing_unheld = Some(1);
        assert_eq!(said(&fetch), "1 chunk that no connected peer has");
        fetch.peers.clear();
        assert_eq!(text(&status(vec![fetch]), 100).len(), 4, "no peer is connected, as the cause says");
    }

    #[test]
    fn nothing_and_nobody_are_said_in_words() {
        let mut nothing = status(Vec::new());
        (nothing.pid, nothing.now.paused) = (0, true);
        assert_eq!(
            text(&nothing, 80),
            [
                "no companion runs; this is how it was left",
                "the schedule pauses everything at this hour",
                "nothing is shared or fetched"
            ]
        );
    }

    #[test]
    fn status_page_names_each_state_and_cause_within_terminal_width() {
        for (state, words) in STATES {
            for cause in CAUSES.into_iter().map(Some).chain([None]) {
                for kind in [Kind::Share, Kind::Fetch] {
                    let mut one = transfer(1, kind, state);
                    one.cause = cause;
                    one.problem = Some(Problem::new(1, "it broke", "mend it").because("a reason"));
                    let needs = vec![Action::Fetch, Action::Import];
                    one.question =
                        Some(Question { needs, may: Vec::new(), subject: Vec::new(), has_consents: false });
                    one.peers = (0..20).map(|number| peer(&number.to_string().repeat(52), number)).collect();
                    let status = status(vec![one]);
                    let shown = text(&status, 200).join("\n");
                    assert!(
                        shown.contains(words) && shown.contains("and 12 more peers"),
                        "{state:?}: {shown}"
                    );
                    let tells_cause = matches!(state, State::Waiting | State::Running);
                    if let (true, Some(cause)) = (tells_cause, cause) {
                        assert!(shown.contains(doctor::words_of(kind, cause)), "{cause:?}: {shown}");
                    }
                    for width in [1, 20, 40, 66, 80, 119, 120] {
                        for line in text(&status, width) {
                            assert!(columns(&line) <= width, "{width}: {line}");
                        }
                    }
                }
            }
        }
    }

    // Rows: D8
    #[test]
    fn foreign_names_cannot_steer_terminal_or_break_status_table() {
        let mut one = transfer(1, Kind::Fetch, State::Failed);
        one.model_id = format!("\u{1b}[2J\u{202e}evil\n{}", "模".repeat(300));
        one.model_version = "\r\u{200b}".into();
        one.peers = vec![peer("\u{1b}]0;title\u{7}", 1)];
        let hint = "do\u{8}";
        one.problem = Some(Problem::new(1, "a\nb", hint).because("\u{9b}31m"));
        for width in [60, 80, 200, usize::MAX] {
            let shown = text(&status(vec![one.clone()]), width);
            for line in &shown {
                assert!(
                    !line.contains(|c: char| c.is_control() || "\u{202e}\u{200b}\u{9b}".contains(c)),
                    "{line:?}"
                );
            }
            let all = shown.join("\n");
            assert!(all.contains(r"\u{1b}[2J") && all.contains(r"failed: a\nb"), "{all}");
        }
        let coloured: String = page(&status(vec![one]), 80).iter().map(|line| line.render(true)).collect();
        for sequence in coloured.split('\u{1b}').skip(1) {
            assert!(
                sequence.starts_with("[1m") || sequence.starts_with("[1;31m") || sequence.starts_with("[0m")
            );
        }
    }
}
