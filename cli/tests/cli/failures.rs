//! Every failure names the object and the next step, on stderr in blocks and under `--json` in an object.

use std::fs;
use std::os::unix::fs::symlink;

use crate::home::Home;
use crate::refusals::run_without_privilege;

/// A home with files that make verbs fail.
fn trouble() -> Home {
    let home = Home::with_artifact();
    home.write("text", "hello\n");
    home.write("big", vec![b'x'; 70_000]);
    home.write("short.slm", b"SLM1");
    fs::create_dir(home.path("folder")).unwrap();
    symlink("nowhere", home.path("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    home
}

/// Command line, exit code, and the object that the error block must name.
const CASES: [(&str, i32, &str); 38] = [
    ("frobnicate", 2, "frobnicate"),
    ("verify-manifest", 2, "MANIFEST"),
    ("verify-manifest a b", 2, "b"),
    ("--progress loud id show", 2, "loud"),
    ("sample out --bytes 64MB", 2, "64MB"),
    ("sample out --bytes 1", 2, "sample"),
    ("sample out --bytes 1MiB --profile tinylm-16m", 2, "--profile"),
    ("seed a.minimodel a.slm --up 0", 2, "--up"),
    ("seed a.minimodel a.slm --consent everything", 2, "everything"),
    ("seed a.minimodel a.slm --listen nowhere", 2, "nowhere"),
    ("seed a.minimodel a.slm --allow somebody", 2, "somebody"),
    ("fetch -o folder", 2, "MANIFEST"),
    ("fetch a.minimodel", 2, "--out"),
    ("fetch a.minimodel -o folder --stall-timeout 5", 2, "5"),
    ("verify-manifest none", 3, "`none`"),
    ("verify-manifest link", 3, "`link`"),
    ("verify-manifest text/below", 3, "`text/below`"),
    ("verify-artifact a.minimodel none", 3, "`none`"),
    ("verify-artifact none a.slm", 3, "`none`"),
    ("inspect none", 3, "`none`"),
    ("manifest show none", 3, "`none`"),
    ("verify-artifact a.minimodel short.slm", 4, "`short.slm`"),
    ("verify-chunks a.minimodel a.minimodel", 3, "`a.minimodel`"),
    ("inspect short.slm", 4, "`short.slm`"),
    ("verify-manifest text", 10, "`text`"),
    ("verify-manifest big", 10, "`big`"),
    ("verify-artifact text a.slm", 10, "`text`"),
    ("manifest show text", 10, "`text`"),
    ("inspect text", 10, "`text`"),
    ("inspect mm1zzzz", 10, "mm1zzzz"),
    ("verify-manifest folder", 13, "`folder`"),
    ("verify-artifact a.minimodel pipe", 13, "`pipe`"),
    ("verify-artifact /dev/null a.slm", 13, "`/dev/null`"),
    ("sample a.slm", 13, "`a.slm`"),
    ("sample link", 13, "`link`"),
    ("sample folder", 13, "`folder`"),
    ("sample none/out", 13, "`none/out`"),
    ("write-import-receipt a.minimodel a.slm a.slm", 13, "`a.slm`"),
];

#[test]
fn every_failure_names_the_object_and_the_next_step() {
    let home = trouble();
    let before = home.names();
    for (line, code, object) in CASES {
        let ran = home.say(line).exits(code);
        let block = |name: &str| ran.stderr.lines().find_map(|text| text.strip_prefix(name));
        let error = block("error: ").unwrap_or_else(|| panic!("{line}: no error block in {}", ran.stderr));
        assert!(error.contains(object), "{line}: {object} is not in: {error}");
        assert!(block("hint: ").is_some_and(|hint| hint.len() > 5), "{line}: {}", ran.stderr);
        if code != 2 {
            assert!(block("cause: ").is_some_and(|cause| !cause.is_empty()), "{line}: {}", ran.stderr);
        }
        // Only a report may be on stdout, of a verb that answers with a report.
        assert!(ran.stdout.is_empty() || ran.stdout.contains("not ok: "), "{line}: {}", ran.stdout);
        assert_eq!(home.names(), before, "{line}");
    }
}

#[test]
fn under_json_a_failure_is_one_object() {
    let home = trouble();
    for (line, code, _) in CASES {
        let object = home.run(std::iter::once("--json").chain(line.split(' '))).exits(code).object();
        if object.get("ok").is_some() {
            assert_eq!(object["ok"], false, "{line}");
            continue;
        }
        let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["cause", "code", "error", "event", "hint", "version"], "{line}");
        assert_eq!((&object["event"], &object["code"]), (&"error".into(), &code.into()), "{line}");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_exit_13() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::with_artifact();
    fs::set_permissions(home.path("a.slm"), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = run_without_privilege(&home, &["verify-artifact", "a.minimodel", "a.slm"]).exits(13);
    assert!(ran.stderr.contains("ls -ld a.slm"), "{}", ran.stderr);
}
