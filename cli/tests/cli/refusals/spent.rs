//! A seeder that ends answers half-way because a budget is spent is not treated as a liar.

use super::stage::{hint, names, stage};
use crate::process::Running;

// Rows: B22, I7
#[test]
fn budget_ending_in_mid_transfer_exits_12_and_bans_no_seeder() {
    let theirs = stage();
    for round in 0..4 {
        let ours = stage();
        let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
        let offer = seeder.offer();
        let spent = (0..20).find_map(|number| {
            let out = format!("out-{number}");
            let line =
                ["fetch", "model.minimodel", "--peer", &offer, "-o", &out, "--consent", "fetch,import"];
            Some(ours.run(line)).filter(|ran| ran.code != 0)
        });
        let spent = spent.unwrap().exits(12);
        names(&spent, &[&seeder.peer(), "budget"]);
        assert!(
            hint(&spent).contains("within a day") && !spent.stderr.contains("banned"),
            "{round}: {}",
            spent.stderr
        );
    }
}
