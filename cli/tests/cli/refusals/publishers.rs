//! Known publishers where the state folder is read-only.

use super::disk::SmallDisk;
use crate::publishers::{key, known, stage};

// Rows: H10
#[test]
fn read_only_state_folder_still_shows_keys_but_blocks_import() {
    let home = stage();
    let Some(disk) = SmallDisk::mount(home.own(""), "size=8m,mode=700") else { return };
    home.say("write-import-receipt one.minimodel a.slm one.receipt").exits(0);
    disk.remount("ro");
    let told = home.say("verify-manifest one.minimodel").exits(0).stdout;
    assert!(told.contains("known since"), "{told}");
    home.say("verify-manifest two.minimodel").exits(6);
    assert_eq!(known(&home), [key(1)]);
    for words in [
        vec![
            "write-import-receipt",
            "two.minimodel",
            "a.slm",
            "two.receipt",
            "--accept-publisher-key",
            &key(2),
        ],
        vec!["publisher", "pin", "other", &key(2)],
        vec!["publisher", "forget", "sample-publisher"],
    ] {
        home.run(&words).exits(13);
    }
    assert!(!home.path("two.receipt").exists());
    disk.remount("rw");
    assert_eq!(known(&home), [key(1)]);
}
