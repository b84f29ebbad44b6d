//! Findings about this machine and the program's files on it.

use std::path::Path;

use minimodel_swarm::os::{close_command, open_to_user_command, rights_command};

use super::facts::{DiskSpace, Facts, PathState, Place, PlaceKind};
use super::units::{size, transfers};
use super::{fail, ok, warn};
use crate::model::{Finding, State};

/// 2026-01-01: an earlier clock is wrong.
const EARLIEST_UNIX: u64 = 1_767_225_600;

/// 2100-01-01.
const LATEST_UNIX: u64 = 4_102_444_800;

/// A clock that is behind by no more than this is not reported, in seconds.
const CORRECTION: u64 = 120;

/// Name of the place that has a finding of its own.
pub(super) const IDENTITY: &str = "identity";

/// A disk with less space left is reported as nearly full.
const SCARCE_BYTES: u64 = 1 << 30;

/// Enough open files for several transfers with their peers.
const ENOUGH_FILES: u64 = 1024;

/// With fewer open files, one transfer with all its peers may fail.
const TOO_FEW_FILES: u64 = 128;

pub(super) fn companion(facts: &Facts) -> Finding {
    let status = &facts.status;
    let wants =
        |state: State| matches!(state, State::Running | State::Preparing | State::Waiting | State::Asking);
    let waiting = status.transfers.iter().filter(|transfer| wants(transfer.state)).count();
    match (status.pid, waiting) {
        (0, 0) if facts.database_fault.is_some() => warn(
            "companion",
            "whether shares and fetches wait for one cannot be told: its database cannot be used",
            "see what is wrong with the database first",
        ),
        (0, 0) => ok("companion", "none runs, and no transfer waits for one"),
        (0, waiting) => warn(
            "companion",
            format!("none runs, so nothing moves of {waiting} shares and fetches that would"),
            "start it: `minimodel companion start`",
        ),
        (pid, _) => ok("companion", format!("version {} runs as process {pid}", status.version)),
    }
}

pub(super) fn database(facts: &Facts) -> Finding {
    match &facts.database_fault {
        None if facts.is_repaired => warn(
            "database",
            "its last change was damaged on the disk, so the state before it was gone back to",
            "see whether the library and the transfers are as you left them, `minimodel library list` and `minimodel status`; \
             if this comes again, check the disk of the state folder",
        ),
        None => ok("database", "it can be read, and is of this program's version"),
        Some(fault) => fail(
            "database",
            fault,
            "nothing of it was changed; end other companions (`minimodel companion stop`), or use the newer version of this \
             program that wrote it",
        ),
    }
}

pub(super) fn consent_log(facts: &Facts) -> Finding {
    const NAME: &str = "consent log";
    match &facts.log {
        Err(why) => fail(
            NAME,
            format!("it cannot be read, so nothing is granted: {why}"),
            "see what is there: `ls -l` of the state folder; it is an ordinary file of yours that is never moved or linked",
        ),
        Ok(log) if log.ok && log.entries == 0 => ok(NAME, "there is none yet: nothing was agreed to"),
        Ok(log) if log.ok => ok(NAME, format!("its chain of {} lines holds", log.entries)),
        Ok(log) => fail(
            NAME,
            log.fault.as_deref().unwrap_or("its chain does not hold"),
            "somebody else wrote to it, an older copy was put in its place, or a disk failed: see `minimodel consent log --verify`",
        ),
    }
}

pub(super) fn clock(facts: &Facts) -> Finding {
    const NAME: &str = "clock";
    let hint = "set the clock, or let the system keep it (`timedatectl set-ntp true`)";
    let now = facts.now_unix;
    if !(EARLIEST_UNIX..LATEST_UNIX).contains(&now) {
        let way = if now < EARLIEST_UNIX { "before 2026" } else { "after 2099" };
        let detail = format!(
            "it says a time {way} ({now} seconds after 1970): offers and consents seem to end at the wrong time"
        );
        return fail(NAME, detail, hint);
    }
    let behind = facts.newest_written_unix.map_or(0, |newest| newest.saturating_sub(now));
    if behind > CORRECTION {
        let detail = format!(
            "it is {} behind the newest time that was written down here: it was set back, and consents hold for longer than \
             they were given",
            span(behind)
        );
        return fail(NAME, detail, hint);
    }
    ok(NAME, "the year is plausible, and no later time was ever written down here")
}

fn span(seconds: u64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7200.. => format!("{} hours", seconds / 3600),
        _ => format!("{} minutes", seconds / 60),
    }
}

pub(super) fn time_zone(facts: &Facts) -> Finding {
    const NAME: &str = "time zone";
    let has_schedule = !facts.status.limits.schedule.is_empty();
    match (facts.is_zone_known, has_schedule) {
        (true, _) => ok(NAME, "the system names its time zone, by which schedules count hours"),
        (false, false) => ok(NAME, "the system names no time zone; a schedule would count hours in UTC"),
        (false, true) => warn(
            NAME,
            "the system names no time zone, so the schedule's hours are those of UTC",
            "set the zone (`timedatectl set-timezone ZONE`, or the variable TZ), then start the companion again",
        ),
    }
}

/// Returns one finding for each faulty place, or a single good one.
pub(super) fn folders(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts.places.iter().filter_map(place).collect();
    if found.is_empty() {
        found.push(ok("folders", "ours alone, and writable"));
    }
    if !found.iter().any(|finding| finding.name == IDENTITY) {
        let is_missing = |place: &Place| place.name == IDENTITY && place.found == PathState::Missing;
        let is_none = facts.places.iter().any(is_missing);
        let detail = if is_none {
            "there is none yet; the first share or fetch makes it"
        } else {
            "readable, and ours alone"
        };
        found.push(ok(IDENTITY, detail));
    }
    found
}

fn place(place: &Place) -> Option<Finding> {
    let Place { name, path, kind, found } = place;
    let is_folder = *kind == PlaceKind::Folder;
    let area = if *kind == PlaceKind::Secret { *name } else { "folders" };
    let word = word(path);
    let see = format!("see what it is: `{}`", rights_command(&word));
    let whose = format!("the {name} `{}`", path.display());
    match found {
        PathState::Missing => None,
        PathState::Unknown(error) => Some(fail(area, format!("{whose} cannot be looked at: {error}"), see)),
        PathState::There { is_kind: false, .. } => {
            let wanted = if is_folder { "a folder" } else { "an ordinary file" };
            Some(fail(area, format!("{whose} is not {wanted}"), see))
        }
        PathState::There { is_ours: false, .. } => Some(fail(
            area,
            format!("{whose} belongs to another user"),
            "run as the user whose it is, or set MINIMODEL_HOME to a folder of your own",
        )),
        PathState::There { is_usable: false, .. } => {
            let open = open_to_user_command(&word, is_folder);
            let hint = format!("let this user write to it: `{open}`; or its disk is read-only");
            Some(fail(area, format!("{whose} cannot be written to"), hint))
        }
        PathState::There { mode, .. } if mode & 0o077 != 0 => {
            let detail = format!("{whose} has mode {mode:03o}");
            let hint = format!("keep it to yourself: `{}`", close_command(&word, is_folder));
            Some(match kind {
                PlaceKind::Secret => {
                    fail(area, format!("{detail}: others may use it, and so act as this user"), hint)
                }
                _ => warn(area, format!("{detail}: other users may look into it"), hint),
            })
        }
        PathState::There { .. } => None,
    }
}

/// Quotes a path for a shell command; `PATH` stands for one that cannot be pasted safely.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,=@%+".contains(&b);
    if text.bytes().all(plain) {
        text.into_owned()
    } else if text.contains(['\'', '\u{fffd}']) || text.contains(char::is_control) {
        "PATH".to_owned()
    } else {
        format!("'{text}'")
    }
}

pub(super) fn space(facts: &Facts) -> Vec<Finding> {
    facts.disks.iter().map(disk).collect()
}

fn disk(disk: &DiskSpace) -> Finding {
    const NAME: &str = "space";
    let DiskSpace { folder, free_bytes, needed_bytes, fetches } = disk;
    let have = format!("{} free on the disk of `{}`", size(*free_bytes), folder.display());
    let need = if *needed_bytes == 0 {
        String::new()
    } else {
        let verb = if fetches.len() == 1 { "needs" } else { "need" };
        format!(", and {} {verb} {} more", transfers(fetches), size(*needed_bytes))
    };
    let hint = "make space there, or let the library: `minimodel library prune`";
    match free_bytes.checked_sub(*needed_bytes) {
        None => fail(NAME, format!("{have}{need}"), hint),
        Some(left) if left < SCARCE_BYTES => warn(NAME, format!("{have}{need}: nearly full"), hint),
        Some(_) => ok(NAME, format!("{have}{need}")),
    }
}

pub(super) fn open_files(facts: &Facts) -> Finding {
    const NAME: &str = "open files";
    let hint =
        "raise the limit (`ulimit -n 4096`, or LimitNOFILE= of the service), then start the companion again";
    match facts.open_files {
        None => ok(NAME, "there is no limit on them"),
        Some(limit) if limit < TOO_FEW_FILES => {
            fail(NAME, format!("at most {limit}: too few for a transfer"), hint)
        }
        Some(limit) if limit < ENOUGH_FILES => {
            warn(NAME, format!("at most {limit}: too few for many transfers"), hint)
        }
        Some(limit) => ok(NAME, format!("at most {limit}")),
    }
}
