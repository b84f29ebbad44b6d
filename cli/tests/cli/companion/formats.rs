//! GGUF and safetensors files go the whole way: manifest, share, fetch, receipt, library.

use std::fs;

use minimodel_fixtures::{gguf_vec, safetensors_vec};

use super::house::House;
use crate::process::own_host;

/// Makes the manifest `tiny.minimodel` of a file.
fn publish(house: &House, file: &str, version: &str) {
    let line = format!(
        "manifest create {file} --model-id tiny --model-version {version} --publisher-id alice --license-route /license \
         --license-spdx LicenseRef-gemma --sign -o tiny.minimodel"
    );
    let ran = house.home.say(&line).exits(0);
    assert!(ran.stderr.contains("model card") && ran.stderr.contains("not provided"), "{}", ran.stderr);
}

#[test]
fn model_of_another_format_goes_the_whole_way() {
    let files = [("gguf", gguf_vec(50_000, 1)), ("safetensors", safetensors_vec(50_000, 1))];
    for (ending, bytes) in files {
        let (alice, bob) = (House::new(), House::new());
        let file = format!("mine.{ending}");
        alice.home.write(&file, &bytes);
        publish(&alice, &file, "1.0");
        let shown = alice.home.say("manifest show tiny.minimodel").exits(0).stdout;
        assert!(shown.contains("parameters") && shown.contains("50000"), "{shown}");
        alice.home.say(&format!("verify-artifact tiny.minimodel {file}")).exits(0);
        let words =
            ["seed", "--detach", "--listen", &own_host(), "tiny.minimodel", &file, "--consent", "serve"];
        let offer = alice.home.run(words).exits(0).stdout.lines().next().unwrap().to_owned();

        let line = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
        let ran = bob.home.run(line).exits(0);
        let words =
            if ending == "gguf" { "GGUF: llama, 50000 parameters" } else { "safetensors: 50000 parameters" };
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        let program = format!("a program that reads {}", if ending == "gguf" { "GGUF" } else { ending });
        assert!(ran.stderr.contains(&program), "{}", ran.stderr);
        let path = ran.stdout.trim().to_owned();
        assert!(path.ends_with(&format!("tiny-1.0.{ending}")), "{path}");
        assert!(fs::read(&path).unwrap() == bytes);
        let receipt = fs::read_to_string(format!("{path}.receipt")).unwrap();
        assert!(
            receipt.starts_with("receipt.version=1\n")
                && receipt.contains(&format!("artifact.kind={ending}\n"))
        );
        bob.home.say(&format!("inspect {path}.receipt")).exits(0);

        // A damaged copy is mended in its place.
        let mut damaged = bytes.clone();
        damaged[100_000] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let line = ["verify-artifact", "models/tiny-1.0.minimodel", &path, "--repair", "--peer", &offer];
        let line = [&line[..], &["--consent", "fetch,import"]].concat();
        bob.home.run(line).exits(0);
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn link_of_the_library_ends_as_its_file() {
    let house = House::new();
    for (ending, version, bytes) in
        [("gguf", "1.0", gguf_vec(50_000, 1)), ("safetensors", "2.0", safetensors_vec(50_000, 1))]
    {
        let file = format!("mine.{ending}");
        house.home.write(&file, bytes);
        publish(&house, &file, version);
        house.home.say(&format!("library add tiny.minimodel {file}")).exits(0);
        fs::remove_file(house.home.path("tiny.minimodel")).unwrap();
    }
    let links = || {
        ["gguf", "safetensors"].map(|ending| house.home.own(&format!("data/library/active/tiny.{ending}")))
    };
    let lead = || links().map(|link| fs::symlink_metadata(link).is_ok());
    for (version, expected) in [("1.0", [true, false]), ("2.0", [false, true]), ("1.0", [true, false])] {
        house.home.say(&format!("library activate tiny@{version}")).exits(0);
        assert_eq!(lead(), expected);
    }
    house.home.say("library remove tiny@1.0").exits(0);
    assert_eq!(lead(), [false, false]);
}

#[test]
fn program_that_knows_no_such_manifest_names_its_version() {
    let house = House::new();
    house.home.write("mine.gguf", gguf_vec(50_000, 1));
    publish(&house, "mine.gguf", "1.0");
    let text = String::from_utf8(house.home.read("tiny.minimodel")).unwrap();
    house.home.write("later.minimodel", text.replace("manifest.version=1", "manifest.version=2"));
    let refused = house.home.say("manifest show later.minimodel").exits(10);
    assert!(refused.stderr.contains("`0` or `1`"), "{}", refused.stderr);
    // Of a .slm file the model card is still asked for.
    house.home.say("sample a.slm --bytes 256KiB").exits(0);
    let line = "manifest create a.slm --model-id a --model-version 1 --publisher-id a --license-route /l -o a.minimodel";
    let refused = house.home.say(line).exits(2);
    assert!(refused.stderr.contains("--model-card-route"), "{}", refused.stderr);
}

#[test]
fn what_the_file_says_is_proposed_and_marked() {
    let house = House::new();
    for file in ["a.gguf", "b.safetensors"] {
        house.home.say(&format!("sample {file} --bytes 100KiB")).exits(0);
        let line = |more: &str| format!("manifest create {file} --publisher-id alice -o m.minimodel{more}");
        let ran = house.home.say(&line("")).exits(0);
        let text = String::from_utf8(house.home.read("m.minimodel")).unwrap();
        let id = if file == "a.gguf" { "sample-q4_0" } else { "sample" };
        for said in [
            &*format!("model.id={id}"),
            "license.spdx=CC0-1.0",
            "license.route=https://spdx.org/licenses/CC0-1.0.html",
            "requires.ram_mb=1",
        ] {
            assert!(text.lines().any(|found| found == said), "{said} in {text}");
            assert!(ran.stderr.contains(&format!("from the file  {said}")), "{said} in {}", ran.stderr);
        }
        assert!(text.lines().any(|line| line == "model.version=1"));
        fs::remove_file(house.home.path("m.minimodel")).unwrap();
        // What is given counts, and the file's license does not lend its text to another one.
        let ran =
            house.home.say(&line(" --model-id mine --license-spdx MIT --model-version 2 --json")).exits(0);
        let text = String::from_utf8(house.home.read("m.minimodel")).unwrap();
        for given in ["model.id=mine", "model.version=2", "license.route=https://spdx.org/licenses/MIT.html"]
        {
            assert!(text.lines().any(|found| found == given), "{given} in {text}");
        }
        assert!(ran.stdout.contains(r#""from_file":{"requires.ram_mb":"1"}"#), "{}", ran.stdout);
        fs::remove_file(house.home.path("m.minimodel")).unwrap();
        let refused = house.home.say(&line(" --no-proposals")).exits(2);
        assert!(refused.stderr.contains("--model-id"), "{}", refused.stderr);
        let refused = house.home.say(&line(" --no-proposals --model-id mine")).exits(2);
        assert!(refused.stderr.contains("--license-spdx MIT"), "{}", refused.stderr);
        let refused = house.home.say(&line(" --license-spdx LicenseRef-own")).exits(2);
        assert!(refused.stderr.contains("--license-route"), "{}", refused.stderr);
    }
}
