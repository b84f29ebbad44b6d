//! The words of the errors of the network, of the store, and of transfers that found no peer.

use std::path::Path;

use minimodel_swarm::driver::DriverError;
use minimodel_swarm::machine::Event;
use minimodel_swarm::os::{process_command, rights_command};
use minimodel_swarm::store::{Similarity, StoreError};
use minimodel_wire::CloseCode;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::size::{show_duration, show_size};

const AGAIN: &str = "run the same command again: it resumes";

/// An error of the driver, as a failure.
pub(crate) fn driver(error: &DriverError) -> Failure {
    let failure = |class, hint: &str| Failure::new(class, error.to_string(), hint).for_want_of_files(error);
    match error {
        DriverError::Bind { .. } => {
            failure(Exit::Io, "choose another address or port with --listen, as in --listen 0.0.0.0:0")
        }
        DriverError::Offer(_) => {
            failure(Exit::Usage, "name an address at which peers reach this machine: --advertise ADDR:PORT")
        }
        DriverError::Store(error) => store(error),
        DriverError::TooManyChunks { .. } => {
            failure(Exit::Invalid, "ask the publisher for a manifest with larger chunks")
        }
        DriverError::Unreachable { .. } | DriverError::NoManifest { .. } => failure(
            Exit::NotFound,
            "ask whether their `minimodel seed` is running, or try another offer with --offer",
        ),
        DriverError::WrongKey { .. } => failure(
            Exit::NotFound,
            "nothing was exchanged: ask the person who sent the offer for a new one, since another program answers at that address",
        ),
        DriverError::Refused { peer, code } => {
            let error = format!("peer {peer} refused: {code}");
            Failure::new(exit_of(*code), error, hint_of(*code)).because(explain(*code))
        }
        DriverError::WrongManifest { .. } | DriverError::InvalidManifest { .. } => failure(
            Exit::Verification,
            "nothing was kept: get the manifest from its publisher, then fetch with it",
        ),
        DriverError::ReadBack { path, .. } => {
            let hint = format!(
                "check the disk that holds it and what else writes to it (`ls -l {}`), then {AGAIN}",
                shell(path)
            );
            let text = escape::harmless(&error.to_string());
            Failure::new(Exit::Io, text, hint).for_want_of_files(error)
        }
        DriverError::SwarmTaken { .. } => {
            failure(Exit::Busy, "end the other transfer of this content, then run the same command again")
        }
        DriverError::Thread(_) => failure(
            Exit::Io,
            "end other programs or raise the limit on processes (see `ulimit -u`), then run the same command again",
        ),
        DriverError::Tls(_) | DriverError::NoInitialCipher | DriverError::WorkerLost { .. } => {
            failure(Exit::Unexpected, "run it again with -v; if it stays, please report it")
        }
    }
}

/// An error of the disk or of the files on it, as a failure.
pub(crate) fn store(error: &StoreError) -> Failure {
    let text = escape::harmless(&error.to_string());
    let failure = |class, hint: String| Failure::new(class, text.clone(), hint).for_want_of_files(error);
    match error {
        StoreError::Busy { pid: Some(pid), .. } if *pid == std::process::id() => failure(
            Exit::Busy,
            "an earlier run of this transfer waits for its disk: start it again when the disk answers"
                .to_owned(),
        ),
        StoreError::Busy { pid, .. } => {
            let see = pid.map_or_else(String::new, |pid| format!(" (see it: `{}`)", process_command(pid)));
            failure(
                Exit::Busy,
                format!("wait until it is done, or end it{see}, then run the same command again"),
            )
        }
        StoreError::NoSpace { path, needed, free: Some(free) } if free >= needed => failure(
            Exit::DiskFull,
            format!(
                "what is there stays; the disk has room, but a limit on file sizes (see `ulimit -f`) or a quota (see \
                 `quota`) does not let `{}` grow: lift it, then {AGAIN}",
                escape::path(path)
            ),
        ),
        StoreError::NoSpace { path, needed, .. } => failure(
            Exit::DiskFull,
            format!(
                "what is there stays; make {} of space for `{}`, then {AGAIN}",
                show_size(*needed),
                escape::path(path)
            ),
        ),
        StoreError::ReadOnly { .. } | StoreError::Permission { .. } => {
            failure(Exit::Io, "choose a folder that you may write to with --out".to_owned())
        }
        StoreError::Vanished { path } => {
            let folder = path.parent().unwrap_or(Path::new("."));
            failure(Exit::Io, format!("see whether it is still there: `{}`", rights_command(&shell(folder))))
        }
        StoreError::Refused { path, .. } | StoreError::Replaced { path } => failure(
            Exit::Io,
            format!(
                "nothing was changed; look at it (`ls -l {}`) and move it away, then run the same command again",
                shell(path)
            ),
        ),
        StoreError::ForeignSwarm { path, .. }
        | StoreError::ForeignLayout { path, .. }
        | StoreError::ForeignVersion { path, .. } => failure(
            Exit::Io,
            format!(
                "it is left alone; move it and its `.part` away (`ls -l {}*`), or use another --out",
                shell(path)
            ),
        ),
        StoreError::TargetExists { path } => failure(
            Exit::Io,
            format!("nothing is ever overwritten: move `{}` away or use another --out", escape::path(path)),
        ),
        _ => failure(Exit::Io, format!("check the disk, then {AGAIN}")),
    }
}

pub(super) fn shell(path: &Path) -> String {
    escape::shell_word(path.as_os_str())
}

/// The failure when no known peer can ever supply the file; the gravest reason decides the exit code.
pub(crate) fn exhausted(reasons: &[Event]) -> Failure {
    let Some(worst) = reasons.iter().max_by_key(|reason| severity(reason)) else {
        return Failure::new(
            Exit::NotFound,
            "no peer to fetch from",
            "name at least one: --peer OFFER (their `minimodel seed` prints it)",
        );
    };
    let (class, hint) = match worst {
        Event::Banned { .. } => (
            Exit::Verification,
            "no bad byte was kept; get an offer from somebody else: --peer OFFER".to_owned(),
        ),
        Event::Refused { code, .. } => (exit_of(*code), hint_of(*code).to_owned()),
        _ => (
            Exit::NotFound,
            "nothing was exchanged; ask the person who sent the offer for a new one".to_owned(),
        ),
    };
    let all: Vec<String> = reasons.iter().filter_map(reason_text).collect();
    Failure::new(class, "no usable peer is left", hint).because(all.join("\n"))
}

/// The failure when nothing came from any peer for `patience`.
pub(crate) fn stalled(met_a_peer: bool, reasons: &[Event], patience: std::time::Duration) -> Failure {
    let grave = reasons.iter().any(|reason| severity(reason) > 1);
    if grave && !met_a_peer {
        return exhausted(reasons);
    }
    let patience = show_duration(patience);
    let all: Vec<String> = reasons.iter().filter_map(reason_text).collect();
    let failure = if met_a_peer {
        Failure::new(
            Exit::Stopped,
            format!("nothing came from any peer for {patience}"),
            format!("what is there stays; ask whether their `minimodel seed` is running, then {AGAIN}"),
        )
    } else {
        Failure::new(
            Exit::NotFound,
            format!("no peer could be reached for {patience}"),
            "ask whether their `minimodel seed` is running and its address can be reached, or name another with --peer OFFER",
        )
    };
    if all.is_empty() { failure } else { failure.because(all.join("\n")) }
}

/// The failure when a file to be repaired has no chunk of the artifact.
pub(crate) fn nothing_good(path: &Path) -> Failure {
    Failure::new(
        Exit::Verification,
        format!(
            "no chunk of `{}` is of this artifact, so that there is nothing to repair",
            escape::path(path)
        ),
        "nothing was written; see whether manifest and file belong together, or fetch the artifact: `minimodel fetch`",
    )
}

/// The failure when most of a file to be repaired is other data, or data follows the artifact's end.
pub(crate) fn partly_other(path: &Path, found: Similarity) -> Failure {
    let (shown, Similarity { good, other, total, cut_bytes }) = (escape::path(path), found);
    let cut = format!("{cut_bytes} bytes behind the artifact's end");
    let (error, cause) = match (found.is_most(), cut_bytes) {
        (true, 1..) => (
            format!("`{shown}` has {cut}, which a repair would cut off"),
            format!(
                "they are not zeros, and {good} of {total} chunks are right: somebody may have appended them"
            ),
        ),
        (_, cut_bytes) => (
            format!("only {good} of {total} chunks in `{shown}` are of this artifact"),
            format!(
                "{other} chunks hold other data, which a repair would write over{}: it may be another file",
                if cut_bytes > 0 { format!(" or cut off ({cut})") } else { String::new() }
            ),
        ),
    };
    Failure::new(
        Exit::Verification,
        error,
        "nothing was written; if it is this artifact all the same, and nothing else in it is needed, add `--repair-most`; \
         else fetch the artifact beside it: `minimodel fetch`",
    )
    .because(cause)
}

/// The failure when a file that was shared is no longer the artifact.
pub(crate) fn source_changed(path: &Path) -> Failure {
    Failure::new(
        Exit::Verification,
        format!("source changed, stopped sharing: `{}`", escape::path(path)),
        "no changed byte was sent as proven; put the artifact back, or make a manifest for the new file",
    )
}

/// The failure when a transfer was stopped.
pub(crate) fn stopped(class: Exit) -> Failure {
    Failure::new(class, "stopped; everything proven so far is kept", AGAIN)
}

fn severity(reason: &Event) -> u8 {
    match reason {
        Event::Banned { .. } => 5,
        Event::Refused { code: CloseCode::Banned | CloseCode::BadChunk, by_peer: false, .. } => 5,
        Event::Refused { code: CloseCode::LicenseMismatch | CloseCode::EvidenceMismatch, .. } => 4,
        Event::Refused { code: CloseCode::UnsupportedVersion, .. } => 3,
        Event::Refused { .. } => 2,
        _ => 1,
    }
}

fn exit_of(code: CloseCode) -> Exit {
    match code {
        CloseCode::LicenseMismatch | CloseCode::EvidenceMismatch => Exit::Mismatch,
        CloseCode::UnsupportedVersion => Exit::Protocol,
        CloseCode::BudgetUsed => Exit::Quota,
        CloseCode::Banned | CloseCode::BadChunk => Exit::Verification,
        _ => Exit::NotFound,
    }
}

fn hint_of(code: CloseCode) -> &'static str {
    match code {
        CloseCode::LicenseMismatch | CloseCode::EvidenceMismatch => {
            "compare both manifests (`minimodel manifest show`); agree on one, or name peers that share yours with --peer"
        }
        CloseCode::UnsupportedVersion => "both sides need the same version: compare `minimodel --version`",
        CloseCode::NotAllowed => {
            "send them your peer id (`minimodel id show`) so that they can add it: `minimodel seed --allow PEER`"
        }
        CloseCode::WrongSwarm | CloseCode::ChunkLayoutMismatch => {
            "use the manifest that came with the offer, or an offer for this manifest"
        }
        CloseCode::Banned | CloseCode::BadChunk => "get an offer from somebody else: --peer OFFER",
        CloseCode::BudgetUsed => {
            "what is there stays; within a day it serves you again, or name another peer with --peer OFFER"
        }
        CloseCode::Busy => {
            "it serves others now: try again in a minute, or name another peer with --peer OFFER"
        }
        _ => "ask the person who sent the offer, or name another peer with --peer OFFER",
    }
}

fn reason_text(reason: &Event) -> Option<String> {
    Some(match reason {
        Event::Banned { peer, breach, index: Some(index), got, .. } => {
            let got = got.map_or_else(String::new, |got| {
                format!("; its bytes have {}", minimodel_verifier::digest::tagged(&got))
            });
            format!("peer {peer} {breach}: chunk {index}{got}")
        }
        Event::Banned { peer, breach, .. } => format!("peer {peer} {breach}"),
        Event::Refused { peer, code, by_peer: true } => {
            format!("peer {peer} refused ({code}): {}", explain(*code))
        }
        Event::Refused { peer, code, .. } => format!("peer {peer} was refused ({code}): {}", explain(*code)),
        Event::WrongKey { expected, found } => format!("peer {found} answered where {expected} was expected"),
        _ => return None,
    })
}

/// A close code in words for the user of a fetch.
pub(crate) fn explain(code: CloseCode) -> &'static str {
    match code {
        CloseCode::LicenseMismatch => "its manifest names another license",
        CloseCode::EvidenceMismatch => "its manifest names other evidence",
        CloseCode::WrongSwarm => "it shares something else",
        CloseCode::ChunkLayoutMismatch => "it cuts the file into other chunks",
        CloseCode::UnsupportedVersion => "it speaks another version of the protocol",
        CloseCode::NoConsent => "its user and ours did not agree to anything that helps either",
        CloseCode::NotAllowed => "its user lets only certain peers in, and this one is not among them",
        CloseCode::Banned => "it was banned for bad data",
        CloseCode::BadChunk => "it says that our data failed its proof",
        CloseCode::BudgetUsed => "its user's budget for this peer is used up",
        CloseCode::Busy => "it has no room for another peer now",
        _ => "it ended the connection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minimodel_swarm::machine::Breach;
    use minimodel_wire::PeerId;

    fn refused(code: CloseCode) -> Event {
        Event::Refused { peer: PeerId([7; 32]), code, by_peer: true }
    }

    #[test]
    fn the_gravest_reason_decides_the_exit_code() {
        let banned = Event::Banned {
            peer: PeerId([9; 32]),
            breach: Breach::BadChunk,
            index: Some(3),
            got: Some([1; 32]),
        };
        let wrong = Event::WrongKey { expected: PeerId([1; 32]), found: PeerId([2; 32]) };
        let class = |reasons: &[Event]| exhausted(reasons).class;
        assert_eq!(
            class(&[refused(CloseCode::NotAllowed), banned.clone(), wrong.clone()]),
            Exit::Verification
        );
        assert_eq!(
            class(&[refused(CloseCode::NotAllowed), refused(CloseCode::LicenseMismatch)]),
            Exit::Mismatch
        );
        assert_eq!(class(&[refused(CloseCode::EvidenceMismatch)]), Exit::Mismatch);
        assert_eq!(class(&[refused(CloseCode::UnsupportedVersion), wrong.clone()]), Exit::Protocol);
        assert_eq!(class(&[wrong]), Exit::NotFound);
        assert_eq!(class(&[]), Exit::NotFound);
        let cause = exhausted(&[banned]).cause.unwrap();
        assert!(cause.contains("chunk 3") && cause.contains("sha256:0101"), "{cause}");
    }

    #[test]
    fn stall_is_resumable_after_meeting_peers_and_not_found_before() {
        let patience = std::time::Duration::from_secs(60);
        assert_eq!(stalled(true, &[], patience).class, Exit::Stopped);
        assert_eq!(stalled(false, &[], patience).class, Exit::NotFound);
        let refused = [refused(CloseCode::LicenseMismatch)];
        assert_eq!(stalled(false, &refused, patience).class, Exit::Mismatch);
        // The refusal of one peer does not explain the stall of another.
        assert_eq!(stalled(true, &refused, patience).class, Exit::Stopped);
    }
}
