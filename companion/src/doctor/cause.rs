//! Causes of a standstill: name, meaning and advice.

use super::units::limit;
use crate::model::{Cause, Kind, Status, Transfer, Window};

/// All causes.
pub const CAUSES: [Cause; 14] = [
    Cause::NoSource,
    Cause::Choked,
    Cause::RateLimit,
    Cause::Quota,
    Cause::ConsentMissing,
    Cause::Disk,
    Cause::Address,
    Cause::Congestion,
    Cause::PeerSlow,
    Cause::Checking,
    Cause::NoDemand,
    Cause::Paused,
    Cause::Schedule,
    Cause::SameModel,
];

/// Returns the word for a cause in `--json`, in the interface and in metrics.
pub const fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSource => "no-source",
        Cause::Choked => "choked",
        Cause::RateLimit => "rate-limit",
        Cause::Quota => "quota",
        Cause::ConsentMissing => "consent-missing",
        Cause::Disk => "disk",
        Cause::Address => "address",
        Cause::Congestion => "congestion",
        Cause::PeerSlow => "peer-slow",
        Cause::Checking => "checking",
        Cause::NoDemand => "no-demand",
        Cause::Paused => "paused",
        Cause::Schedule => "schedule",
        Cause::SameModel => "same-model",
    }
}

/// Returns the meaning for display, as the end of a sentence that begins with "nothing moves:".
pub const fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSource => "nobody who is connected has what is wanted",
        Cause::Choked => "those who have it serve others now",
        Cause::RateLimit => "a rate limit of this machine",
        Cause::Quota => "a quota or daily budget is used up",
        Cause::ConsentMissing => "a consent is missing",
        Cause::Disk => "the disk is slow or full, or the file is out of reach",
        Cause::Address => "its UDP address cannot be had now",
        Cause::Congestion => "the path carries no more",
        Cause::PeerSlow => "the peer is silent or slow",
        Cause::Checking => "all is here and is checked",
        Cause::NoDemand => "nobody asks for anything",
        Cause::Paused => "paused",
        Cause::Schedule => "the schedule pauses it at this hour",
        Cause::SameModel => "another fetch of this model goes first",
    }
}

/// As [`words`], for a transfer of this kind: a share is held up by the peers that it serves.
pub const fn words_of(kind: Kind, cause: Cause) -> &'static str {
    match (kind, cause) {
        (Kind::Share, Cause::Choked) => "peers want chunks, and no upload slot is given",
        (Kind::Share, Cause::PeerSlow) => "peers asked and do not read",
        _ => words(cause),
    }
}

/// Returns true if a standstill by this cause is normal and needs no action.
pub(super) const fn is_in_order(cause: Cause) -> bool {
    matches!(cause, Cause::Checking | Cause::NoDemand | Cause::Paused | Cause::Schedule | Cause::SameModel)
}

/// Returns what held a transfer up, as the end of a sentence that begins with a share of the time.
pub(super) fn told(cause: Cause, transfer: &Transfer, status: &Status) -> String {
    match cause {
        Cause::NoSource if transfer.peers.is_empty() => {
            "without a peer that has what is wanted; none is connected now".into()
        }
        Cause::NoSource => {
            format!("without a peer that has what is wanted; {} connected now", peers(transfer.peers.len()))
        }
        Cause::Choked if transfer.kind == Kind::Share => {
            "with peers that wanted chunks, and no upload slot given to any".into()
        }
        Cause::Choked => {
            let choking = transfer.peers.iter().filter(|peer| peer.choking_us).count();
            let all = transfer.peers.len();
            format!(
                "waiting for a slot at those who have it; {choking} of {all} peers let us ask for nothing now"
            )
        }
        Cause::RateLimit => match Binding::of(transfer, status).rate {
            None => "held back by a rate limit that was there before".into(),
            rate => format!("held back by the limit of {}", limit(rate)),
        },
        Cause::Quota => "held back by a quota or daily budget that was used up".into(),
        Cause::ConsentMissing => "held back by a consent that was missing".into(),
        Cause::Disk => "waiting for the disk".into(),
        Cause::Address => "waiting for its UDP address".into(),
        Cause::Congestion => "held back by the path, which carried no more".into(),
        Cause::PeerSlow => "waiting for peers that were asked and sent nothing, or did not read".into(),
        Cause::Checking => "checking the whole file, of which all is here".into(),
        Cause::NoDemand => "without a peer that asked for anything".into(),
        Cause::Paused => "paused by its user".into(),
        Cause::Schedule => "paused by the schedule".into(),
        Cause::SameModel => "behind another fetch of this model".into(),
    }
}

fn peers(count: usize) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

/// Returns what the user can do about a cause.
pub fn advice(cause: Cause, transfer: &Transfer, status: &Status) -> String {
    let id = transfer.id;
    match cause {
        Cause::NoSource => "see that those who offered it still run; ask for another offer and fetch with `--peer OFFER` too".into(),
        Cause::Choked if transfer.kind == Kind::Share => {
            format!("wait: slots go round; or give more, `minimodel transfer limit {id} --slots NUMBER`")
        }
        Cause::PeerSlow if transfer.kind == Kind::Share => {
            "nothing is wrong here: `minimodel status` shows what each takes".into()
        }
        Cause::Choked => "wait: slots go round; or fetch from more peers, `--peer OFFER`".into(),
        Cause::RateLimit => Binding::of(transfer, status).raise(id),
        Cause::Quota => "see what is used up: `minimodel consent list` and `minimodel limits log --days 1` (a day ends at midnight \
                         UTC); then `minimodel consent grant`, or `minimodel limits set --peer-day SIZE`"
            .into(),
        Cause::ConsentMissing => "see what is asked: `minimodel status`; then agree with `minimodel consent grant`".into(),
        Cause::Disk => "see what is free (`df -h`) and what else writes; `minimodel library prune` makes space".into(),
        Cause::Address => "see what else has it (`ss -ulnp`), or whether this machine has it still (`ip address`); or share it at \
                           another with `minimodel seed --listen ADDR:PORT`"
            .into(),
        Cause::Congestion => "nothing is wrong here: see what else uses the line, or come nearer (a cable instead of radio)".into(),
        Cause::PeerSlow => "fetch from more peers, `--peer OFFER`; `minimodel status` shows what each sends".into(),
        Cause::Checking => "wait: every byte is read once more, then it is done".into(),
        Cause::NoDemand => "hand its offer on: `minimodel status --json` has it; see reachability too".into(),
        Cause::Paused => format!("let it go on: `minimodel transfer start {id}`"),
        Cause::Schedule => "see its hours: `minimodel limits show`; `minimodel limits schedule clear` takes it away".into(),
        Cause::SameModel => "wait: it starts when the other ends; or pause that one, `minimodel transfer pause ID`".into(),
    }
}

/// The rate limit that binds a transfer.
struct Binding {
    rate: Option<u64>,
    flag: &'static str,
    place: Where,
}

enum Where {
    Transfer,
    Common,
    Window(Window),
}

impl Binding {
    /// Chooses the limit: for a share its upload; for a fetch its download, or its upload if only that is limited.
    fn of(transfer: &Transfer, status: &Status) -> Self {
        let up = ("--up", transfer.limits.up, status.now.up);
        let down = ("--down", transfer.limits.down, status.now.down);
        let is_limited = |(_, own, common): (_, Option<u64>, Option<u64>)| own.is_some() || common.is_some();
        let (first, second) = if transfer.kind == Kind::Share { (up, down) } else { (down, up) };
        let (flag, own, common) = if is_limited(first) || !is_limited(second) { first } else { second };
        let is_own = own.is_some_and(|own| common.is_none_or(|common| own <= common));
        if is_own {
            return Self { rate: own, flag, place: Where::Transfer };
        }
        // The hour is not known here, but its rates are: if they differ from the default ones, the window that has them is the
        // present one.
        let limits = &status.limits;
        let is_common = (limits.up, limits.down) == (status.now.up, status.now.down);
        let window = limits
            .schedule
            .iter()
            .find(|window| (window.up, window.down) == (status.now.up, status.now.down));
        let place =
            window.filter(|_| !is_common).map_or(Where::Common, |window| Where::Window(window.clone()));
        Self { rate: common, flag, place }
    }

    fn raise(&self, id: u64) -> String {
        let flag = self.flag;
        match &self.place {
            Where::Transfer => {
                format!("raise it: `minimodel transfer limit {id} {flag} RATE` (`none` takes it away)")
            }
            Where::Common => format!("raise it: `minimodel limits set {flag} RATE` (`none` takes it away)"),
            Where::Window(Window { from, to, .. }) => format!(
                "it is the schedule's, from {from} to {to} o'clock: wait for its end, or `minimodel limits schedule clear` and \
                 add its windows anew"
            ),
        }
    }
}
