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
