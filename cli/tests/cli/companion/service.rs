//! `companion install` and `uninstall` with a service manager made for the test: a script on `PATH` that records how it is
//! called, and starts and ends the companion by the unit's own line.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::home::{Home, Ran};
use crate::process::{Running, answer_command};

const MANAGER: &str = r#"#!/bin/sh
echo "$*" >> "$FAKE/calls"
[ ! -e "$FAKE/edits-$2" ] || echo Nice=5 >> "$HOME/.config/systemd/user/minimodel-companion.service"
[ ! -e "$FAKE/refuses-$2" ] || { echo "no $2 today" >&2; exit 1; }
unit=$HOME/.config/systemd/user/minimodel-companion.service
case "$2" in
enable)
    eval "$(sed -n 's/^Environment=/export /p' "$unit")"
    eval "exec $(sed -n 's/^ExecStart=//p' "$unit")" > "$FAKE/said" 2>&1 &
    echo $! > "$FAKE/pid" ;;
disable)
    if kill "$(cat "$FAKE/pid")" 2> /dev/null; then
        # Where nobody collects orphans it stays as a zombie, so the wait has an end.
        for _ in $(seq 500); do kill -0 "$(cat "$FAKE/pid")" 2> /dev/null || break; sleep 0.01; done
    fi ;;
esac
"#;

/// A user whose session has this manager.
struct Session {
    home: Home,
}

impl Session {
    fn new() -> Self {
        let home = Home::new();
        for folder in ["bin", "user", "fake"] {
            fs::create_dir(home.path(folder)).unwrap();
        }
        home.write("bin/systemctl", MANAGER);
        fs::set_permissions(home.path("bin/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { home }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.home.command(line.split(' '));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.home.path("bin").display()));
        command.env("HOME", self.home.path("user")).env("FAKE", self.home.path("fake"));
        command
    }

    fn say(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().unwrap())
    }

    fn unit(&self) -> PathBuf {
        self.home.path("user/.config/systemd/user/minimodel-companion.service")
    }

    /// How the manager was called since the last look.
    fn calls(&self) -> Vec<String> {
        let path = self.home.path("fake/calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        calls.lines().map(str::to_owned).collect()
    }

    /// Writes the unit of another hand.
    fn write_unit(&self, text: &str) {
        fs::create_dir_all(self.unit().parent().unwrap()).unwrap();
        fs::write(self.unit(), text).unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ends what a test that failed has left.
        let _ = self.command("companion stop").output();
    }
}

const INSTALLED: [&str; 3] =
    ["--user show-environment", "--user daemon-reload", "--user enable --now minimodel-companion.service"];
const REMOVED: [&str; 3] =
    ["--user show-environment", "--user disable --now minimodel-companion.service", "--user daemon-reload"];

#[test]
fn install_without_agreement_writes_and_runs_nothing() {
    let session = Session::new();
    for line in ["companion install", "--json companion install", "-q companion install"] {
        let refused = session.say(line).exits(5);
        assert!(refused.stderr.contains("`minimodel companion install --yes`"), "{}", refused.stderr);
    }
    let planned = session.say("companion install --dry-run --port 4711").exits(0);
    assert!(planned.stdout.contains("/minimodel\" companion run --port 4711\n"), "{}", planned.stdout);
    assert!(planned.stderr.contains("command: systemctl --user daemon-reload"), "{}", planned.stderr);
    let planned = session.say("--json companion install --dry-run").exits(0).object();
    assert_eq!((&planned["event"], &planned["state"]), (&"companion-service".into(), &"planned".into()));
    assert_eq!(planned["path"], session.unit().to_str().unwrap());
    session.say("companion install --yes --dry-run").exits(2);
    assert_eq!(session.calls(), Vec::<String>::new());
    assert!(!session.home.path("user/.config").exists());
}

#[test]
fn installed_service_runs_the_companion_until_uninstall() {
    let session = Session::new();
    let installed = session.say("companion install --yes").exits(0);
    assert_eq!(installed.stdout.trim(), session.unit().to_str().unwrap());
    assert_eq!(session.calls(), INSTALLED);
    let unit = fs::read_to_string(session.unit()).unwrap();
    let home = format!("Environment=\"MINIMODEL_HOME={}\"\n", session.home.own("").display());
    assert!(unit.contains(home.trim_end_matches("/\"\n")), "{unit}");
    session.say("companion status").exits(0);

    let again = session.say("companion install --yes").exits(0);
    assert!(again.stderr.contains("installed already"), "{}", again.stderr);
    session.say("companion uninstall").exits(5);
    assert_eq!(session.calls(), Vec::<String>::new());
    assert_eq!(session.say("--json companion uninstall --yes").exits(0).object()["state"], "uninstalled");
    assert_eq!(session.calls(), REMOVED);
    session.say("companion status").exits(3);
    assert!(!session.unit().exists());
    assert_eq!(session.say("--json companion uninstall --yes").exits(0).object()["state"], "absent");
    assert_eq!(session.calls(), Vec::<String>::new());
}

#[test]
fn terminal_install_shows_all_and_takes_only_yes() {
    let session = Session::new();
    for word in ["no", "y", "YES", ""] {
        let (shown, refused) = answer_command(session.command("companion install"), &[word]);
        refused.end().exits(5);
        let commands = ["systemctl --user daemon-reload", "systemctl --user enable --now"];
        for line in ["NoNewPrivileges=yes"].iter().chain(&commands) {
            assert!(shown.contains(line), "{shown}");
        }
    }
    assert!(session.calls().is_empty() && !session.unit().exists());
    let (_, agreed) = answer_command(session.command("companion install"), &["yes"]);
    agreed.end().exits(0);
    let (shown, agreed) = answer_command(session.command("companion uninstall"), &["yes"]);
    agreed.end().exits(0);
    assert!(shown.contains("systemctl --user disable --now"), "{shown}");
    assert!(!session.unit().exists());
}

#[test]
fn unit_of_another_hand_is_left_as_it_is() {
    let session = Session::new();
    let ours = session.say("companion install --dry-run").exits(0).stdout;
    for text in ["[Service]\nExecStart=/bin/true\n", &format!("{ours}Nice=5\n"), ""] {
        session.write_unit(text);
        for verb in ["install", "uninstall"] {
            let refused = session.say(&format!("companion {verb} --yes")).exits(13);
            assert!(refused.stderr.contains("or was changed since"), "{}", refused.stderr);
        }
        assert_eq!(fs::read_to_string(session.unit()).unwrap(), text);
    }
    fs::write(session.home.path("elsewhere"), &ours).unwrap();
    fs::remove_file(session.unit()).unwrap();
    symlink(session.home.path("elsewhere"), session.unit()).unwrap();
    session.say("companion install --yes").exits(13);
    session.say("companion uninstall --yes").exits(13);
    assert!(session.unit().is_symlink() && session.home.path("elsewhere").exists());
    assert_eq!(session.calls(), Vec::<String>::new());
}

#[test]
fn earlier_unit_of_ours_is_replaced_and_its_companion_restarted() {
    let session = Session::new();
    session.say("companion install --yes").exits(0);
    let before = session.say("--json status").exits(0).object()["status"]["pid"].clone();
    session.calls();
    let mut same = session.command("companion install --yes");
    // MINIMODEL_HOME wins: nothing differs, and the companion is left alone.
    Ran::of(same.env("XDG_DATA_HOME", "/nowhere").output().unwrap()).exits(0);
    assert_eq!(session.say("--json status").exits(0).object()["status"]["pid"], before);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    session.say(&format!("companion install --yes --port {port}")).exits(0);
    assert_eq!(session.calls(), [INSTALLED[0], REMOVED[1], REMOVED[2], INSTALLED[1], INSTALLED[2]]);
    let status = session.say("companion status").exits(0);
    assert!(status.stdout.contains(&format!(":{port}")), "{}", status.stdout);
    assert!(fs::read_to_string(session.unit()).unwrap().contains(&format!("--port {port}\n")));
}

#[test]
fn manager_that_is_missing_or_fails_leaves_nothing_behind() {
    let session = Session::new();
    for (refuses, words) in [("show-environment", "does not answer here"), ("enable", "was taken back")] {
        session.home.write(format!("fake/refuses-{refuses}"), "");
        let failed = session.say("companion install --yes").exits(1);
        assert!(failed.stderr.contains(words), "{}", failed.stderr);
        assert!(failed.stderr.contains(&format!("no {refuses} today")), "{}", failed.stderr);
        assert!(!session.unit().exists());
        fs::remove_file(session.home.path(format!("fake/refuses-{refuses}"))).unwrap();
    }
    fs::remove_file(session.home.path("bin/systemctl")).unwrap();
    let mut command = session.command("companion install --yes");
    let failed = Ran::of(command.env("PATH", session.home.path("bin")).output().unwrap()).exits(1);
    assert!(failed.stderr.contains("cannot run `systemctl`"), "{}", failed.stderr);
    assert!(!session.unit().exists());
}

#[test]
fn unit_that_is_edited_after_the_question_is_left() {
    for (edits, words) in
        [("show-environment", "nothing was written or run"), ("disable", "changed meanwhile")]
    {
        for verb in ["install --port 4711", "uninstall"] {
            let session = Session::new();
            session.say("companion install --yes").exits(0);
            session.home.write(format!("fake/edits-{edits}"), "");
            let refused = session.say(&format!("companion {verb} --yes")).exits(13);
            assert!(refused.stderr.contains(words), "{}", refused.stderr);
            let unit = fs::read_to_string(session.unit()).unwrap();
            assert!(unit.ends_with("Nice=5\n") && !unit.contains("4711"), "{unit}");
            assert_eq!(fs::read_dir(session.unit().parent().unwrap()).unwrap().count(), 1);
        }
    }
}

#[test]
fn earlier_unit_comes_back_if_the_manager_refuses_the_new_one() {
    let session = Session::new();
    session.say("companion install --yes").exits(0);
    let unit = fs::read_to_string(session.unit()).unwrap();
    session.home.write("fake/refuses-enable", "");
    let failed = session.say("companion install --yes --port 4711").exits(1);
    assert!(failed.stderr.contains("that was installed before is put back"), "{}", failed.stderr);
    assert_eq!(fs::read_to_string(session.unit()).unwrap(), unit);
    assert_eq!(fs::read_dir(session.unit().parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn install_into_a_folder_of_all_accounts_warns_before_it_asks() {
    let session = Session::new();
    session.write_unit("");
    fs::remove_file(session.unit()).unwrap();
    let folder = session.unit().parent().unwrap().to_owned();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = session.say("companion install").exits(5);
    assert!(
        refused.stderr.contains("other accounts can change what your session starts"),
        "{}",
        refused.stderr
    );
    let mut relative = session.command("companion install --yes");
    let refused = Ran::of(relative.env("HOME", "user").env_remove("XDG_CONFIG_HOME").output().unwrap());
    assert!(refused.exits(13).stderr.contains("HOME is not set to an absolute path"));
}

#[test]
fn companion_that_runs_by_itself_is_in_the_way_of_install() {
    let session = Session::new();
    let companion = Running::start(&mut session.command("companion run --json"));
    companion.wait_for_event("companion");
    // Its interface answers a moment after the event.
    while session.say("companion status").code != 0 {
        std::thread::sleep(Duration::from_millis(30));
    }
    let refused = session.say("companion install --yes").exits(11);
    assert!(refused.stderr.contains("minimodel companion stop"), "{}", refused.stderr);
    assert!(session.calls().is_empty() && !session.unit().exists());
    companion.stop().exits(0);
}
