//! Changes between two statuses, for logs: other rates alone are no change.

use minimodel_companion::model::{Cause, State, Status, Transfer};

use super::words::{about, here, kind, state, why};

/// A line for each transfer that is new, changed or gone. `before`: `None` at the beginning.
pub(crate) fn changes(before: Option<&Status>, after: &Status) -> Vec<String> {
    let old = before.map_or(&[][..], |status| &status.transfers);
    let is_same = |transfer: &&Transfer| {
        old.iter().any(|old| old.id == transfer.id && standing(old) == standing(transfer))
    };
    let mut lines: Vec<String> =
        after.transfers.iter().filter(|transfer| !is_same(transfer)).map(line).collect();
    let is_gone = |old: &&Transfer| !after.transfers.iter().any(|transfer| transfer.id == old.id);
    lines.extend(old.iter().filter(is_gone).map(|old| format!("{}: removed", name(old))));
    lines
}

/// The fields of a transfer whose change is reported.
fn standing(transfer: &Transfer) -> (State, Option<Cause>, usize, &str) {
    let path = if transfer.state == State::Done { transfer.path.as_str() } else { "" };
    (transfer.state, transfer.cause, transfer.peers.len(), path)
}

fn name(transfer: &Transfer) -> String {
    format!("transfer {}, {} of {}", transfer.id, kind(transfer.kind), about(transfer))
}

fn line(transfer: &Transfer) -> String {
    let peers = transfer.peers.len();
    let peers = if peers == 1 { "1 peer".to_owned() } else { format!("{peers} peers") };
    let why = why(transfer).join("; ");
    let why = if why.is_empty() { why } else { format!("; {why}") };
    format!("{}: {}, {}, {peers}{why}", name(transfer), state(transfer.state), here(transfer))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{peer, status, transfer};
    use super::*;
    use minimodel_companion::model::Kind;

    #[test]
    fn status_change_line_reports_new_moved_or_gone_transfer_only() {
        let share = transfer(1, Kind::Share, State::Running);
        let fetch = transfer(2, Kind::Fetch, State::Running);
        let first = status(vec![share, fetch.clone()]);
        let begun = changes(None, &first);
        assert_eq!(begun[0], "transfer 1, share of my-model 1: running, 4.0 MiB, 0 peers");
        assert_eq!(begun[1], "transfer 2, fetch of my-model 1: running, 25 %, 0 peers");
        let mut faster = first.clone();
        faster.transfers[0].up_rate = 9;
        faster.transfers[1].have_bytes += 1;
        assert_eq!(changes(Some(&first), &faster), Vec::<String>::new());
        let mut second = status(vec![fetch]);
        second.transfers[0].cause = Some(Cause::NoSource);
        let said = changes(Some(&first), &second);
        assert!(said[0].ends_with("nothing moves: nobody who is connected has what is wanted"), "{said:?}");
        assert_eq!(said[1], "transfer 1, share of my-model 1: removed");
        let mut third = second.clone();
        third.transfers[0].peers.push(peer("a", 0));
        assert!(changes(Some(&second), &third)[0].contains("1 peer;"));
        third.transfers[0].model_id = "a\nb\u{1b}".into();
        assert!(!changes(Some(&second), &third)[0].contains(char::is_control));
    }
}
