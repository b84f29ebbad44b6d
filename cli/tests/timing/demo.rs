//! `minimodel demo`, as a new user runs it.

use std::fs;
use std::time::{Duration, Instant};

use crate::alone;
use crate::home::Home;
use crate::process::Running;

#[test]
fn demo_runs_without_arguments_in_a_minute_and_leaves_no_files() {
    let _alone = alone();
    let home = Home::new();
    fs::create_dir(home.path("tmp")).unwrap();
    let left =
        || fs::read_dir(home.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let run = |line: &[&str]| {
        let start = Instant::now();
        let mut command = home.command(line);
        let ran = Running::start(command.env("TMPDIR", home.path("tmp"))).end().exits(0);
        assert!(start.elapsed() < Duration::from_secs(60));
        println!("the demo took {:.1} s", start.elapsed().as_secs_f32());
        ran
    };
    let ran = run(&["demo"]);
    for told in ["killed without warning", "resumed with ", "is banned: chunk ", "agreed to import", "alice "]
    {
        assert!(ran.stdout.contains(told), "{told} is not in: {}", ran.stdout);
    }
    assert_eq!(left(), Vec::<std::path::PathBuf>::new());
    assert_eq!(home.names(), ["tmp"]);

    let ran = run(&["demo", "--keep"]);
    let [kept] = left().try_into().unwrap();
    assert!(ran.stderr.contains(kept.to_str().unwrap()), "{}", ran.stderr);
    let bob: Vec<_> =
        fs::read_dir(kept.join("bob")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(bob.len(), 3, "{bob:?}");
}
