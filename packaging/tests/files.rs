//! The files that releases are made from: what they promise stands in them, and they name each other as the build does. The build is a script for Linux, as its tests are.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The targets of the lists `linux` and `others` of the build.
fn targets() -> Vec<String> {
    let build = text("packaging/build");
    let lists = build.lines().filter(|line| line.starts_with("linux=(") || line.starts_with("others=("));
    let words = lists.flat_map(|line| line.split(['(', ')', ' '])).filter(|word| word.contains('-'));
    words.map(str::to_owned).collect()
}

#[test]
fn container_is_from_scratch_and_runs_as_no_root() {
    let file = text("packaging/container/Containerfile");
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "FROM scratch");
    assert_eq!(lines.iter().filter(|line| line.starts_with("FROM ")).count(), 1);
    for line in ["USER 10001:10001", "ENTRYPOINT [\"/minimodel\"]", "STOPSIGNAL SIGTERM"] {
        assert!(lines.contains(&line), "{file}");
    }
    assert!(!lines.iter().any(|line| line.starts_with("RUN ")), "there is no shell to run anything");
}

#[test]
fn formula_and_winget_name_archives_that_the_build_makes() {
    let targets = targets();
    assert_eq!(targets.len(), 5, "{targets:?}");
    for file in
        ["packaging/homebrew/minimodel.rb.in", "packaging/winget/MiniModel.MiniModel.installer.yaml.in"]
    {
        let text = text(file);
        let sums: Vec<&str> =
            text.split("@SHA256:").skip(1).map(|rest| rest.split('@').next().unwrap()).collect();
        assert!(!sums.is_empty());
        for target in sums {
            assert!(targets.iter().any(|known| known == target), "{file} names {target}");
            let suffix = if target.contains("windows") { "zip" } else { "tar.gz" };
            assert!(
                text.contains(&format!("@URL@/minimodel-@VERSION@-{target}.{suffix}")),
                "{file}: {target}"
            );
        }
    }
}

#[test]
fn build_without_a_command_says_how_it_is_used() {
    let ran = Command::new(root().join("packaging/build"))
        .env("CARGO_TARGET_DIR", tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    for command in ["pages", "archives [TARGET...]", "deb | rpm", "container", "manifests URL", "all"] {
        assert!(said.contains(&format!("packaging/build {command}")), "{said}");
    }
}

#[test]
fn manifests_are_filled_from_the_sums_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("packages");
    fs::create_dir(&packages).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let sums = |targets: &[String]| {
        let line = |target: &String| {
            let suffix = if target.contains("windows") { "zip" } else { "tar.gz" };
            format!("{:064}  minimodel-{version}-{target}.{suffix}\n", target.len())
        };
        fs::write(packages.join("SHA256SUMS"), targets.iter().map(line).collect::<String>()).unwrap();
        let mut build = Command::new(root().join("packaging/build"));
        build.args(["manifests", "https://example.org/v1/"]).env("CARGO_TARGET_DIR", folder.path());
        let ran = build.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    sums(&targets());
    let formula = fs::read_to_string(packages.join("manifests/minimodel.rb")).unwrap();
    assert!(!formula.contains('@') && formula.contains(&format!("version \"{version}\"")), "{formula}");
    assert!(formula.contains("url \"https://example.org/v1/minimodel-"), "{formula}");
    let winget = packages.join("manifests/MiniModel.MiniModel.installer.yaml");
    assert!(fs::read_to_string(&winget).unwrap().contains(&format!("InstallerSha256: {:064}", 21)));
    // Without the archives of macOS there is no formula; what was filled before is no part of this release.
    sums(&targets().into_iter().filter(|target| !target.contains("apple")).collect::<Vec<_>>());
    assert!(!packages.join("manifests/minimodel.rb").exists() && winget.exists());
}
