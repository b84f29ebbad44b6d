//! `companion folders`, with and without a companion.

use minimodel_companion::Service as _;
use minimodel_companion::client::Client;

use super::house::House;
use crate::process::events;

#[test]
fn a_folder_is_allowed_and_taken_back_by_the_terminal() {
    let mut house = House::with_artifact();
    assert_eq!(house.home.say("companion folders").exits(0).stdout, "");
    let told = house.home.say("companion folders add .").exits(0).stdout;
    let folder = told.trim_end();
    let files = |house: &House| {
        let client = Client::find(&house.home.own("state/companion")).unwrap().unwrap();
        client.files(Some(folder.as_ref()))
    };
    let listed = files(&house).unwrap();
    assert_eq!(listed.roots, [folder]);
    assert!(listed.entries.iter().any(|file| file.name == "a.slm" && file.bytes > 0), "{listed:?}");
    for verb in ["add", "remove"] {
        house.home.say(&format!("companion folders {verb} none")).exits(3);
    }
    // The record needs no companion.
    house.stop();
    assert_eq!(house.home.say("companion folders list").exits(0).stdout, told);
    let removed = house.home.say("--json companion folders remove .").exits(0).stdout;
    let event = events(&removed, "companion-folder").next().unwrap();
    assert_eq!((event["path"].as_str(), event["state"].as_str()), (Some(folder), Some("removed")));
    house.start();
    assert_eq!(files(&house).unwrap_err().code, 5);
}
