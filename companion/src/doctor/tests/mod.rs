//! Tests of every finding, from facts that cause it.

mod causes;

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::path::PathBuf;

use minimodel::consent::LogVerdict;

use super::*;
use crate::model::{Kind, Limits, Peer, Rates, State, Status, Transfer, Window};

/// 2026-06-01T12:00:00Z.
const NOON: u64 = 1_780_315_200;

fn fetch(id: u64) -> Transfer {
    Transfer {
        id,
        kind: Kind::Fetch,
        state: State::Running,
        model_id: "my-model".into(),
        model_version: "1".into(),
        swarm_id: "ab".repeat(32),
        path: "/models/my-model.slm".into(),
        have_bytes: 1 << 20,
        total_bytes: 4 << 20,
        received_bytes: 1 << 20,
        down_rate: 1 << 19,
        peers: vec![Peer::default()],
        run_seconds: 100.0,
        created_utc: "2026-06-01T11:00:00Z".into(),
        ..Transfer::default()
    }
}

fn share(id: u64) -> Transfer {
    Transfer { kind: Kind::Share, ..fetch(id) }
}

fn verdict(ok: bool, entries: u64) -> LogVerdict {
    LogVerdict { ok, entries, head: String::new(), fault: (!ok).then(|| "line 2".to_owned()) }
}

fn facts() -> Facts {
    let there = PathState::There { is_kind: true, is_ours: true, mode: 0o700, is_usable: true };
    let place = |name, kind, found| Place { name, path: PathBuf::from("/m/x"), kind, found };
    Facts {
        now_unix: NOON,
        newest_written_unix: Some(NOON - 5),
        is_zone_known: true,
        next_change_unix: None,
        places: vec![
            place("state folder", PlaceKind::Folder, there),
            place("identity", PlaceKind::Secret, PathState::Missing),
        ],
        disks: vec![DiskSpace {
            folder: "/m".into(),
            free_bytes: 8 << 30,
            needed_bytes: 1 << 30,
            fetches: vec![2],
        }],
        no_ipv4: None,
        no_ipv6: None,
        listens: Vec::new(),
        offered: Vec::new(),
        socket_buffers: Some((4 << 20, 4 << 20)),
        open_files: Some(65_536),
        database_fault: None,
        is_repaired: false,
        log: Ok(verdict(true, 0)),
        status: Status {
            version: "0.1.0".into(),
            label: None,
            pid: 7,
            started_utc: "2026-06-01T10:00:00Z".into(),
            peer: None,
            limits: Limits::default(),
            now: Rates::default(),
            transfers: Vec::new(),
        },
    }
}

/// Returns the findings that are not in order, as `name outcome`, and all their text.
fn ill(facts: &Facts) -> (Vec<String>, String) {
    let all = examine(facts);
    let ill: Vec<&Finding> = all.iter().filter(|finding| finding.outcome != OK).collect();
    assert!(ill.iter().all(|finding| finding.hint.as_ref().is_some_and(|hint| !hint.is_empty())), "{ill:?}");
    let names = ill.iter().map(|finding| format!("{} {}", finding.name, finding.outcome)).collect();
    (names, ill.iter().map(|f| format!("{} | {}\n", f.detail, f.hint.clone().unwrap_or_default())).collect())
}

#[track_caller]
fn is_ill(change: impl FnOnce(&mut Facts), expected: &str, words: &[&str]) {
    let mut facts = facts();
    change(&mut facts);
    let (names, text) = ill(&facts);
    assert_eq!(names, [expected], "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

#[test]
fn healthy_machine_has_only_ok_findings_in_every_area() {
    let all = examine(&facts());
    assert!(all.iter().all(|finding| finding.outcome == OK), "{all:#?}");
    let names: BTreeSet<&str> = all.iter().map(|finding| finding.name.as_str()).collect();
    let expected = [
        "clock",
        "companion",
        "consent log",
        "database",
        "folders",
        "identity",
        "limits",
        "open files",
        "ports",
        "reachability",
        "socket buffers",
        "space",
        "time zone",
    ];
    assert_eq!(names, expected.into());
}

#[test]
fn clocks_that_are_wrong_are_found() {
    is_ill(|facts| facts.now_unix = 1000, "clock fail", &["before 2026"]);
    is_ill(
        |facts| (facts.now_unix, facts.newest_written_unix) = (u64::MAX, None),
        "clock fail",
        &["after 2099"],
    );
    is_ill(
        |facts| facts.newest_written_unix = Some(NOON + 3 * 86_400),
        "clock fail",
        &["3 days behind", "set back"],
    );
    is_ill(|facts| facts.newest_written_unix = Some(NOON + 180), "clock fail", &["3 minutes"]);
    let mut corrected = facts();
    corrected.newest_written_unix = Some(NOON + 60);
    assert_eq!(ill(&corrected).0, Vec::<String>::new());
    let no_zone = |facts: &mut Facts| {
        facts.is_zone_known = false;
        facts.status.limits.schedule = vec![Window { from: 1, to: 2, ..Window::default() }];
    };
    is_ill(no_zone, "time zone warn", &["UTC"]);
}

#[test]
fn folders_and_files_that_are_not_ours_alone_are_found() {
    let place = |found| move |facts: &mut Facts| facts.places[0].found = found;
    let there = |is_kind, is_ours, mode, is_usable| PathState::There { is_kind, is_ours, mode, is_usable };
    is_ill(place(PathState::Unknown("permission denied".into())), "folders fail", &["permission denied"]);
    is_ill(place(there(false, true, 0o700, true)), "folders fail", &["not a folder"]);
    is_ill(place(there(true, false, 0o700, true)), "folders fail", &["another user"]);
    is_ill(place(there(true, true, 0o500, false)), "folders fail", &["chmod u+rwx /m/x"]);
    is_ill(place(there(true, true, 0o750, true)), "folders warn", &["750", "chmod 700 /m/x"]);
    let identity = |facts: &mut Facts| facts.places[1].found = there(true, true, 0o644, true);
    is_ill(identity, "identity fail", &["644", "chmod 600 /m/x"]);
    let odd = |facts: &mut Facts| {
        facts.places[0].path = "/m/a'; rm -rf b".into();
        facts.places[0].found = there(true, true, 0o777, true);
    };
    is_ill(odd, "folders warn", &["`chmod 700 PATH`"]);
}

#[test]
fn too_small_disk_fails_and_nearly_full_disk_warns() {
    is_ill(|facts| facts.disks[0].needed_bytes = 9 << 30, "space fail", &["transfer 2 needs 9.0 GiB more"]);
    is_ill(
        |facts| facts.disks[0].needed_bytes = (7 << 30) + 1,
        "space warn",
        &["nearly full", "library prune"],
    );
    is_ill(|facts| facts.open_files = Some(100), "open files fail", &["ulimit -n"]);
    is_ill(|facts| facts.open_files = Some(512), "open files warn", &["512"]);
}

#[test]
fn a_companion_its_database_and_its_log_are_looked_at() {
    let nobody = |facts: &mut Facts| (facts.status.pid, facts.status.transfers) = (0, vec![fetch(1)]);
    is_ill(nobody, "companion warn", &["minimodel companion start"]);
    is_ill(|facts| facts.database_fault = Some("of version 9".into()), "database fail", &["of version 9"]);
    is_ill(|facts| facts.is_repaired = true, "database warn", &["gone back to", "library list"]);
    is_ill(
        |facts| facts.log = Ok(verdict(false, 3)),
        "consent log fail",
        &["line 2", "consent log --verify"],
    );
    is_ill(
        |facts| facts.log = Err("it is a link".into()),
        "consent log fail",
        &["it is a link", "nothing is granted"],
    );
    let mut good = facts();
    good.log = Ok(verdict(true, 3));
    assert_eq!(ill(&good).0, Vec::<String>::new());
    for (entries, text) in [(0, "nothing was agreed to"), (3, "3 lines")] {
        good.log = Ok(verdict(true, entries));
        assert!(machine::consent_log(&good).detail.contains(text), "{entries}");
    }
}

#[test]
fn port_findings_depend_on_whether_the_transfer_runs() {
    let listen = |is_running, bound| {
        move |facts: &mut Facts| {
            let address = "127.0.0.1:4000".parse().unwrap();
            facts.listens = vec![Listen { transfer: 3, address, is_running, bound }];
        }
    };
    is_ill(listen(true, Bound::Free), "ports fail", &["127.0.0.1:4000", "bound by nobody"]);
    is_ill(listen(false, Bound::Taken), "ports fail", &["another program", ":4000"]);
    is_ill(listen(true, Bound::Refused("denied".into())), "ports fail", &["denied"]);
    for fine in [(true, Bound::Taken), (false, Bound::Free)] {
        let mut facts = facts();
        listen(fine.0, fine.1)(&mut facts);
        assert_eq!(ill(&facts).0, Vec::<String>::new());
    }
    let none = |facts: &mut Facts| (facts.no_ipv4, facts.no_ipv6) = (Some("no".into()), Some("no".into()));
    is_ill(none, "ports fail", &["no UDP socket"]);
    let mut four = facts();
    four.no_ipv6 = Some("off".into());
    assert_eq!(ill(&four).0, Vec::<String>::new());
    is_ill(
        |facts| facts.socket_buffers = Some((212_992, 4 << 20)),
        "socket buffers warn",
        &["208.0 KiB", "rmem_max"],
    );
}

#[test]
fn what_an_offer_names_tells_who_can_come() {
    let offers = |addresses: &'static [&'static str]| {
        move |facts: &mut Facts| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
            facts.offered = vec![Offered { transfer: 4, addresses, expires_unix: NOON + 60 }];
        }
    };
    is_ill(offers(&["127.0.0.1:5000", "[::1]:5000"]), "reachability warn", &["loopback alone"]);
    let private: &[&str] = &["192.168.1.5:5000", "127.0.0.1:5000", "[fd00::1]:5000"];
    is_ill(offers(private), "reachability warn", &["private", "UDP port 5000", "--advertise", "forward"]);
    is_ill(offers(&["100.64.3.4:5000", "10.0.0.1:5000"]), "reachability warn", &["provider"]);
    is_ill(offers(&["169.254.1.1:5000"]), "reachability warn", &["link-local"]);
    is_ill(offers(&[]), "reachability fail", &["no address"]);
    let ended = |facts: &mut Facts| {
        offers(&["9.9.9.9:5000"])(facts);
        facts.offered[0].expires_unix = NOON;
    };
    is_ill(ended, "reachability warn", &["has ended"]);
    let detail = |addresses| {
        let mut facts = facts();
        offers(addresses)(&mut facts);
        let found = examine(&facts).into_iter().find(|finding| finding.name == "reachability").unwrap();
        assert_eq!(found.outcome, OK);
        found.detail
    };
    assert!(detail(&["9.9.9.9:5000", "10.0.0.1:5000"]).contains("public address;"));
    assert!(detail(&["[2606:4700::1]:5000", "10.0.0.1:5000"]).contains("IPv4 alone cannot come"));
}

#[test]
fn current_limits_are_told_with_their_end_and_dead_window_warns() {
    let mut facts = facts();
    facts.status.now = Rates { up: Some(1 << 20), ..Rates::default() };
    facts.next_change_unix = Some(NOON + 3600);
    assert_eq!(
        transfers::limits(&facts).detail,
        "now up 1.0 MiB/s, down no limit, until 2026-06-01T13:00:00Z"
    );
    facts.status.now.paused = true;
    assert!(transfers::limits(&facts).detail.contains("pauses everything"));
    let window = |from, to| Window { from, to, ..Window::default() };
    let never = |facts: &mut Facts| facts.status.limits.schedule = vec![window(0, 24), window(3, 4)];
    is_ill(never, "limits warn", &["3-4 never holds"]);
}

#[test]
fn what_is_gathered_is_what_is_there() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (state, data) = (folder.path().join("state"), folder.path().join("data"));
    fs::create_dir_all(state.join("companion")).unwrap();
    fs::create_dir_all(&data).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(data.join("identity.key"), "x").unwrap();
    fs::set_permissions(data.join("identity.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(data.join("library"), "in the way").unwrap();
    std::os::unix::fs::symlink("nowhere", state.join("consent.log")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap();
    let path = data.join("models/m.slm").to_str().unwrap().to_owned();
    let status = Status { transfers: vec![Transfer { path, ..fetch(1) }, share(2)], ..facts().status };
    let any_port = "127.0.0.1:0".parse().unwrap();
    let at = |transfer, address, is_lost| ListenAt { transfer, address, is_lost };
    let facts = gather(Around {
        now_unix: NOON,
        newest_written_unix: None,
        state: &state,
        data: &data,
        status: Some(status),
        listens: &[at(2, taken, false), at(9, taken, false), at(2, taken, true), at(1, any_port, false)],
        database_fault: None,
        is_repaired: false,
        log: minimodel::consent::verify(&state, &data, &[]).map_err(|error| error.to_string()),
    });
    assert!(facts.log.is_err(), "a link is no log");
    let found = |name| &facts.places.iter().find(|place| place.name == name).unwrap().found;
    let mode = |found: &PathState| match found {
        PathState::There { is_kind: true, is_ours: true, mode, is_usable: true } => Some(*mode),
        _ => None,
    };
    assert_eq!(facts.newest_written_unix, Some(NOON - 3600), "when the transfers were added");
    assert_eq!(mode(found("state folder")), Some(0o755));
    assert_eq!(mode(found("identity")), Some(0o600));
    assert!(matches!(found("library's folder"), PathState::There { is_kind: false, .. }));
    assert_eq!(found("token"), &PathState::Missing);
    assert!(matches!(found("consent log"), PathState::Unknown(_)));
    let [disk] = facts.disks.as_slice() else { panic!("{:?}", facts.disks) };
    assert!(disk.free_bytes > 0 && disk.needed_bytes == 3 << 20 && disk.fetches == [1], "{disk:?}");
    let listens: Vec<_> = facts.listens.iter().map(|l| (l.transfer, l.is_running, l.bound.clone())).collect();
    assert_eq!(listens, [(2, true, Bound::Taken), (9, false, Bound::Taken), (2, false, Bound::Taken)]);
    assert!(!examine(&facts).is_empty());
}

#[test]
fn without_a_database_the_rest_is_looked_at_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let facts = gather(Around {
        now_unix: NOON,
        newest_written_unix: None,
        state: folder.path(),
        data: folder.path(),
        status: None,
        listens: &[],
        database_fault: Some("it is damaged".to_owned()),
        is_repaired: false,
        log: minimodel::consent::verify(folder.path(), folder.path(), &[]).map_err(|error| error.to_string()),
    });
    let findings = examine(&facts);
    let of = |name: &str| findings.iter().find(|finding| finding.name == name);
    assert!(of("database").is_some_and(|found| found.outcome == FAIL && found.detail == "it is damaged"));
    assert!(of("companion").is_some_and(|found| found.outcome == WARN));
    assert!(of("limits").is_none() && of("consent log").is_some() && of("clock").is_some());
}
