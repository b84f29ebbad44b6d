//! A token or a folder of the companion that other accounts can read or change: the test runs each command of the
//! hint, and each works.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::home::{Home, MINIMODEL, Ran};

/// A shell in which `minimodel` is the program under test, with a home folder whose name needs quotes.
struct Shell {
    home: Home,
    own: PathBuf,
}

impl Shell {
    fn new() -> Self {
        let home = Home::new();
        let own = home.path("it's my home");
        Self { home, own }
    }

    fn run(&self, line: &str) -> Ran {
        let folder = Path::new(MINIMODEL).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.home.path("")).stdin(Stdio::null()).env_clear();
        shell.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("MINIMODEL_HOME", &self.own);
        Ran::of(shell.output().unwrap())
    }

    fn companion(&self, name: &str) -> PathBuf {
        self.own.join("state/companion").join(name)
    }

    fn token(&self) -> String {
        fs::read_to_string(self.companion("token")).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.companion(name)).unwrap().mode() & 0o777
    }

    fn pid(&self) -> Option<u64> {
        let text = fs::read_to_string(self.companion("endpoint.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["pid"].as_u64()
    }
}

/// Ends the companion, whatever the test ends with.
impl Drop for Shell {
    fn drop(&mut self) {
        for (name, mode) in [("", 0o700), ("token", 0o600)] {
            let _ = fs::set_permissions(self.companion(name), Permissions::from_mode(mode));
        }
        self.run("minimodel companion stop");
        if let Some(pid) = self.pid() {
            self.run(&format!("kill {pid}"));
        }
    }
}

/// Commands in a hint, in order.
fn steps(ran: &Ran) -> Vec<String> {
    let (_, hint) = ran.stderr.split_once("\nhint: ").unwrap_or_else(|| panic!("no hint: {}", ran.stderr));
    let joined = hint.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

// Rows: H11
#[test]
fn hint_for_exposed_folder_or_token_works_while_companion_runs() {
    for (name, mode, good) in
        [("", 0o755, 0o700), ("token", 0o644, 0o600), ("", 0o770, 0o700), ("token", 0o604, 0o600)]
    {
        let shell = Shell::new();
        shell.run("minimodel companion start").exits(0);
        let (token, pid) = (shell.token(), shell.pid().unwrap());
        fs::set_permissions(shell.companion(name), Permissions::from_mode(mode)).unwrap();
        for line in ["status", "companion stop", "companion start", "library list"] {
            let refused = shell.run(&format!("minimodel {line}")).exits(13);
            assert!(refused.stderr.contains("is not private to you"), "{line}: {}", refused.stderr);
        }
        let steps = steps(&shell.run("minimodel companion status").exits(13));
        assert!(steps.len() == 4 && steps[0].starts_with("chmod"), "{steps:?}");
        for step in &steps {
            shell.run(step).exits(0);
            let is_there = shell.pid() == Some(pid);
            assert_eq!(is_there, step.starts_with("chmod"), "{step}: the companion that ran");
        }
        assert_eq!(shell.mode(name), good);
        assert_ne!(shell.token(), token);
        assert_ne!(shell.pid(), Some(pid));
        shell.run("minimodel companion status").exits(0);
        shell.run("minimodel companion stop").exits(0);
    }
}

/// With a damaged token no verb can authenticate to the companion, so the hint ends its process by a signal.
// Rows: H11
#[test]
fn hint_for_damaged_token_ends_the_running_companion() {
    let shell = Shell::new();
    shell.run("minimodel companion start").exits(0);
    let pid = shell.pid().unwrap();
    fs::write(shell.companion("token"), "none").unwrap();
    let steps = steps(&shell.run("minimodel companion stop").exits(10));
    assert!(steps.iter().any(|step| *step == format!("kill {pid}")), "{steps:?}");
    for step in &steps {
        shell.run(step);
        if step.starts_with("kill") {
            let begun = std::time::Instant::now();
            while shell.pid().is_some() {
                assert!(begun.elapsed().as_secs() < 60, "it did not end");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
    shell.run("minimodel companion status").exits(0);
    assert_ne!(shell.pid(), Some(pid));
}

/// Without its token or its address no verb reaches a companion: the error must not say that no companion runs.
// Rows: I4
#[test]
fn unreachable_running_companion_is_told_with_a_way_to_end_it() {
    let changes: [fn(&Shell); 3] = [
        |shell| fs::remove_file(shell.companion("token")).unwrap(),
        |shell| fs::write(shell.companion("token"), format!("{}\n", "7".repeat(64))).unwrap(),
        |shell| fs::remove_file(shell.companion("endpoint.json")).unwrap(),
    ];
    for change in changes {
        let shell = Shell::new();
        shell.run("minimodel companion start").exits(0);
        let pid = shell.pid().unwrap();
        change(&shell);
        for line in ["stop", "status"] {
            let refused = shell.run(&format!("minimodel companion {line}")).exits(11);
            assert!(refused.stderr.contains("cannot be reached"), "{line}: {}", refused.stderr);
            assert!(refused.stderr.contains("kill PID"), "{line}: {}", refused.stderr);
        }
        shell.run(&format!("kill {pid}"));
        let begun = std::time::Instant::now();
        while shell.run("minimodel companion status").code == 11 {
            assert!(begun.elapsed().as_secs() < 60, "it did not end");
        }
        shell.run("minimodel companion start").exits(0);
        shell.run("minimodel companion stop").exits(0);
    }
}
